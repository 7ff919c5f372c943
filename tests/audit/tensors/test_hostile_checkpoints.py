"""What nobody saves by accident: files that run something, hide something, or would bring the reader down."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.tensors import WeightsError, lightning_weights, tensors_sha256
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from weights_material import entries_of, repickled, saved, zipped

torch = pytest.importorskip("torch")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return saved(tmp_path / "a.ckpt", {"w": torch.arange(6.0).view(2, 3), "b": torch.ones(2)})


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        tensors_sha256(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self._reduced = call, arguments

    def __reduce__(self) -> Any:
        return self._reduced


@pytest.mark.parametrize("call", [os.system, eval, exec, getattr, __import__, io.open])
def test_a_pickle_that_runs_something_is_refused_and_not_run(tmp_path: Path, call: Any) -> None:
    trace = tmp_path / "trace"
    hostile = Runs(call, f"open({str(trace)!r}, 'w')" if call is not os.system else f"touch {trace}")
    path = saved(tmp_path / "a.ckpt", {"w": torch.ones(2)}, callbacks={"x": hostile})
    assert "loading it may run" in refusal(path)
    assert lightning_weights(path).step == 20  # of a run's own: passed over, and not run either
    assert not trace.exists()


def test_a_class_of_the_user_is_refused_in_a_foreign_file_only(tmp_path: Path) -> None:
    state = {"w": torch.ones(2)}
    path = saved(tmp_path / "a.ckpt", state, hyper_parameters={"activation": torch.nn.ReLU})
    assert "torch.nn.modules.activation.ReLU" in refusal(path)
    plain = saved(tmp_path / "b.ckpt", state)
    assert tensors_sha256(path, trusted=True) == tensors_sha256(plain)


def test_weights_that_a_function_would_make_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt", {"w": torch.ones(2), "v": Runs(os.getcwd)})
    with pytest.raises(WeightsError, match="no plain tensor"):
        tensors_sha256(path, trusted=True)


def test_opcodes_of_others_are_refused(checkpoint: Path) -> None:
    for protocol in (0, 4, 5):
        content = pickle.dumps({"state_dict": {"a": [1] * 3}}, protocol=protocol)
        assert "pickle" in refusal(repickled(checkpoint, lambda _, content=content: content))


@pytest.mark.slow
@pytest.mark.parametrize(
    "opcodes",
    [
        b"\x80\x02}r\xff\xff\xff\x7f.",  # remembers at a place for which C's unpickler would take 32 GB
        b"\x80\x02" + b"(" * 10**6 + b".",
        b"\x80\x02)" + b"\x85" * 10**6 + b".",  # a tuple a million deep
        b"\x80\x02}" + b"()" + b"\x85" * 10**5 + b"K\x01s.",  # the same as a key
        b"\x80\x02)" + b"q\x00h\x00h\x00\x86" * 200 + b"q\x01}h\x01K\x01s.",  # 2 ** 200 items, as a key
        b"\x80\x02\x8b\xff\xff\xff\x7f1.",  # a number of 2 GB
        b"\x80\x02\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02h\x05.",
        b"\x80\x02R.",
        b"\x80\x02cos\nsystem\nb.",
        b"\x80\x02K\x01K\x02R.",
        b"",
    ],
)
def test_pickles_that_would_bring_a_reader_down_are_refused_at_once(checkpoint: Path, opcodes: bytes) -> None:
    refusal(repickled(checkpoint, lambda _: opcodes))


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_changed_pickle_is_refused_or_read_and_nothing_else(checkpoint: Path, place: int, byte: int) -> None:
    def change(content: bytes) -> bytes:
        at = place % len(content)
        return content[:at] + bytes([byte]) + content[at + 1 :]

    entries = entries_of(checkpoint)
    try:
        assert len(tensors_sha256(repickled(checkpoint, change))) == 64
    except WeightsError as error:
        assert str(checkpoint) in str(error)
    zipped(checkpoint, entries)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.floats(0, 1, exclude_max=True))
@example(part=0.0)
def test_a_file_that_is_cut_off_is_refused(checkpoint: Path, part: float) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(part * len(content))])
    refusal(checkpoint)
    checkpoint.write_bytes(content)


def test_two_entries_of_one_name_are_refused(checkpoint: Path) -> None:
    found = entries_of(checkpoint)
    storage = next(name for name, _ in found if name.endswith("data/0"))
    with pytest.warns(UserWarning, match="Duplicate name"):
        zipped(checkpoint, [*found, (storage, bytes(24))])
    assert "two entries" in refusal(checkpoint)
    zipped(checkpoint, [*found, (found[0][0].upper(), b"")])  # torch does not tell case apart
    assert "two entries" in refusal(checkpoint)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../b", "other/data/0", "a\\b", "a//b"])
def test_names_that_lead_elsewhere_are_refused(checkpoint: Path, name: str) -> None:
    zipped(checkpoint, [*entries_of(checkpoint), (name, b"x")])
    assert "which torch.save does not write" in refusal(checkpoint)


def test_packed_files_are_refused_before_they_are_unpacked(checkpoint: Path) -> None:
    bomb = [*entries_of(checkpoint), ("a/data/9", bytes(50 * 2**20))]
    zipped(checkpoint, bomb, compression=zipfile.ZIP_DEFLATED)
    assert checkpoint.stat().st_size < 2**18
    assert "packed" in refusal(checkpoint)


def test_text_before_or_after_is_refused(checkpoint: Path) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content + b"more")
    assert "added to" in refusal(checkpoint)
    checkpoint.write_bytes(content + content)
    assert "before its first entry" in refusal(checkpoint)
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.comment = b"PK\x05\x06" + bytes(18)
        archive.writestr("a/data.pkl", b"")
    assert "zip" in refusal(checkpoint)


def test_a_header_that_differs_from_the_directory_is_refused(checkpoint: Path) -> None:
    content = bytearray(checkpoint.read_bytes())
    content[30] ^= 1  # the first letter of the first name
    checkpoint.write_bytes(content)
    assert "described in two ways" in refusal(checkpoint)


def test_entries_that_overlap_are_refused(checkpoint: Path) -> None:
    content = bytearray(checkpoint.read_bytes())
    directory = struct.unpack("<L", content[-6:-2])[0]
    size = struct.unpack_from("<L", content, directory + 24)[0]
    struct.pack_into("<2L", content, directory + 20, size + 600, size + 600)  # of the first entry
    checkpoint.write_bytes(content)
    assert "overlap" in refusal(checkpoint)


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt", {"w": torch.arange(250.0)})
    assert "beyond its storage" in refusal(repickled(path, lambda c: c.replace(b"K\xfa\x85", b"K\xfb\x85")))


def test_a_storage_of_another_size_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt", {"w": torch.arange(250.0)})
    found = [(name, content[:-4] if name.endswith("data/0") else content) for name, content in entries_of(path)]
    assert "another size" in refusal(zipped(path, found))


def test_a_tensor_that_unfolds_to_more_than_its_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt", {"w": torch.ones(1).expand(2**20, 2**30)})
    assert "far larger than the file" in refusal(path)


def test_big_endian_numbers_are_refused(checkpoint: Path) -> None:
    found = [(name, b"big" if name.endswith("byteorder") else content) for name, content in entries_of(checkpoint)]
    assert "not little-endian" in refusal(zipped(checkpoint, found))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_other_formats_are_refused_with_a_way_out(tmp_path: Path) -> None:
    old, plain, gguf = tmp_path / "old.pt", tmp_path / "plain.ckpt", tmp_path / "a.gguf"
    torch.save({"w": torch.ones(2)}, old, _use_new_zipfile_serialization=False)
    assert "write it again with torch.save" in refusal(old)
    torch.save([torch.ones(2)], plain)
    assert "holds no state_dict" in refusal(plain)
    gguf.write_bytes(b"GGUF" + bytes(40))
    assert "groundwire bind" in refusal(gguf)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/b.txt", "x")
    assert "not one of torch.save" in refusal(tmp_path / "x.zip")
    assert "There is no file" in refusal(tmp_path / "none.ckpt")


def test_sharded_folders_are_refused_with_a_way_out(tmp_path: Path) -> None:
    assert "give the file" in refusal(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert "the one that is released" in refusal(tmp_path)
    (tmp_path / "zero_to_fp32.py").write_text("")
    assert "DeepSpeed" in refusal(tmp_path)
    (tmp_path / ".metadata").write_text("")
    assert "consolidate_checkpoint" in refusal(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a file that ends" in refusal(tmp_path / "pipe")


@pytest.mark.parametrize("file", ["../a.safetensors", "/a.safetensors", "x/a.safetensors", "", 3, "a.index.json"])
def test_an_index_names_only_files_beside_it(tmp_path: Path, file: Any) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": file}}))
    assert "does not lie beside it" in refusal(index)
    for broken in (b"{", b"[]", b'{"weight_map": 3}', b"[" * 10**5, b'{"weight_map": {}}'):
        index.write_bytes(broken)
        assert "index" in refusal(index)
