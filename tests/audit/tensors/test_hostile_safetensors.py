"""Safetensors files that are damaged, or made to be read in two ways."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.tensors import WeightsError, tensors_sha256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from weights_material import safetensors_of

WEIGHT: dict[str, Any] = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        tensors_sha256(path)
    return str(caught.value)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    path = safetensors_of(tmp_path / "a.safetensors", {"__metadata__": {"format": "pt"}, "w": WEIGHT}, bytes(8))
    bare = safetensors_of(tmp_path / "b.safetensors", {"other": WEIGHT}, bytes(8))
    assert tensors_sha256(path) == tensors_sha256(bare)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"dtype": "F4"}, "not known"),
        ({"dtype": ["F32"]}, "not known"),
        ({"shape": [3]}, "another size"),
        ({"shape": [-2]}, "no proper shape"),
        ({"shape": [2.0]}, "no proper shape"),
        ({"shape": [True, 2]}, "no proper shape"),
        ({"shape": [2**62, 2**62]}, "another size"),
        ({"data_offsets": [0, 2**64]}, "another size"),
        ({"data_offsets": [4, 12]}, "does not begin where"),
        ({"data_offsets": [0]}, "does not describe"),
        ({"shape": None}, "does not describe"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    assert told in refusal(safetensors_of(tmp_path / "a", {"w": WEIGHT | changed}, bytes(8)))


def test_overlaps_gaps_and_additions_are_refused(tmp_path: Path) -> None:
    second = {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}
    assert "does not begin where" in refusal(safetensors_of(tmp_path / "a", {"w": WEIGHT, "v": second}, bytes(8)))
    later = {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}
    assert "does not begin where" in refusal(safetensors_of(tmp_path / "b", {"w": WEIGHT, "v": later}, bytes(16)))
    assert "do not end with the file" in refusal(safetensors_of(tmp_path / "c", {"w": WEIGHT}, bytes(9)))


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    one = b'{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}'
    header = b'{"w":' + one % (0, 1) + b',"w":' + one % (1, 2) + b"}"
    assert "names a tensor twice" in refusal(safetensors_of(tmp_path / "a", header, bytes(2)))


@pytest.mark.parametrize("length", [2**63, 2**32, 100_000_001, 1000])
def test_a_header_longer_than_the_file_is_refused_unread(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{" + bytes(50))
    assert "bytes long" in refusal(path)


@pytest.mark.parametrize("header", [b"{" * 10**5, b"{", b'{"w": 3}', b"{\xff}", b'{"w": NaN}'])
def test_a_header_that_is_no_header_is_refused(tmp_path: Path, header: bytes) -> None:
    assert refusal(safetensors_of(tmp_path / "a", header))


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 10**6), place=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_damage_is_refused_and_nothing_else_happens(tmp_path: Path, cut: int, place: int, byte: int) -> None:
    path = safetensors_of(tmp_path / "a", {"w": WEIGHT}, bytes(8))
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: cut % len(content)])
    refusal(path)
    content[place % len(content)] = byte
    path.write_bytes(content)
    try:
        assert len(tensors_sha256(path)) == 64
    except WeightsError as error:
        assert str(path) in str(error)
