"""Whether a run's weights are averaged by a callback beside the training."""

from __future__ import annotations

from lightning.pytorch import Callback, Trainer

VALIDATION = frozenset({"WeightAveraging"})  # swap averaged weights in for each validation only
ALL = VALIDATION | {"StochasticWeightAveraging"}


def averages(trainer: Trainer, names: frozenset[str] = ALL) -> bool:
    """Return whether a callback swaps averaged weights in, for the validation or at the end."""
    callbacks: list[Callback] = getattr(trainer, "callbacks", [])
    kinds = {kind.__name__ for callback in callbacks for kind in type(callback).__mro__}
    return bool(names & kinds)
