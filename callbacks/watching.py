"""A mode that looks at the torch calls of a step without taking part in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

LEVEL = getattr(torch._C._functorch, "maybe_current_level", lambda: None)


def transformed() -> bool:
    """Return whether a call is made inside `torch.func.vmap`, `grad` and their like: no tensor may leave them."""
    return LEVEL() is not None


class Watching(TorchFunctionMode):
    """Calls every function as if nobody watched, then notes; whatever goes wrong in noting stays in here.

    Attributes:
        problem: What went wrong; nothing is noted after it.
        seconds: What noting has cost.
    """

    def __init__(self) -> None:
        super().__init__()
        self.problem: Exception | None = None
        self.seconds = 0.0
        self._watching = True

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func`, and note what it was given and gave."""
        options = kwargs or {}
        if transformed():
            return func(*args, **options)
        began = time.perf_counter()
        before = self._quietly(self._before, func, args)
        called = time.perf_counter()
        out = func(*args, **options)
        made = time.perf_counter()
        self._quietly(self._note, func, args, options, out, before)
        self.seconds += time.perf_counter() - made + called - began
        return out

    def watch(self) -> None:
        """Begin to watch."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def leave(self) -> bool:
        """Stop watching and step off the stack of modes; return False while something else is on top.

        Those of this kind that stopped before and lay below step off as well.
        """
        self._watching = False
        stack = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
        while stack and isinstance(stack[-1], Watching) and not stack[-1]._watching:
            stack.pop().__exit__(None, None, None)
        return self not in stack

    def _quietly(self, look: Callable[..., Any], *arguments: Any) -> Any:
        if not self._watching:
            return None
        try:
            with torch.no_grad():
                return look(*arguments)
        except Exception as error:  # noqa: BLE001 - it would come out in the user's own step
            self.problem, self._watching = error, False
            return None

    def _before(self, func: Any, args: tuple[Any, ...]) -> Any:
        """Return what is to be known of the arguments before `func` overwrites them."""

    def _note(self, func: Any, args: tuple[Any, ...], options: Any, out: Any, before: Any) -> None:
        """Note a call."""
