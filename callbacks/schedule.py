"""When to measure: values that map an optimizer step to yes or no."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Thinning:
    """Every step at the start, then every `every` steps, ten times rarer after each power of ten of steps.

    A long run thus has no more than about a thousand samples for each power of ten.

    Attributes:
        dense: Steps at the start that are all measured.
        every: Distance of the samples after them.
        full_until: Step from which samples get rarer.
    """

    dense: int = 20
    every: int = 10
    full_until: int = 10_000

    def __call__(self, step: int) -> bool:
        """Return whether `step`, counted from 1, is measured."""
        if step <= self.dense:
            return True
        distance, limit = self.every, self.full_until
        while step > limit:
            distance, limit = distance * 10, limit * 10
        return step % distance == 0
