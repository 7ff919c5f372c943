"""Watches the torch calls of one training step: what goes into layers, and what activations let through.

A mode sees modules and functional calls alike, and needs nothing attached to the model.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

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
    """

    layers: list[Layer] = field(default_factory=list)
    chains: list[tuple[str, str]] = field(default_factory=list)
    classes: tuple[int, Tensor] | None = None
    alive: dict[str, tuple[Tensor, int]] = field(default_factory=dict)
    saturated: dict[str, Tensor] = field(default_factory=dict)
    embedded: bool = False  # whether a table of embeddings was looked up
    last: str = ""  # the weighted layer that was called last


class _Made(NamedTuple):
    """A layer's output: kept alive by nobody here, and not what it was once something wrote into it."""

    output: weakref.ref[Tensor]
    version: int
    name: str
    wide: int
    inputs: int


class Observer(TorchFunctionMode):
    """A mode that notes what passes; whatever goes wrong in noting stays in here.

    Args:
        names: Layer path of each weight, by `id`.
        whole: Whether to look at inputs, outputs and chains of the weighted layers, as in the first step.
    """

    def __init__(self, names: Mapping[int, str], *, whole: bool) -> None:
        super().__init__()
        self.seen = Seen()
        self.problem: Exception | None = None
        self.seconds = 0.0  # what noting has cost
        self._names, self._whole = names, whole
        self._watching = True
        self._convolved = False
        self._made: dict[int, _Made] = {}  # by the id of the output

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func` as if nobody watched, then note."""
        options = kwargs or {}
        # In place, a function overwrites what it was given.
        given = args[0] if args and func in SQUASHERS and self._watching else None
        began = time.perf_counter()
        share = self._share(given) if isinstance(given, Tensor) else None
        called = time.perf_counter()
        out = func(*args, **options)
        made = time.perf_counter()
        if self._watching:
            try:
                with torch.no_grad():
                    self._note(func, args, options, out, share)
            except Exception as error:  # noqa: BLE001 - it would come out in the user's own step
                self.problem, self._watching = error, False
        self.seconds += time.perf_counter() - made + called - began
        return out

    def watch(self) -> None:
        """Begin to watch."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def leave(self) -> None:
        """Stop watching and step off the stack of modes, unless something else has been put on top."""
        self._watching = False
        stack = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
        if stack and stack[-1] is self:
            self.__exit__(None, None, None)

    def _share(self, given: Tensor) -> Tensor | None:
        try:
            with torch.no_grad():
                return (given.detach().abs() > SATURATED).float().mean()
        except Exception as error:  # noqa: BLE001 - it would come out in the user's own step
            self.problem, self._watching = error, False
            return None

    def _note(self, func: Any, args: tuple[Any, ...], options: Any, out: Any, share: Tensor | None) -> None:
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
        elif share is not None:
            self.seen.saturated.setdefault(self._named(self.seen.saturated), share)
        elif func in CLASSIFIERS and self._whole and self.seen.classes is None:
            self._classified(args, options, out)

    def _weighted(self, func: Any, args: tuple[Any, ...], options: Any, out: Tensor) -> None:
        given = args[0] if args else options["input"]
        weight = args[1] if len(args) > 1 else options["weight"]
        self._convolved = func in CONVOLUTIONS
        # A convolution that mixes no channels is half of a separable one, by design.
        self._layer(given, weight, out, linear=not (self._convolved and weight.shape[1] == 1))

    def _layer(self, given: Tensor, weight: Tensor, out: Tensor, *, linear: bool) -> None:
        name = self._names.get(id(weight))
        if name is None:
            return
        self.seen.last = name
        if not self._whole or any(layer.name == name for layer in self.seen.layers):
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
        if out.ndim == 0 and logits.ndim > 1:
            self.seen.classes = int(logits.shape[1]), out.detach().float()


def _root(tensor: Tensor) -> Tensor:
    """Return what a view shows."""
    return tensor if tensor._base is None else tensor._base


def _figures(given: Tensor, out: Tensor, dims: tuple[int, int]) -> Tensor:
    values = given.detach().float()
    zeros = (values == 0).float().mean()
    return torch.stack([values.std(), values.mean(), zeros, _spread(given, dims[0]), _spread(out, dims[1])])


def _spread(tensor: Tensor, dim: int) -> Tensor:
    """Return the root mean square over features of their standard deviation over examples."""
    others = [place for place in range(tensor.ndim) if place != dim]
    return tensor.detach().float().var(dim=others).mean().sqrt()


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
