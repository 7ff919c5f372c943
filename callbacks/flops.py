"""Counts the floating-point operations of a training step while it runs.

The run's own steps are counted, because calling the user's step once more would step optimizers by hand, move
averages of weights and take memory for a second graph. Nothing of what the step computes is changed.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor
from torch.utils import checkpoint
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack

from .flop_formulas import formulas, uncounted

WORDS = {
    torch.float64: "fp64",
    torch.float32: "fp32",
    torch.bfloat16: "bf16",
    torch.float16: "fp16",
    torch.int8: "int8",
}


class FlopCounter(TorchDispatchMode):
    """A mode that counts what passes; whatever goes wrong in counting stays in here.

    Activations that a backward pass computes once more (`torch.utils.checkpoint`) are counted apart, and products in
    an optimizer's own update not at all: both are no work of the model.

    Args:
        tf32: Whether the device takes products of matrices, and convolutions, in float32 as TF32.

    Attributes:
        flop: Operations by the type of number: fp64, fp32, tf32, bf16, fp16, fp8 or int8.
        recomputed: Operations of activations that were computed once more.
        missing: Operators that may be heavy and have no formula.
        problem: What went wrong in counting.
        seconds: What counting has cost.
    """

    supports_higher_order_operators = True  # else those would raise in the user's step

    def __init__(self, tf32: tuple[bool, bool] = (False, False)) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flop: dict[str, float] = defaultdict(float)
        self.recomputed = 0.0
        self.missing: set[str] = set()
        self.problem: Exception | None = None
        self.seconds = 0.0
        self._tf32 = tf32
        self._counting, self._updating = True, False
        self._formulas = formulas()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Call `func` as if nobody counted, then count."""
        options = kwargs or {}
        out = func(*args, **options)
        if self._counting:
            began = time.perf_counter()
            try:
                self._count(getattr(func, "_overloadpacket", func), args, options, out)
            except Exception as error:  # noqa: BLE001 - it would come out in the user's own step
                self.problem, self._counting = error, False
            self.seconds += time.perf_counter() - began
        return out

    def _count(self, packet: Any, args: tuple[Any, ...], options: Any, out: Any) -> None:
        formula = self._formulas.get(packet)
        name = uncounted(packet) if formula is None else ""
        if formula is None and not name:
            return
        if self._updating and not _differentiates(args):
            return
        self._updating = False  # an optimizer's update has no gradients: this is the next forward pass
        if formula is None:
            self.missing.add(name)
            return
        flop = formula(*args, **options, out_val=out)
        if _recomputes():
            self.recomputed += flop
        else:
            self.flop[self._word(str(packet), args)] += flop

    def _word(self, name: str, args: tuple[Any, ...]) -> str:
        given = next(item for item in args if isinstance(item, Tensor))
        if given.dtype is torch.float32 and self._tf32["conv" in name or "rnn" in name]:
            return "tf32"
        kind = str(given.dtype)
        return WORDS.get(given.dtype) or ("fp8" if "float8" in kind else kind.removeprefix("torch."))

    def watch(self) -> None:
        """Begin to count."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def updating(self) -> None:
        """Say that an optimizer is about to update its parameters."""
        self._updating = True

    def leave(self) -> bool:
        """Stop counting; return whether the mode is off the stack, where nothing else has been put on top."""
        self._counting = False
        stack = _get_current_dispatch_mode_stack()
        if stack and stack[-1] is self:
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            return True
        return self not in stack


def _differentiates(args: tuple[Any, ...]) -> bool:
    """Return whether what is made of tensors requires a gradient."""
    listed = [item for arg in args for item in (arg if isinstance(arg, list | tuple) else (arg,))]
    return torch.is_grad_enabled() and any(isinstance(item, Tensor) and item.requires_grad for item in listed)


def _recomputes() -> bool:
    """Return whether a backward pass is computing activations that a checkpoint has left out."""
    if torch._C._current_graph_task_id() == -1 or not torch.is_grad_enabled():
        return False
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == checkpoint.__file__:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def tf32(device: torch.device) -> tuple[bool, bool]:
    """Return whether products of matrices, and convolutions, in float32 may be taken as TF32 on a device."""
    if device.type != "cuda":
        return False, False
    return _allows(torch.backends.cuda.matmul), _allows(getattr(torch.backends.cudnn, "conv", torch.backends.cudnn))


def _allows(backend: Any) -> bool:
    try:
        return bool(backend.fp32_precision == "tf32")
    except AttributeError:  # before torch 2.9
        return bool(backend.allow_tf32)
