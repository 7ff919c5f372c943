"""A network run as it was trained: in float32, in evaluation mode, whatever the training around it has set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

THREADS = "TOKENIZERS_PARALLELISM"


@contextmanager
def exactly(network: Any) -> Iterator[None]:
    """Run a network without gradients, autocast, dropout or shortened float32 products.

    All is put back afterwards. The process's number of threads is not touched.
    """
    import torch

    from .onednn import fast_products

    kind = next(network.parameters()).device.type
    with ExitStack() as stack:
        for context in (torch.inference_mode(), torch.autocast(kind, enabled=False), _full_products()):
            stack.enter_context(context)
        stack.enter_context(_evaluating(network))
        if kind == "cpu":
            stack.enter_context(fast_products())
        yield


@contextmanager
def _evaluating(network: Any) -> Iterator[None]:
    """Put modules that are in training mode in evaluation mode for a while, and no others."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _full_products() -> Iterator[None]:
    """Undo `torch.set_float32_matmul_precision("medium")`, which Lightning advises, for a while."""
    import torch

    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:  # set by torch's newer functions, which the older cannot read and would overrule
        before = "highest"
    if before == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def serial_tokenizers() -> Iterator[None]:
    """Keep tokenizers from starting threads for a while, unless the user has decided.

    After they have, each fork of a data loader's worker would print a warning.
    """
    if THREADS in os.environ:
        yield
        return
    os.environ[THREADS] = "false"
    try:
        yield
    finally:
        os.environ.pop(THREADS, None)
