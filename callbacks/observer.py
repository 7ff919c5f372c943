"""Watches the torch calls of one step: what goes into layers and losses, and what activations let through.

A mode sees modules and functional calls alike, and needs nothing attached to the model.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .criteria import CRITERIA, MOST_CALLS, Call, Criterion, criterion
from .watching import Watching

SATURATED = 5.0  # |pre-activation| beyond which tanh and sigmoid have no slope left
RECTIFIERS = frozenset(
    {functional.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, functional.relu6, functional.threshold}
)
SQUASHERS = frozenset({torch.tanh, Tensor.tanh, functional.tanh, torch.sigmoid, Tensor.sigmoid, functional.sigmoid})
CONVOLUTIONS = frozenset(
    {
        functional.conv1d,
        functional.conv2d,
        functional.conv3d,
        functional.conv_transpose1d,
        functional.conv_transpose2d,
        functional.conv_transpose3d,
    }
    | {torch.conv1d, torch.conv2d, torch.conv3d}
)
RECURRENT = frozenset({torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu})
DROPOUTS = frozenset({functional.dropout, torch.dropout, functional.alpha_dropout, functional.dropout2d})
CLASSIFIERS = frozenset({functional.cross_entropy, functional.nll_loss})


@dataclass(slots=True)
class Layer:
    """What one weighted layer was given and gave, in the first step.

    Attributes:
        name: Path of its module.
        figures: Standard deviation, mean and share of zeros of all of the input; spread over examples of the
            input and of the output; shape [5], on the layer's device.
        outputs: How many it has.
        raw: Whether no trained layer came before it.
    """

    name: str
    figures: Tensor
    outputs: int
    raw: bool


@dataclass(slots=True)
class Seen:
    """What was seen in one step, on the device.

    Attributes:
        layers: Weighted layers in the order of their first call; only when asked for.
        chains: Pairs of layers of which the second took the first one's output as it was.
        classes: Number of classes and loss of the first classification loss.
        alive: For each rectifier which units let anything through, and of how many rows.
        saturated: For each squashing activation the share of its inputs that are saturated.
        criteria: The first loss functions that were called and can be differentiated.
    """

    layers: list[Layer] = field(default_factory=list)
    chains: list[tuple[str, str]] = field(default_factory=list)
    classes: tuple[int, Tensor] | None = None
    alive: dict[str, tuple[Tensor, int]] = field(default_factory=dict)
    saturated: dict[str, Tensor] = field(default_factory=dict)
    criteria: list[Criterion] = field(default_factory=list)
    embedded: bool = False  # whether a table of embeddings was looked up
    last: str = ""  # the weighted layer that was called last


class _Made(NamedTuple):
    """A layer's output: kept alive by nobody here, and not what it was once something wrote into it."""

    output: weakref.ref[Tensor]
    version: int
    name: str
    wide: int
    inputs: int


