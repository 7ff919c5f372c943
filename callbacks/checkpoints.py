"""Which checkpoints a run wrote, and which step's weights they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lightning.pytorch import Trainer

MOST_BYTES = 500 * 2**20  # hashed in all at the end of a run: about a second


class Checkpoints:
    """Checkpoints of one run; a checkpoint callback tells its path only after it has written."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._written: dict[str, int] = {}  # time of the last change, in ns
        self._saving: int | None = None

    def saving(self, step: int) -> None:
        """Remember that a checkpoint of the weights after `step` is about to be written."""
        self._saving = step

    def fresh(self, trainer: Trainer) -> Iterator[tuple[str, int]]:
        """Yield path and step of what was written since the last time."""
        step, self._saving = self._saving, None
        if step is None:
            return
        for path, rewritten in _paths(trainer):
            if path not in self._known or rewritten or self._changed(path):
                self._changed(path)
                self._known[path] = step
                yield path, step

    def _changed(self, path: str) -> bool:
        """Return whether a file has been written again since the last look."""
        try:
            time = Path(path).stat().st_mtime_ns
        except OSError:
            time = 0
        before = self._written.get(path, time)
        self._written[path] = time
        return time != before

    def digests(self) -> Iterator[tuple[str, int, str]]:
        """Yield path, step and sha256 of the files that are still there, as long as that takes no long time."""
        left = MOST_BYTES
        for path, step in self._known.items():
            try:
                left -= Path(path).stat().st_size
                if left < 0:
                    continue
                with Path(path).open("rb") as opened:
                    yield path, step, hashlib.file_digest(opened, "sha256").hexdigest()
            except OSError:
                continue  # gone, a folder, or not to be read: it stays without a digest


def _paths(trainer: Trainer) -> Iterator[tuple[str, bool]]:
    """Yield the paths that checkpoint callbacks know, and whether each is written anew every time."""
    for callback in trainer.checkpoint_callbacks:
        best = [str(getattr(callback, "best_model_path", "")), *map(str, getattr(callback, "best_k_models", ()))]
        yield from ((path, False) for path in dict.fromkeys(best) if path)
        last = str(getattr(callback, "last_model_path", ""))
        if last and last not in best:
            yield last, True
