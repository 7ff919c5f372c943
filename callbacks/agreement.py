"""Ending the training on all ranks when one of them wants it."""

from __future__ import annotations

from lightning.pytorch import Trainer

EVERY = 50  # batches after which several ranks ask each other


class Agreement:
    """Asks, after every batch on every rank, whether the training is to end."""

    def __init__(self) -> None:
        self._batches = 0

    def reached(self, trainer: Trainer, wanted: str) -> bool:
        """Return whether some rank wants to end, for a reason that it names.

        Every rank has to ask, whether it records or not.
        """
        self._batches += 1
        if trainer.world_size == 1:
            return bool(wanted)
        if self._batches % EVERY:
            return False
        return bool(trainer.strategy.reduce_boolean_decision(bool(wanted), all=False))
