"""Calls the user's own step from a hook without leaving a trace in module, metrics or random numbers.

What has to be kept is the list of traps that a validation step called from a hook falls into: logging that
overwrites the user's values, metric objects that count the probe, statistics in buffers, outputs collected
in lists, attributes that the step sets, and what it prints or writes to a logger itself.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.loggers.logger import DummyLogger
from torch import nn
from torchmetrics import Metric, MetricCollection

from .contents import Contents, refill
from .logged import Logged

INTERNAL = frozenset(vars(nn.Module()))


@contextmanager
def isolated(module: LightningModule, *, evaluate: bool = True) -> Iterator[Logged]:
    """Let steps of `module` be called, in eval mode unless told otherwise; yield what they log.

    Everything is put back, whether a step fails or not.
    """
    logged = Logged()
    with ExitStack() as stack:
        stack.enter_context(_random_numbers())
        stack.enter_context(redirect_stdout(StringIO()))
        stack.enter_context(_loggers(module))
        stack.enter_context(torch.no_grad())
        stack.enter_context(_compiled_as_before())
        stack.enter_context(_attributes(module))
        stack.enter_context(_metrics(module))
        stack.enter_context(_buffers(module))
        stack.enter_context(_modes(module, evaluate=evaluate))
        vars(module).update(log=logged.log, log_dict=logged.log_dict)
        yield logged


@contextmanager
def _random_numbers() -> Iterator[None]:
    """Put back the random states of Python, numpy and torch; Lightning's `isolate_rng` does not after an error."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)


@contextmanager
def _loggers(module: LightningModule) -> Iterator[None]:
    """Let what a step hands to a logger itself go nowhere: it would stand in the user's curves and pictures twice."""
    try:
        trainer = module.trainer
    except RuntimeError:  # not attached to one
        yield
        return
    kept = trainer.loggers
    try:
        trainer.loggers = [DummyLogger() for _ in kept]
        yield
    finally:
        trainer.loggers = kept


def _compiled_as_before() -> AbstractContextManager[Any]:
    """Compile nothing: other shapes would count as the user's recompilations, and change what is compiled later."""
    stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
    return nullcontext() if stance is None else stance("eager_on_recompile")


@contextmanager
def _modes(module: nn.Module, *, evaluate: bool) -> Iterator[None]:
    modes = [(child, child.training) for child in module.modules()]
    try:
        if evaluate:
            module.eval()
        yield
    finally:
        for child, training in modes:
            child.training = training


@contextmanager
def _buffers(module: nn.Module) -> Iterator[None]:
    """Swap buffers for copies: writing into the originals would break a backward that still needs them."""
    kept = [
        (child, name, buffer)
        for child in module.modules()
        if not isinstance(child, Metric)
        for name, buffer in child.named_buffers(recurse=False)
    ]
    registers = [r for child in module.modules() for r in (child._buffers, child._non_persistent_buffers_set)]
    before = [(register, register.copy()) for register in registers if isinstance(register, dict | set)]
    try:
        for child, name, buffer in kept:
            setattr(child, name, buffer.clone())
        yield
    finally:
        for child, name, buffer in kept:
            setattr(child, name, buffer)
        for register, content in before:  # a step may have registered more of them
            refill(register, content)


@contextmanager
def _metrics(module: nn.Module) -> Iterator[None]:
    """Swap torchmetrics objects for copies; collections whole, because their members share state."""
    kept: list[tuple[nn.Module, str, nn.Module]] = []
    try:
        _swap_metrics(module, kept)
        yield
    finally:
        for parent, name, metric in kept:
            parent.add_module(name, metric)


def _swap_metrics(parent: nn.Module, kept: list[tuple[nn.Module, str, nn.Module]]) -> None:
    for name, child in list(parent.named_children()):
        if isinstance(child, Metric | MetricCollection):
            copy = child.clone()
            kept.append((parent, name, child))
            parent.add_module(name, copy)
        else:
            _swap_metrics(child, kept)


@contextmanager
def _attributes(module: nn.Module) -> Iterator[None]:
    """Put back attributes that a step sets, and the content of containers and objects that it fills."""
    modules = [child for child in module.modules() if not isinstance(child, Metric | MetricCollection)]
    values = [{k: v for k, v in vars(child).items() if k not in INTERNAL} for child in modules]
    contents = Contents()
    try:
        for child, kept in zip(modules, values, strict=True):
            vars(child).update({name: contents.stand_in(value) for name, value in kept.items()})
        yield
    finally:
        for child, kept in zip(modules, values, strict=True):
            _restore(vars(child), kept)
        contents.put_back()


def _restore(attributes: dict[str, Any], kept: dict[str, Any]) -> None:
    for name in [name for name in attributes if name not in kept and name not in INTERNAL]:
        del attributes[name]
    for name, value in kept.items():
        if attributes.get(name) is not value:
            attributes[name] = value
