"""One digest for the same weights, whatever file they are in, and another one for other weights."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.tensors import WeightsError, lightning_weights, tensor_digests, tensors_sha256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from weights_material import exported, safetensors_of, saved

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.uint32,
]  # fmt: skip
LAYOUTS = ["as it is", "transposed", "strided", "inside a larger one", "expanded"]


def tensor(dtype: Any, shape: list[int], layout: str, seed: int) -> Any:
    """Return a tensor of random bits in one of several layouts."""
    import math

    item = torch.empty(0, dtype=dtype).element_size()
    generator = torch.Generator().manual_seed(seed)
    top = 2 if dtype is torch.bool else 256
    bits = torch.randint(0, top, (4 * math.prod(shape) * item + item,), dtype=torch.uint8, generator=generator)
    whole = bits[: len(bits) // item * item].view(dtype)
    found = whole[: math.prod(shape)].view(shape)
    if layout == "transposed" and shape:
        return found.transpose(0, -1)
    if layout == "strided" and shape:
        return whole[: 2 * math.prod(shape)].view([*shape[:-1], 2 * shape[-1]])[..., ::2]
    if layout == "inside a larger one":
        return whole[1 : 1 + math.prod(shape)].view(shape)
    return found[..., :1].expand(*shape) if layout == "expanded" and shape and shape[-1] else found.clone()


tensors = st.builds(
    tensor, st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=3), st.sampled_from(LAYOUTS),
    st.integers(0, 2**31),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=st.lists(tensors, min_size=1, max_size=5))
def test_a_checkpoint_and_its_export_are_the_same_weights(tmp_path: Path, state: list[Any]) -> None:
    named = {f"net.{index}": each for index, each in enumerate(state)}
    checkpoint = saved(tmp_path / "a.ckpt", named)
    export = exported(tmp_path / "a.safetensors", {f"other.{name}": each for name, each in named.items()})
    assert tensors_sha256(checkpoint) == tensors_sha256(export)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=st.lists(tensors, min_size=1, max_size=3), place=st.integers(0, 10**6))
def test_one_bit_makes_other_weights(tmp_path: Path, state: list[Any], place: int) -> None:
    export = exported(tmp_path / "a.safetensors", {f"net.{index}": each for index, each in enumerate(state)})
    content = bytearray(export.read_bytes())
    start = 8 + struct.unpack("<Q", content[:8])[0]
    if start == len(content):
        return  # all of them empty
    before = dict(tensor_digests(export))
    content[start + place % (len(content) - start)] ^= 1
    export.write_bytes(content)
    after = dict(tensor_digests(export))
    assert sum(before[name] != after[name] for name in before) == 1


def test_tied_tensors_count_once_however_they_were_exported(tmp_path: Path) -> None:
    shared = torch.randn(4, 3)
    state = {"embedding": shared, "head": shared, "bias": torch.zeros(3), "other_bias": torch.zeros(3)}
    whole = tensors_sha256(saved(tmp_path / "a.ckpt", state))
    assert tensors_sha256(exported(tmp_path / "both.safetensors", state)) == whole
    del state["head"]
    assert tensors_sha256(exported(tmp_path / "one.safetensors", state)) == whole


def test_only_the_state_dict_counts(tmp_path: Path) -> None:
    state = {"w": torch.randn(3)}
    moments = [{"state": {0: {"exp_avg": torch.randn(3), "step": torch.tensor(3.0)}}}]
    more = {
        "optimizer_states": moments,
        "callbacks": {"EMA": {"w": torch.randn(3)}},
        "hyper_parameters": {"p": tmp_path},
    }
    whole = tensors_sha256(saved(tmp_path / "a.ckpt", state))
    assert tensors_sha256(saved(tmp_path / "b.ckpt", state, **more)) == whole
    torch.save(state, tmp_path / "plain.bin")
    assert tensors_sha256(tmp_path / "plain.bin") == whole
    assert lightning_weights(tmp_path / "b.ckpt").step == 20


def test_what_a_module_keeps_beside_its_tensors_does_not_count(tmp_path: Path) -> None:
    state = {"w": torch.randn(3)}
    extra = {"w": state["w"], "layer._extra_state": {"scale": 3}}
    assert tensors_sha256(saved(tmp_path / "b.ckpt", extra)) == tensors_sha256(saved(tmp_path / "a.ckpt", state))


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.to(torch.bfloat16),
        lambda w: w + 1e-7,
        lambda w: w.t().contiguous(),
        lambda w: w.view(-1),
        lambda w: (w * 10).to(torch.int8),
        lambda w: w[:3],
    ],
    ids=["cast", "moved", "transposed", "reshaped", "quantised", "cut"],
)
def test_changed_weights_are_others(tmp_path: Path, change: Any) -> None:
    weight = torch.ones(4, 3)
    first = tensors_sha256(saved(tmp_path / "a.ckpt", {"w": weight}))
    assert tensors_sha256(saved(tmp_path / "b.ckpt", {"w": change(weight)})) != first


def test_a_tensor_more_or_less_makes_other_weights(tmp_path: Path) -> None:
    first = saved(tmp_path / "a.ckpt", {"w": torch.ones(3)})
    second = saved(tmp_path / "b.ckpt", {"w": torch.ones(3), "v": torch.zeros(3)})
    assert tensors_sha256(first) != tensors_sha256(second)


def test_zeros_and_nans_are_told_apart_by_their_bits(tmp_path: Path) -> None:
    patterns = [0x00000000, 0x80000000, 0x7FC00000, 0x7FC00001, 0xFFC00000]
    found = set()
    for bits in patterns:
        value = torch.tensor([bits - (1 << 32) if bits >> 31 else bits], dtype=torch.int32).view(torch.float32)
        checkpoint = tensors_sha256(saved(tmp_path / "a.ckpt", {"w": value}))
        assert checkpoint == tensors_sha256(exported(tmp_path / "a.safetensors", {"w": value}))
        found.add(checkpoint)
    assert len(found) == len(patterns)


def test_the_digest_stays_what_it_is(tmp_path: Path) -> None:
    """Digests are compared across versions: this one may change only together with the edition in its text."""
    header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    path = safetensors_of(tmp_path / "a.safetensors", header, struct.pack("<2f", 1.0, -0.0))
    assert tensors_sha256(path) == "26496aa0e787898d1cc489f453499a7ed29aeb423f5e33c44e4943961e5a13ff"


def test_weights_in_parts_are_those_of_one_file(tmp_path: Path) -> None:
    state = {"a": torch.randn(3), "b": torch.randn(2, 2)}
    whole = tensors_sha256(exported(tmp_path / "whole.safetensors", state))
    folder = tmp_path / "hub"
    folder.mkdir()
    placed = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    for name, file in placed.items():
        exported(folder / file, {name: state[name]})
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    assert tensors_sha256(folder) == tensors_sha256(index) == whole
    exported(folder / placed["b"], {"b": state["b"], "c": torch.ones(1)})
    with pytest.raises(WeightsError, match="other tensors than the index says"):
        tensors_sha256(folder)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: torch.eye(3).to_sparse(), "no plain tensor"),
        (lambda: torch.ones(2, dtype=torch.complex64).conj(), "conjugates or negates"),
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "no plain tensor"),
        (lambda: torch.empty(3, device="meta"), "no plain tensor"),
        (lambda: 3, r"no plain tensor \(int\)"),
    ],
    ids=["sparse", "conjugated", "quantised", "meta", "number"],
)
@pytest.mark.filterwarnings("ignore")  # torch deprecates its own quantised tensors
def test_what_is_no_plain_tensor_is_refused(tmp_path: Path, make: Any, told: str) -> None:
    path = saved(tmp_path / "a.ckpt", {"w": torch.ones(1), "strange": make()})
    with pytest.raises(WeightsError, match=told):
        tensors_sha256(path)