class Observer(Watching):
    """Notes layers, activations and loss functions.

    Args:
        names: Layer path of each weight, by `id`.
        whole: Whether to look at inputs, outputs and chains of the weighted layers, as in the first step.
    """

    def __init__(self, names: Mapping[int, str], *, whole: bool) -> None:
        super().__init__()
        self.seen = Seen()
        self._names, self._whole = names, whole
        self._convolved = False
        self._made: dict[int, _Made] = {}  # by the id of the output
        self._raw: set[int] = set()  # ids of what went into layers and no trained layer made

    def _before(self, func: Any, args: tuple[Any, ...]) -> Tensor | None:
        """Return the saturated share of what a squashing function is about to overwrite."""
        if func not in SQUASHERS or not args or not isinstance(args[0], Tensor):
            return None
        return (args[0].detach().abs() > SATURATED).float().mean()

    def _note(self, func: Any, args: tuple[Any, ...], options: Any, out: Any, before: Tensor | None) -> None:
        if func is functional.linear or func in CONVOLUTIONS:
            self._weighted(func, args, options, out)
        elif func in RECURRENT:
            self._layer(args[0], args[2][0], out[0], linear=False)
        elif func in DROPOUTS:
            self._passed_on(args[0] if args else options["input"], out)
        elif func is functional.embedding:
            self.seen.embedded |= not self.seen.layers
        elif func in RECTIFIERS:
            self._rectified(out.detach())
        elif before is not None:
            self.seen.saturated.setdefault(self._named(self.seen.saturated), before)
        elif func in CRITERIA and out.requires_grad:
            self._criterion(func, args, options, out)

    def _criterion(self, func: Any, args: tuple[Any, ...], options: Any, out: Tensor) -> None:
        if func in CLASSIFIERS and self._whole and self.seen.classes is None:
            self._classified(args, options, out)
        if len(self.seen.criteria) < MOST_CALLS:
            call = Call.of(func, args, options)
            copied = id(_root(call.target)) in self._raw
            self.seen.criteria.append(criterion(call, out, copied=copied))

    def _weighted(self, func: Any, args: tuple[Any, ...], options: Any, out: Tensor) -> None:
        given = args[0] if args else options["input"]
        weight = args[1] if len(args) > 1 else options["weight"]
        if not given.requires_grad and not _ungraded(weight, out):
            self._raw.add(id(_root(given)))
        self._convolved = func in CONVOLUTIONS
        # A convolution that mixes no channels is half of a separable one, by design.
        self._layer(given, weight, out, linear=not (self._convolved and weight.shape[1] == 1))

    def _layer(self, given: Tensor, weight: Tensor, out: Tensor, *, linear: bool) -> None:
        name = self._names.get(id(weight))
        if name is None:
            return
        self.seen.last = name
        if not self._whole or _ungraded(weight, out) or any(layer.name == name for layer in self.seen.layers):
            return
        raw = not given.requires_grad and not self.seen.embedded
        wide, inputs = int(weight.shape[0]), int(weight.shape[1])
        dims = (1 if self._convolved else given.ndim - 1, 1 if self._convolved else out.ndim - 1)
        self.seen.layers.append(Layer(name, _figures(given, out, dims), wide, raw))
        before = self._maker(given) if linear else None
        if before is not None and before.wide >= min(before.inputs, wide):
            self.seen.chains.append((before.name, name))
        if linear:
            root = _root(out)
            self._made[id(root)] = _Made(weakref.ref(root), out._version, name, wide, inputs)

    def _passed_on(self, given: Tensor, out: Tensor) -> None:
        """Take what dropout leaves of a layer's output for that output: it is as linear."""
        before = self._maker(given)
        if before is not None:
            root = _root(out)
            self._made[id(root)] = before._replace(output=weakref.ref(root), version=out._version)

    def _maker(self, given: Tensor) -> _Made | None:
        """Return the layer whose output `given` is, as it was or as a view of it."""
        root = _root(given)
        found = self._made.get(id(root))
        same = found is not None and found.output() is root and found.version == given._version
        return found if same else None

    def _rectified(self, out: Tensor) -> None:
        name = self._named(self.seen.alive)
        unit = 1 if self._convolved and out.ndim > 2 else out.ndim - 1
        others = [dim for dim in range(out.ndim) if dim != unit]
        self.seen.alive[name] = (out > 0).any(dim=others) if others else out > 0, out.numel() // out.shape[unit]

    def _named(self, taken: Mapping[str, Any]) -> str:
        """Return a name for the activation after the last weighted layer."""
        base = self.seen.last or "(input)"
        number = sum(name.partition("+")[0] == base for name in taken)
        return f"{base}+{number}" if number else base

    def _classified(self, args: tuple[Any, ...], options: Any, out: Tensor) -> None:
        logits = args[0] if args else options["input"]
        if out.ndim == 0 and logits.ndim > 1 and options.get("reduction", "mean") == "mean":
            self.seen.classes = int(logits.shape[1]), out.detach().float()


def _ungraded(weight: Tensor, out: Tensor) -> bool:
    """Return whether a layer that learns was called without gradients: a rollout is not what is trained on."""
    return weight.requires_grad and not out.requires_grad


def _root(tensor: Tensor) -> Tensor:
    """Return what a view shows."""
    return tensor if tensor._base is None else tensor._base


def _figures(given: Tensor, out: Tensor, dims: tuple[int, int]) -> Tensor:
    values = given.detach().float()
    zeros = (values == 0).float().mean()
    std = values.std() if values.numel() > 1 else values.new_tensor(torch.nan)
    return torch.stack([std, values.mean(), zeros, _spread(given, dims[0]), _spread(out, dims[1])])


def _spread(tensor: Tensor, dim: int) -> Tensor:
    """Return the root mean square over features of their standard deviation over examples."""
    others = [place for place in range(tensor.ndim) if place != dim]
    if tensor.numel() <= tensor.shape[dim]:  # a single example has no spread
        return tensor.new_full((), torch.nan, dtype=torch.float32)
    return tensor.detach().float().var(dim=others).mean().sqrt()


class LossWatch(Watching):
    """Notes what the loss functions of a validation step were given.

    Attributes:
        criteria: The first of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.criteria: list[Criterion] = []

    def _note(self, func: Any, args: tuple[Any, ...], options: Any, out: Any, before: Any) -> None:
        if func in CRITERIA and len(self.criteria) < MOST_CALLS:
            self.criteria.append(criterion(Call.of(func, args, options), out))


class ModeWatch(TorchFunctionMode):
    """Notes calls that behave as in training, made while the model is in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func` and note how."""
        options = kwargs or {}
        if _trains(func, args, options):
            self.found.append(getattr(func, "__name__", "dropout"))
        return func(*args, **options)


def _trains(func: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> bool:
    if func in DROPOUTS:
        rate = options.get("p", args[1] if len(args) > 1 else 0.5)
        return bool(rate and options.get("training", options.get("train", args[2] if len(args) > 2 else True)))
    if func is functional.scaled_dot_product_attention:
        return bool(options.get("dropout_p", args[4] if len(args) > 4 else 0.0))
    return False
