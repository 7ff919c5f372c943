"""Whether `torch.compile` is at work: a mode over what it compiles is compiled along, or breaks the user's step."""

from __future__ import annotations

import sys

from torch import nn

COMPILED = "the model is compiled: what happens inside cannot be seen from outside"


def compiled(module: nn.Module) -> bool:
    """Return whether a module or a part of it was given to `torch.compile`."""
    whole = getattr(module, "_compiler_ctx", None) is not None  # as Lightning marks it
    return whole or any(
        type(child).__name__ == "OptimizedModule" or getattr(child, "_compiled_call_impl", None) is not None
        for child in module.modules()
    )


def compiled_frames() -> int:
    """Return how many functions torch has compiled in this process."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return int(dynamo.counters["frames"]["total"]) if dynamo is not None else 0


def compiles() -> bool:
    """Return whether anything in this process was given to `torch.compile`, called or not."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    backends = getattr(dynamo, "cached_backends", {})
    return any(backend is not None for backend in backends.values())  # None stands for what is never compiled
