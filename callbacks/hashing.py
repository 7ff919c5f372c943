"""Digests of checkpoints, taken beside the training: one thread, one file at a time, at the lowest priority."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..audit.tensors import WeightsError, file_sha256, lightning_weights

log = logging.getLogger(__name__)

LOWEST_PRIORITY = 19


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A file as it was when a checkpoint callback had written it.

    Attributes:
        path: Where it lies.
        step: Optimizer steps after which it was saved.
        changed_ns: Time of its last change.
        size: Its bytes.
    """

    path: str
    step: int
    changed_ns: int
    size: int

    @property
    def unchanged(self) -> bool:
        """Whether it still is what was written."""
        try:
            now = Path(self.path).stat()
        except OSError:
            return False
        return (now.st_mtime_ns, now.st_size) == (self.changed_ns, self.size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hashed:
    """A checkpoint and its digests; `tensors_sha256` is None when its weights could not be told."""

    written: Written
    file_sha256: str
    tensors_sha256: str | None


class _ForgottenError(Exception):
    """Nobody wants to know any more."""


class Hasher:
    """Hashes what is wanted, as far as it comes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wanted: tuple[Written, ...] = ()
        self._tried: set[Written] = set()
        self._found: list[Hashed] = []
        self._thread: threading.Thread | None = None

    def want(self, wanted: Sequence[Written]) -> None:
        """Hash these, the first one first, and forget all others, also the one that is being hashed."""
        with self._changed:
            self._wanted = tuple(wanted)
            self._changed.notify_all()
        if self._waiting() and self._thread is None:
            # A daemon: nothing waits for it when the process ends.
            self._thread = threading.Thread(target=self._work, name="groundwire-hashing", daemon=True)
            self._thread.start()

    def take(self) -> list[Hashed]:
        """Return what has been hashed since the last time."""
        with self._changed:
            found, self._found = self._found, []
        return found

    def finish(self, patience_s: float) -> list[Hashed]:
        """Wait for what is wanted, but not longer than this, and stop."""
        deadline = time.monotonic() + patience_s
        with self._changed:
            while self._waiting() and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
        self.want(())
        return self.take()

    def _waiting(self) -> list[Written]:
        return [each for each in self._wanted if each not in self._tried]

    def _work(self) -> None:
        _yield_to_training()
        while True:
            with self._changed:
                if not self._waiting():
                    self._thread = None
                    return
                written = self._waiting()[0]
            found = self._hashed(written)
            with self._changed:
                if written in self._wanted:
                    self._tried.add(written)
                    self._found += [found] if found else []
                self._changed.notify_all()

    def _hashed(self, written: Written) -> Hashed | None:
        """Return the digests of a file; None when it is gone, was written again or is no longer wanted."""
        path = Path(written.path)
        tensors: str | None = None
        try:
            whole = file_sha256(path, between=lambda: self._go_on(written))
            with contextlib.suppress(WeightsError):
                weights = lightning_weights(path, between=lambda: self._go_on(written))
                tensors = weights.sha256 if weights.step in (None, written.step) else None
        except _ForgottenError:
            return None
        except Exception as error:
            log.debug("groundwire: no digest of %s", path, exc_info=error)
            return None
        if not written.unchanged:
            return None
        return Hashed(written=written, file_sha256=whole, tensors_sha256=tensors)

    def _go_on(self, written: Written) -> None:
        if written not in self._wanted or not written.unchanged:
            raise _ForgottenError


def _yield_to_training() -> None:
    """Let the training have the processor first; on Linux a thread has a priority of its own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
