"""What peers look at: gradients, weights and activations of sampled steps, losses and answers of all."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FILE = "observed.npz"
FEWEST = 5  # epochs, else fifths of the run stand in for them


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """One run. s sampled steps, w weight matrices, a activations, n batches, v validations, c classes.

    Attributes:
        step: Sampled optimizer steps, from 1; shape [s].
        rate: Learning rate; shape [s].
        gradient_mean: Mean of |gradient|, before clipping; shape [s, w], like the next ones.
        gradient_norm: L2 norm of the gradient.
        gradient_zeros: Share of elements that are zero.
        gradient_range: 95th minus 5th percentile of the elements; nan after the first ten samples.
        weight_norm: L2 norm before the step.
        weight_variance: Variance of the elements.
        weight_change: L2 norm of the step's change.
        kind: Class of each activation; shape [a].
        input_variance: Variance of what goes in; shape [s, a], like the next ones.
        input_beyond: Share of what goes in beyond ±5.
        saturated: Share of the units whose inputs lie, for 99 % of the examples, where the slope is below 1e-7.
        silent: Share of what comes out that is zero or less.
        dead: Share of the units that are above zero for less than 1 % of the examples.
        loss: Training loss of each batch; shape [n], like the next ones; empty when the module returned none.
        batch: Index within its epoch.
        epoch: Its epoch, from 0.
        right: Rightly classified; nan without classes.
        asked: Examples, or tokens; nan without classes.
        val_step: Steps taken before each validation; shape [v].
        val_right: Share rightly classified; nan without classes.
        labels: Examples of each class in training; shape [c], empty where there are none or each example has many.
        hits: Those of them that were rightly classified.
        input_mean: Mean of the first batch's inputs; nan where they are no numbers.
    """

    step: Ints
    rate: Floats
    gradient_mean: Floats
    gradient_norm: Floats
    gradient_zeros: Floats
    gradient_range: Floats
    weight_norm: Floats
    weight_variance: Floats
    weight_change: Floats
    kind: NDArray[np.str_]
    input_variance: Floats
    input_beyond: Floats
    saturated: Floats
    silent: Floats
    dead: Floats
    loss: Floats
    batch: Ints
    epoch: Ints
    right: Floats
    asked: Floats
    val_step: Ints
    val_right: Floats
    labels: Floats
    hits: Floats
    input_mean: Floats

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})

    def save(self, path: Path) -> None:
        """Write all arrays into one file."""
        np.savez_compressed(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    def first(self, places: NDArray[np.bool_]) -> int | None:
        """Return the first sampled step at which anything of a table [s, …] is True."""
        found = np.flatnonzero(places.reshape(len(self.step), -1).any(axis=1)) if places.size else np.zeros(0, int)
        return int(self.step[found[0]]) if found.size else None

    def accuracy(self) -> tuple[Ints, Floats]:
        """Return batches trained after each epoch, and the accuracy in it as training goes; empty without classes.

        A run of fewer than five epochs is cut into fifths.
        """
        if not self.asked.size or np.isnan(self.asked).any():
            return np.zeros(0, int), np.zeros(0)
        part = self.epoch
        if part[-1] + 1 < FEWEST:
            part = np.arange(part.size) * FEWEST // part.size
        ends = np.append(np.flatnonzero(np.diff(part)) + 1, part.size)
        sums = [np.add.reduceat(values, np.append(0, ends[:-1])) for values in (self.right, self.asked)]
        return ends, sums[0] / sums[1]
