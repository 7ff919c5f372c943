"""Which checkpoints a run wrote, which step's weights they hold, and digests of those that may be released."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from .hashing import Hashed, Hasher, Written

PATIENCE_S = 1.0  # for digests at the end of a run
SMALL_BYTES = 64 * 2**20  # hashed, too, when it is neither best nor last: a tenth of a second


class Checkpoints:
    """Checkpoints of one run; a checkpoint callback tells its path only after it has written."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._written: dict[str, Written] = {}
        self._saving: int | None = None
        self._hasher = Hasher()

    def saving(self, step: int) -> None:
        """Remember that a checkpoint of the weights after `step` is about to be written."""
        self._saving = step

    def fresh(self, trainer: Trainer) -> Iterator[tuple[str, int]]:
        """Yield path and step of what was written since the last time, and begin to hash it on rank zero."""
        step, self._saving = self._saving, None
        if step is None:
            return
        for path, rewritten in _paths(trainer):
            unseen = path not in self._known or (rewritten and path not in self._written)
            if unseen or self._is_changed(path):
                self._known[path] = step
                self._look(path, step)
                yield path, step
        if trainer.is_global_zero:
            self._hasher.want(list(self._worth_hashing(trainer)))

    def _is_changed(self, path: str) -> bool:
        """Return whether a file has been written again since the last look; one that is gone has not."""
        before = self._written.get(path)
        return before is not None and Path(path).exists() and not before.unchanged

    def _look(self, path: str, step: int) -> None:
        self._written.pop(path, None)
        try:
            found = Path(path)
            told = found.stat()
            if found.is_file():
                self._written[path] = Written(path=path, step=step, changed_ns=told.st_mtime_ns, size=told.st_size)
        except OSError:
            return  # on an object store, or gone

    def _worth_hashing(self, trainer: Trainer) -> Iterator[Written]:
        """Yield the best and the last, then those that take no time."""
        released = [path for path in _best_and_last(trainer) if path in self._written]
        yield from (self._written[path] for path in released)
        yield from (it for path, it in self._written.items() if it.size <= SMALL_BYTES and path not in released)

    def hashed(self) -> Iterator[dict[str, Any]]:
        """Yield path, step and digests, as an event has them, of what has been hashed since the last time."""
        yield from self._current(self._hasher.take())

    def finish(self) -> Iterator[dict[str, Any]]:
        """Yield the digests that are ready within a second, and stop."""
        yield from self._current(self._hasher.finish(PATIENCE_S))

    def stop(self) -> None:
        """Stop at once, without digests: the process is being interrupted."""
        self._hasher.finish(0)

    def _current(self, found: list[Hashed]) -> Iterator[dict[str, Any]]:
        """Yield what is still the latest that was written at its path."""
        for each in found:
            if self._written.get(each.written.path) == each.written:
                yield {
                    "path": each.written.path,
                    "at_step": each.written.step,
                    "file_sha256": each.file_sha256,
                    "tensors_sha256": each.tensors_sha256,
                }


def _best_and_last(trainer: Trainer) -> Iterator[str]:
    for callback in trainer.checkpoint_callbacks:
        for name in ("best_model_path", "last_model_path"):
            path = str(getattr(callback, name, ""))
            if path:
                yield path


def _paths(trainer: Trainer) -> Iterator[tuple[str, bool]]:
    """Yield the paths that checkpoint callbacks know, and whether each is written anew every time."""
    for callback in trainer.checkpoint_callbacks:
        best = [str(getattr(callback, "best_model_path", "")), *map(str, getattr(callback, "best_k_models", ()))]
        yield from ((path, False) for path in dict.fromkeys(best) if path)
        last = str(getattr(callback, "last_model_path", ""))
        if last and last not in best:
            yield last, True
