"""Digests of checkpoints: of what was written, of nothing that changed under way, and never in the training's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from groundwire.audit.tensors import file_sha256, tensors_sha256
from groundwire.callbacks import checkpoints as module
from groundwire.callbacks import hashing
from groundwire.callbacks.checkpoints import Checkpoints
from groundwire.callbacks.hashing import Hasher, Written


def saved(path: Path, step: int) -> str:
    torch.save({"global_step": step, "state_dict": {"w": torch.full((8,), float(step))}}, path)
    return str(path)


def written(path: str, step: int) -> Written:
    told = Path(path).stat()
    return Written(path=path, step=step, changed_ns=told.st_mtime_ns, size=told.st_size)


def trainer(best: str = "", last: str = "", *, rank: int = 0, top: tuple[str, ...] = ()) -> Any:
    callback = SimpleNamespace(best_model_path=best, last_model_path=last, best_k_models=dict.fromkeys(top))
    return SimpleNamespace(checkpoint_callbacks=[callback], is_global_zero=rank == 0)


def noted(kept: Checkpoints, step: int, **paths: Any) -> list[tuple[str, int]]:
    kept.saving(step)
    return list(kept.fresh(trainer(**paths)))


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold the hashing back until the event is set, and also between two chunks."""
    gate = threading.Event()

    def waiting(path: Path, *, between: Any) -> str:
        gate.wait(10)
        between()
        return file_sha256(path)

    monkeypatch.setattr(hashing, "file_sha256", waiting)
    yield gate
    gate.set()


def test_best_and_last_get_both_digests(tmp_path: Path) -> None:
    kept = Checkpoints()
    best, last = saved(tmp_path / "best.ckpt", 10), saved(tmp_path / "last.ckpt", 10)
    assert noted(kept, 10, best=best, last=last) == [(best, 10), (last, 10)]
    found = list(kept.finish())
    assert found == [
        {"path": path, "at_step": 10, "file_sha256": file_sha256(Path(path)),
         "tensors_sha256": tensors_sha256(Path(path))}
        for path in (best, last)
    ]  # fmt: skip
    assert list(kept.finish()) == []


def test_digests_come_while_the_training_goes_on(tmp_path: Path) -> None:
    kept = Checkpoints()
    noted(kept, 10, best=saved(tmp_path / "best.ckpt", 10))
    deadline = time.monotonic() + 10
    found: list[Any] = []
    while not found and time.monotonic() < deadline:
        found = list(kept.hashed())
    assert [each["at_step"] for each in found] == [10]


def test_a_file_that_is_written_again_gets_no_digest_of_before(tmp_path: Path, held: threading.Event) -> None:
    kept = Checkpoints()
    last = saved(tmp_path / "last.ckpt", 10)
    noted(kept, 10, last=last)
    saved(tmp_path / "last.ckpt", 20)  # before anybody has been told
    held.set()
    assert list(kept.finish()) == []
    assert noted(kept, 20, last=last) == [(last, 20)]
    assert [each["at_step"] for each in kept.finish()] == [20]


def test_a_digest_that_is_ready_is_dropped_once_the_file_is_another(tmp_path: Path) -> None:
    kept = Checkpoints()
    last = saved(tmp_path / "last.ckpt", 10)
    noted(kept, 10, last=last)
    while kept._hasher._thread is not None:
        time.sleep(0.01)
    saved(tmp_path / "last.ckpt", 20)
    noted(kept, 20, last=last)
    assert [each["at_step"] for each in kept.finish()] == [20]


def test_a_file_that_goes_away_under_way_is_forgotten(tmp_path: Path, held: threading.Event) -> None:
    kept = Checkpoints()
    noted(kept, 10, best=saved(tmp_path / "best.ckpt", 10))
    (tmp_path / "best.ckpt").unlink()
    held.set()
    assert list(kept.finish()) == []


def test_the_end_waits_no_longer_than_its_patience(
    tmp_path: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    kept = Checkpoints()
    noted(kept, 10, best=saved(tmp_path / "best.ckpt", 10))
    started = time.monotonic()
    assert list(kept.finish()) == []
    assert 0.1 < time.monotonic() - started < 2
    noted(kept, 20, last=saved(tmp_path / "last.ckpt", 20))
    started = time.monotonic()
    kept.stop()
    assert time.monotonic() - started < 0.1


def test_what_is_wanted_no_longer_is_given_up(tmp_path: Path, held: threading.Event) -> None:
    hasher = Hasher()
    first, second = (written(saved(tmp_path / f"{step}.ckpt", step), step) for step in (1, 2))
    hasher.want([first])
    hasher.want([second])
    held.set()
    assert [each.written for each in hasher.finish(10)] == [second]


def test_only_best_and_last_of_large_files_are_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL_BYTES", 0)
    kept = Checkpoints()
    paths = [saved(tmp_path / f"{step}.ckpt", step) for step in (1, 2)]
    noted(kept, 2, best=paths[1], top=tuple(paths))
    assert [each["path"] for each in kept.finish()] == [paths[1]]


def test_other_ranks_hash_nothing(tmp_path: Path) -> None:
    kept = Checkpoints()
    best = saved(tmp_path / "best.ckpt", 10)
    assert noted(kept, 10, best=best, rank=1) == [(best, 10)]
    assert list(kept.finish()) == []
    assert kept._hasher._thread is None


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04"])
def test_what_is_no_checkpoint_has_the_digest_of_its_bytes_only(tmp_path: Path, content: bytes) -> None:
    kept = Checkpoints()
    (tmp_path / "best.ckpt").write_bytes(content)
    noted(kept, 10, best=str(tmp_path / "best.ckpt"))
    (found,) = kept.finish()
    assert found["tensors_sha256"] is None
    assert found["file_sha256"] == file_sha256(tmp_path / "best.ckpt")


def test_weights_of_another_step_are_not_taken_for_those(tmp_path: Path) -> None:
    kept = Checkpoints()
    noted(kept, 11, best=saved(tmp_path / "best.ckpt", 10))
    (found,) = kept.finish()
    assert found["tensors_sha256"] is None


def test_folders_and_object_stores_are_passed_over(tmp_path: Path) -> None:
    kept = Checkpoints()
    places = (str(tmp_path), "s3://bucket/best.ckpt")
    assert noted(kept, 10, best=places[0], last=places[1]) == [(places[0], 10), (places[1], 10)]
    assert list(kept.finish()) == []
    assert noted(kept, 20, best=places[0], last=places[1]) == [(places[1], 20)]


def test_nothing_is_fresh_without_a_save(tmp_path: Path) -> None:
    kept = Checkpoints()
    best = saved(tmp_path / "best.ckpt", 10)
    assert list(kept.fresh(trainer(best=best))) == []
    assert noted(kept, 10, best=best) == [(best, 10)]
    assert noted(kept, 20, best=best) == []  # another callback saved
