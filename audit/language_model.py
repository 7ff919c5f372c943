"""What can be asked of a language model."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from types import FrameType
from typing import Any, ParamSpec, TypeVar

Generate = Callable[[list[str]], list[str]]
LogLikelihood = Callable[[list[str]], list[float]]

P = ParamSpec("P")
R = TypeVar("R")

AGAIN_S = 1.0  # seconds after which a call is interrupted again that went on in spite of it


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageModel:
    """Functions that ask one model.

    Attributes:
        generate: Maps prompts to as many continuations.
        greedy: The same, always with the likeliest token; None where only `generate` is known.
        log_likelihood: Maps texts to the natural logarithm of each one's probability, summed over its tokens.
        base: While its context is open, the model is what it was before it was adapted; None without adapters.
        decoding: How `generate` chooses tokens, in words; "" when unknown.
    """

    generate: Generate
    greedy: Generate | None = None
    log_likelihood: LogLikelihood | None = None
    base: Callable[[], AbstractContextManager[Any]] | None = None
    decoding: str = ""

    def bounded(self, seconds: float) -> LanguageModel:
        """Return the same model, whose calls are interrupted after some time."""
        return replace(
            self,
            generate=bounded(self.generate, seconds),
            greedy=self.greedy and bounded(self.greedy, seconds),
            log_likelihood=self.log_likelihood and bounded(self.log_likelihood, seconds),
        )


class _Overtime(BaseException):
    """Passes through `except Exception` in the function that takes too long."""


def bounded(call: Callable[P, R], seconds: float) -> Callable[P, R]:
    """Return `call`, which raises TimeoutError when it takes longer.

    It is interrupted between two steps of Python. Elsewhere than in the main thread, and on systems without
    interval timers, it is not.
    """

    @wraps(call)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with _alarm(seconds):
                return call(*args, **kwargs)
        except _Overtime:
            raise TimeoutError(f"it took longer than {seconds:.0f} s") from None

    return limited


def discreet(call: Callable[P, R]) -> Callable[P, R]:
    """Return `call`, whose errors do not repeat what it was given: it may be training text or a secret."""

    @wraps(call)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, its words are withheld
            kept = error if isinstance(error, TimeoutError) else None
            raise kept or RuntimeError(f"{type(error).__name__}, whose words may hold training text") from None

    return told


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `_Overtime` after some time, again and again, unless somebody else uses the alarm."""
    if not _can_be_set():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _Overtime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _can_be_set() -> bool:
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return False
    return signal.getitimer(signal.ITIMER_REAL)[0] == 0 and signal.getsignal(signal.SIGALRM) is not None
