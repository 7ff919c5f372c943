"""What a loss function was given: facts about logits and targets that tell its misuse, left on their device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

MOST_CALLS = 4  # of a step that are noted
MOST_ROWS = 512  # rows of logits that are looked at
MOST_LOGITS = 2**18  # in them, but for eight rows
MOST_VALUES = 4096  # of a binary loss, the same
MOST_CLASSES = 100  # beyond which classes are a vocabulary and not counted
MASKED = 1e4  # below minus that, a logit is a mask
SQUARED = frozenset({functional.mse_loss, functional.l1_loss, functional.smooth_l1_loss, functional.huber_loss})
BINARY = frozenset({functional.binary_cross_entropy_with_logits, functional.binary_cross_entropy})
BY_CLASS = frozenset({functional.cross_entropy, functional.nll_loss})
CRITERIA = SQUARED | BINARY | BY_CLASS | {functional.kl_div}
FACTS = ("value", "probabilities", "improper", "one_hot", "broadcast", "logit_max")


class Call(NamedTuple):
    """A call of a loss function, its arguments by name."""

    func: Callable[..., Any]
    input: Tensor
    target: Tensor
    weighted: bool

    @classmethod
    def of(cls, func: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Call:
        """Return a call from how it was made."""
        given = args[0] if args else options["input"]
        target = args[1] if len(args) > 1 else options["target"]
        weight = args[2] if len(args) > 2 and func not in SQUARED else options.get("weight")
        more = options.get("pos_weight", args[6] if len(args) > 6 and func in BINARY else None)
        return cls(func, given, target, weight is not None or more is not None)

    @property
    def by_class(self) -> bool:
        """Whether the target names the class of each row of the input."""
        return self.func in BY_CLASS and self.input.ndim == 2 and not self.target.is_floating_point()

    @property
    def alone(self) -> bool:
        """Whether the input is one logit for each example, and the target yes or no."""
        if self.func not in BINARY or not self.input.ndim:
            return False
        return self.input.numel() == len(self.input) == self.target.numel() > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """What is known of one call.

    Attributes:
        kind: Name of the function.
        classes: Columns of the input; 1 where it has one dimension.
        weighted: Whether weights of classes were given.
        rows: First dimension of the input.
        numbers: Values of `FACTS`, shape [6]: the loss; whether the input is rows of probabilities, or, of a binary
            loss, all from 0 to 1; whether input or target cannot be what the function takes; whether the target's
            rows are one-hot; whether the target was stretched to a matrix; the largest distance of a logit from the
            mean of its row.
        counts: Examples of each class, and how many of them had the largest logit; shape [2, classes]. None where
            rows are not of one class each, or there are too many classes.
    """

    kind: str
    classes: int
    weighted: bool
    rows: int
    numbers: Tensor
    counts: Tensor | None


def criterion(call: Call, out: Tensor, *, copied: bool = False) -> Criterion:
    """Return what is known of a call.

    Args:
        call: The call.
        out: What it returned.
        copied: Whether the target is also what the model was given, as of an autoencoder.
    """
    value = out.float().mean()
    if call.func in SQUARED:
        facts = _of_numbers(call, copied=copied)
    else:
        facts = _of_binary(call) if call.func in BINARY else _of_classes(call)
    return Criterion(
        kind=str(getattr(call.func, "__name__", "loss")),
        classes=int(call.input.shape[1]) if call.input.ndim > 1 else 1,
        weighted=call.weighted,
        rows=len(call.input) if call.input.ndim else 1,
        numbers=torch.stack([value, *(fact.to(value).reshape(()) for fact in facts)]),
        counts=_counts(call),
    )


def _of_classes(call: Call) -> tuple[Tensor, ...]:
    rows = _rows(call.input)
    nothing = rows.new_zeros(())
    largest = _largest(rows)
    likely = _probabilities(rows, call.input.dtype)
    if call.func is functional.cross_entropy:
        improper = nothing + 1 if rows.shape[1] == 1 else _improper_weights(call)
    else:  # logarithms of probabilities are not positive
        improper = (rows > 0.01).any() & (likely == 0) if call.func is functional.nll_loss else nothing
    return likely, improper, nothing, nothing, largest


def _of_binary(call: Call) -> tuple[Tensor, ...]:
    values, target = (some.reshape(-1)[:MOST_VALUES].float() for some in (call.input, call.target))
    nothing = values.new_zeros(())
    logits = call.func is functional.binary_cross_entropy_with_logits
    bounded = ((values >= 0) & (values <= 1)).all() if logits else nothing
    improper = ((target < -0.3) | (target > 1.3)).any()  # smoothed labels of a game go up to 1.2
    return bounded, improper, nothing, nothing, values.abs().amax() if values.numel() else nothing


def _of_numbers(call: Call, *, copied: bool) -> tuple[Tensor, ...]:
    given, target = call.input, call.target
    nothing = given.new_zeros((), dtype=torch.float32)
    stretched = nothing + float(_stretched(given.shape, target.shape))
    if given.ndim != 2 or given.shape != target.shape or given.shape[1] < 2:
        return nothing, nothing, nothing, stretched, nothing
    one_hot = nothing if copied else _one_hot(target)
    return _probabilities(_rows(given), given.dtype), nothing, one_hot, stretched, nothing


def _rows(logits: Tensor) -> Tensor:
    """Return some rows of logits, one for each example or position; shape [rows, classes]."""
    if logits.ndim < 2:
        return logits.reshape(1, -1).float()
    most = min(MOST_ROWS, max(8, MOST_LOGITS // max(1, logits.shape[1])))
    chosen = logits[:most] if logits.ndim == 2 or not len(logits) else logits[0].flatten(1)[:, :most].T
    return chosen.float()


def _largest(rows: Tensor) -> Tensor:
    """Return the largest distance of a logit from the mean of its row: what all have in common changes nothing."""
    if not rows.numel():
        return rows.new_zeros(())
    masked = rows < -MASKED
    mean = rows.masked_fill(masked, 0).sum(dim=1, keepdim=True) / (~masked).sum(dim=1, keepdim=True).clamp_min(1)
    return (rows - mean).masked_fill(masked, 0).abs().amax()


def _probabilities(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Return whether all rows are probabilities: 1.0 or 0.0."""
    near = 1e-3 if dtype in (torch.float32, torch.float64) else 2e-2
    if rows.shape[1] < 2 or not len(rows):
        return rows.new_zeros(())
    return ((rows >= -near).all() & ((rows.sum(dim=1) - 1).abs() <= near).all()).float()


