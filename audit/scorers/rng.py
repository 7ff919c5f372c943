"""Random states, kept as they were: a scorer must not change what a training draws."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def untouched_rng() -> Iterator[None]:
    """Put the global random states of Python, numpy and torch back as they were.

    Importing alt-profanity-check draws from Python's; a model whose weights do not fit draws from torch's.
    """
    python, legacy = random.getstate(), np.random.get_state()
    put_back = _torch_states()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
        put_back()


def _torch_states() -> Callable[[], None]:
    """Return what puts torch's states back; torch that nobody has imported has none to keep."""
    if "torch" not in sys.modules:
        return lambda: None
    import torch

    cpu = torch.get_rng_state()
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]

    def put_back() -> None:
        torch.set_rng_state(cpu)
        if gpus:
            torch.cuda.set_rng_state_all(gpus)

    return put_back
