"""Whatever stands in audit.json or in its place, what is no measured number within its limits never passes."""

from __future__ import annotations

import itertools
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from gate_material import Release


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Release:
    return Release(tmp_path, monkeypatch, capsys)


@pytest.mark.slow
def test_the_run_passes_before_anybody_touches_it(release: Release) -> None:
    assert release.gate().code == 0
    release.change(lambda document: None)
    assert release.gate().code == 0


NO_NUMBERS = [None, float("nan"), float("inf"), float("-inf"), "", "0.1", True, False, [], {}, [0.1], 10**400]


@pytest.mark.slow
@pytest.mark.parametrize(("value", "on_missing"), itertools.product(NO_NUMBERS, ("unknown", "fail")))
def test_what_is_no_number_never_passes_even_when_sealed(release: Release, value: Any, on_missing: str) -> None:
    release.policy.write_text(release.policy.read_text() + f'on_missing = "{on_missing}"\n')
    release.gap(value)
    found = release.gate()
    assert found.code in {1, 3}
    assert "Traceback" not in found.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "limits"),
    itertools.product([1.7e308, -1.7e308, 1e-3, -1e-3, 5], ("max = 0\nmin = 0", "max = -2e3\n", "min = 2e3\n")),
)
@pytest.mark.parametrize("shape", ["text", "json", "markdown"])
def test_a_number_beyond_its_limits_fails(release: Release, value: float, limits: str, shape: str) -> None:
    release.gap(value)
    release.policy.write_text(f'schema = 1\n[limits.a]\nmetric = "overfitting.gap"\n{limits}')
    beyond = limits.startswith("max = 0") or (value > -2e3 if limits.startswith("max") else value < 2e3)
    assert release.gate("--format", shape).code == (1 if beyond else 0)


@pytest.mark.parametrize(("value", "limit"), [(1.7e308, "min = -1.7e308"), (-1.7e308, "max = 1.7e308")])
@pytest.mark.parametrize("shape", ["text", "json", "markdown"])
def test_a_margin_too_large_for_a_number_can_be_told(release: Release, value: float, limit: str, shape: str) -> None:
    release.gap(value)
    release.policy.write_text(f'schema = 1\n[limits.a]\nmetric = "overfitting.gap"\n{limit}\n')
    assert release.gate("--format", shape).code == 0


@pytest.mark.parametrize("labels", ['{k = "5"}', '{"" = ""}'])
def test_another_row_of_the_metric_is_not_taken_for_the_wanted_one(release: Release, labels: str) -> None:
    release.policy.write_text(release.policy.read_text() + f"labels = {labels}\n")
    assert release.gate().code == 3
    release.policy.write_text('schema = 1\n[limits.gap]\nmetric = "overfitting.gap"\nmax = 9\n')

    def only_labelled(document: dict[str, Any]) -> None:
        for metric in document["metrics"]:
            metric["labels"] = {"k": "5"}

    release.change(only_labelled)
    assert release.gate().code == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        ("run", "status"),
        ("run", "damage"),
        ("run", "id"),
        ("metrics",),
        ("findings",),
        ("digest",),
        ("schema_version",),
    ],
)
@pytest.mark.parametrize("value", [None, 7, "finished!", [3], {"a": 1}, True])
def test_a_field_of_the_wrong_kind_never_passes(release: Release, path: tuple[str, ...], value: Any) -> None:
    def edit(document: dict[str, Any]) -> None:
        target = document[path[0]] if len(path) > 1 else document
        target[path[-1]] = value

    if (path, value) != (("run", "id"), "finished!"):
        release.change(edit, sealed=path != ("digest",))
        assert release.gate().code == 3


def test_an_unsealed_change_never_passes(release: Release) -> None:
    release.change(lambda document: document["run"].update(model="Another"), sealed=False)
    found = release.gate()
    assert found.code == 3
    assert "its digest does not fit" in found.out


def one_sentence(found: Any) -> None:
    assert found.code == 3
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert found.err.startswith("groundwire: ")
    assert len(found.err) < 1000


@pytest.mark.slow
def test_an_audit_cut_at_any_length_is_one_sentence(release: Release) -> None:
    whole = release.audit.read_bytes()
    for length in range(0, len(whole) - 2, 50):
        release.audit.write_bytes(whole[:length])
        one_sentence(release.gate())


@pytest.mark.slow
def test_a_flipped_byte_never_passes(release: Release) -> None:
    whole, rng = release.audit.read_bytes(), random.Random(0)
    for _ in range(150):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        release.audit.write_bytes(flipped)
        found = release.gate()
        assert "Traceback" not in found.err
        assert found.code == 3 or json.loads(flipped) == json.loads(whole)


RUBBISH = {
    "nothing": b"",
    "a number": b"3",
    "a list": b"[]",
    "nothing known": b"{}",
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "zeros": b"\x00" * 3_000_000,
    "text": b"lorem ipsum " * 300_000,
    "not UTF-8": b'{"schema_version": 1, "x": "\xff\xfe"}',
    "a page": b"<!doctype html><title>404</title>",
    "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a newer version": b'{"schema_version": 2}',
    "an older version": b'{"schema_version": 0}',
    "a long number": b'{"schema_version": ' + b"1" * 10_000 + b"}",
    "a half surrogate": b'{"schema_version": 1, "run": "\\ud800"}',
    "control characters": b'{"schema_version": 1, "run": {"\\u001b[2J\\u202e\\n": 1}}',
}


@pytest.mark.parametrize("content", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_in_place_of_the_audit_is_one_sentence(release: Release, content: bytes) -> None:
    release.audit.write_bytes(content)
    found = release.gate()
    one_sentence(found)
    assert found.err.rstrip("\n").isprintable()


def test_a_folder_in_place_of_the_audit_is_one_sentence(release: Release) -> None:
    release.audit.unlink()
    release.audit.mkdir()
    one_sentence(release.gate())


def test_a_missing_audit_run_or_folder_is_one_sentence(release: Release) -> None:
    release.audit.unlink()
    one_sentence(release.gate())
    (release.run / "run.json").unlink()
    one_sentence(release.gate())
    release.run = release.run / "deeper"
    one_sentence(release.gate())


def test_an_audit_that_may_not_be_read_is_one_sentence(release: Release) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    release.audit.chmod(0)
    one_sentence(release.gate())


def test_a_pipe_in_place_of_the_audit_does_not_hang(release: Release) -> None:
    release.audit.unlink()
    os.mkfifo(release.audit)
    one_sentence(release.gate())


@pytest.mark.parametrize("name", ["", "audit.json", "/", "run.json"])
def test_a_run_is_found_by_its_folder_and_by_its_files(release: Release, name: str) -> None:
    release.run = f"{release.run}/{name}" if name != "/" else f"{release.run}/"  # type: ignore[assignment]
    assert release.gate().code == 0
