"""A simple reference method on the training probe: what inputs tell of targets, without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

MOST = 512  # examples: to fit the reference to so many takes a tenth of a second
FEWEST = 64
WIDTHS = (0.3, 1.0, 3.0)  # of the kernel, over the median distance
RIDGES = (1e-2, 1e-1, 1.0)
HALF = 1.96  # standard errors
TOKENS = (torch.int64, torch.int32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """Errors on the same training examples, each as a share: of examples classified wrongly, or of the variance.

    Attributes:
        of: Whether classes or numbers are predicted.
        examples: How many.
        model: Error of the model, which was trained on them.
        reference: Error of the reference method, which has not seen the example that it is asked about.
        low: Lower end of the 95 % interval of their difference.
        trivial: Error of always saying the same.
    """

    of: Literal["classes", "numbers"]
    examples: int
    model: float
    reference: float
    low: float
    trivial: float


def compared(inputs: Tensor, predicted: Tensor, target: Tensor) -> Reference | None:
    """Return both errors; None where targets are no classes or numbers of examples.

    The reference is kernel ridge regression (Rasmussen and Williams 2006, Gaussian Processes for Machine Learning,
    section 2.2) with leave-one-out errors in closed form (section 5.4.2); width and ridge are the best of some.

    Args:
        inputs: Shape [examples, …].
        predicted: Logits of shape [examples, classes], or numbers of the targets' shape.
        target: Classes of shape [examples], or numbers of shape [examples, …].
    """
    if target.is_floating_point() and labels(target):
        return None
    if inputs.ndim < 2 or inputs.dtype in TOKENS:  # numbers of users or words say nothing of how near they are
        return None
    known = _known(predicted, target)
    chosen = [place for place in _distinct(inputs) if known[place]][:MOST]
    count = len(chosen)
    x, out, y = (part[chosen].detach().cpu().double().reshape(count, -1) for part in (inputs, predicted, target))
    if count < FEWEST or x.shape[1] == 0 or (x.shape == y.shape and torch.equal(x, y)):
        return None
    classes = not target.is_floating_point()
    if classes:
        y = torch.nn.functional.one_hot(y[:, 0].long(), out.shape[1]).double()
    if out.shape != y.shape or not all(bool(torch.isfinite(part).all()) for part in (x, out, y)):
        return None
    errors = [_wrong(part, y) if classes else (part - y).square().mean(dim=1) for part in (out, _left_out(x, y))]
    scale = 1.0 if classes else float(y.var(dim=0, correction=0).mean())
    if not scale:
        return None
    model, reference = (error / scale for error in errors)
    difference = model - reference
    trivial = 1 - float(y.mean(dim=0).max()) if classes else 1.0
    return Reference(
        of="classes" if classes else "numbers", examples=count, model=float(model.mean()),
        reference=float(reference.mean()), trivial=trivial,
        low=float(difference.mean() - HALF * difference.std() / count**0.5),
    )  # fmt: skip


def labels(target: Tensor) -> bool:
    """Return whether numbers say yes or no, as several labels of an example do: logits are no such numbers."""
    return bool(((target == 0) | (target == 1)).all())


def _distinct(inputs: Tensor) -> list[int]:
    """Return the place of the first of equal examples: one that is left out must not stand among the others."""
    seen: dict[bytes, int] = {}
    values = inputs.detach().cpu()
    values = values.float() if values.dtype is torch.bfloat16 else values  # which numpy has not
    for place, row in enumerate(values):
        seen.setdefault(row.contiguous().numpy().tobytes(), place)
    return list(seen.values())


def _known(predicted: Tensor, target: Tensor) -> list[bool]:
    """Return which examples count: a class that the output has not stands for what the loss leaves out."""
    if target.is_floating_point() or predicted.ndim < 2 or target.ndim != 1:
        return [True] * len(target)
    return ((target >= 0) & (target < predicted.shape[1])).tolist()


def _wrong(values: Tensor, target: Tensor) -> Tensor:
    return (values.argmax(dim=1) != target.argmax(dim=1)).double()


def _left_out(x: Tensor, y: Tensor) -> Tensor:
    """Return what the reference says of each example, fitted to all others."""
    x = (x - x.mean(dim=0)) / x.std(dim=0).clamp_min(1e-6 * float(x.std()) + 1e-12)
    distance = torch.cdist(x, x).square()
    middle = float(distance.median()) or 1.0
    best, said = torch.inf, torch.zeros_like(y)
    rest = y - y.mean(dim=0)
    for width in WIDTHS:
        kernel = torch.exp(-distance / (2 * width * middle))
        for ridge in RIDGES:
            whole = kernel + ridge * torch.eye(len(y), dtype=y.dtype)
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(whole))  # quicker than eigenvalues
            found = y - (inverse @ rest) / inverse.diagonal()[:, None]
            error = float((found - y).square().mean())
            if error < best:
                best, said = error, found
    return said
