"""A constructed training for one rule: with the fault that the rule names, or healthy and looking like it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from .data import Data
from .models import Small
from .setups import Setup

Arrange = Callable[[Data, torch.Generator], Data]
Change = Callable[[Small, Data], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """How a training is built.

    Attributes:
        setup: Data, model and optimizer.
        arrange: Changes the parts of the data.
        change: Changes the model before the run.
        better: A training on the same data that says how low the loss can be; None where that is not asked.
        reference: Whether the audit is given a loader of training examples without augmentation.
        drawn_anew: Whether each validation draws its batches anew.
        options: Of the trainer, above the usual ones.
    """

    setup: Setup
    arrange: Arrange | None = None
    change: Change | None = None
    better: Setup | None = None
    reference: bool = False
    drawn_anew: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """One run of a trial.

    Attributes:
        rule: Code of the rule.
        faulty: Whether the run has the fault.
        trial: How it is trained.
        seed: Of data, weights and batches.
    """

    rule: str
    faulty: bool
    trial: Trial
    seed: int

    @property
    def id(self) -> str:
        """Its name and that of its folder."""
        return f"{self.rule}-{'fault' if self.faulty else 'healthy'}-{self.trial.setup.name}-{self.seed}"