def _improper_weights(call: Call) -> Tensor:
    """Return whether targets that should be probabilities are other numbers in more than one column."""
    if not call.target.is_floating_point() or call.target.ndim != 2:
        return call.input.new_zeros((), dtype=torch.float32)
    target = call.target[:MOST_ROWS].float()
    outside = ((target < -0.01) | (target > 1.01)).any()
    return outside & ((target != 0).sum(dim=1) > 1).any()


def _one_hot(target: Tensor) -> Tensor:
    """Return whether each row has a single 1, in several columns; the identity, of contrastive losses, has not."""
    rows = target[:MOST_ROWS].float()
    columns = rows.sum(dim=0)
    single = ((rows == 0) | (rows == 1)).all() & (rows.sum(dim=1) == 1).all() & ((columns > 0).sum() > 1)
    return single & (columns != 1).any() if target.shape[0] == target.shape[1] else single


def _stretched(given: torch.Size, target: torch.Size) -> bool:
    """Return whether [n] met [n, 1], which gives n × n differences."""
    shorter, longer = sorted((tuple(given), tuple(target)), key=len)
    return len(longer) == len(shorter) + 1 and longer == (*shorter, 1) and bool(shorter) and shorter[-1] > 1


def _counts(call: Call) -> Tensor | None:
    if call.by_class and 2 <= call.input.shape[1] <= MOST_CLASSES and call.target.ndim == 1:
        labels = torch.arange(call.input.shape[1], device=call.input.device)
        true = call.target[:, None] == labels  # classes that are ignored are none of these
        hit = true & (call.input.argmax(dim=1)[:, None] == labels)
    elif call.alone:
        middle = 0.0 if call.func is functional.binary_cross_entropy_with_logits else 0.5
        labels = torch.arange(2, device=call.input.device)
        true = call.target.reshape(-1, 1) == labels
        hit = true & ((call.input.reshape(-1, 1) > middle).long() == labels)
    else:
        return None
    return torch.stack([true.sum(dim=0), hit.sum(dim=0)]).float()
