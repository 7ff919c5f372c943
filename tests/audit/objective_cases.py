"""Runs for the rules of the loss and of classes: on which they fire, and on which they must be silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from groundwire.audit.rules.case import Case
from rule_material import NOISE, case

SAMPLES = 60
FALLING = np.linspace(2.3, 0.5, SAMPLES) * NOISE[:SAMPLES]
RISING = np.linspace(2.3, 20, SAMPLES) * NOISE[:SAMPLES]
MAXIMISING = {"optimizer": {"lr": 0.01, "count": 1, "maximize": True}}


def called(
    function: str = "cross_entropy", value: Any = FALLING, *, returned: Any = None, settings: Any = None, **facts: Any
) -> Case:
    """Return a run that called a loss function in watched steps; facts are 0 where not told."""
    none = dict.fromkeys(("probabilities", "improper", "one_hot", "broadcast", "logit_max"), 0.0)
    series = {f"objective__{name}": {function: np.zeros(SAMPLES) + fact} for name, fact in (none | facts).items()}
    given = np.asarray(value if returned is None else returned)
    return case(
        objective__value={function: value}, objective__returned=given, configuration=settings, **series
    )  # fmt: skip


def counted(seen: list[int], asked: list[int], found: list[int], *, held_out: bool = True) -> Case:
    """Return a run with examples of each class a step, and how many of those that were asked for were found."""

    def columns(amounts: list[int]) -> dict[str, Any]:
        return {f"cross_entropy {place}": np.full(20, float(amount)) for place, amount in enumerate(amounts)}

    series = {"objective__class_count": columns(seen), "objective__class_hits": columns(found)}
    if held_out:
        series |= {"objective__val_count": columns(asked), "objective__val_hits": columns(found)}
    return case(**series)


BAD: dict[str, Callable[[], Case]] = {
    "double-softmax": lambda: called(probabilities=1.0),
    "sign-flip": lambda: called(value=RISING, returned=-RISING),
    "wrong-loss": lambda: called("mse_loss", broadcast=1.0),
    "logit-growth": lambda: called(logit_max=np.linspace(5, 200, SAMPLES)),
    "class-imbalance": lambda: counted([40, 30, 1], [40, 30, 1], [38, 28, 0]),
}
GOOD: dict[str, list[Callable[[], Case]]] = {
    "double-softmax": [
        called,
        # Distances between probabilities, and a single batch that happens to look like it.
        lambda: called("mse_loss", probabilities=1.0),
        lambda: called(probabilities=np.arange(SAMPLES) == 7),
    ],
    "sign-flip": [
        called,
        lambda: called(value=RISING),  # it diverges
        lambda: called(returned=FALLING - 1.5),  # a bonus for something else
        lambda: called(returned=-FALLING),  # it falls all the same: somebody turns it around twice
        lambda: called(value=RISING, returned=-RISING, settings=MAXIMISING),
        # A reward that changes.
        lambda: called(value=RISING, returned=-RISING * np.random.default_rng(0).uniform(0.2, 2, SAMPLES)),
    ],
    "wrong-loss": [
        called,
        lambda: called("mse_loss"),
        lambda: called("mse_loss", one_hot=1.0, probabilities=1.0),  # Brier's score
        lambda: called("mse_loss", broadcast=np.arange(SAMPLES) % 12 == 0),  # the last batch of an epoch
    ],
    "logit-growth": [
        lambda: called(logit_max=np.linspace(5, 40, SAMPLES)),
        lambda: called(logit_max=np.linspace(5, 200, SAMPLES), value=np.full(SAMPLES, 0.01)),  # sure and right
        lambda: called(logit_max=np.linspace(70, 100, SAMPLES)),  # large from the start
    ],
    "class-imbalance": [
        lambda: counted([40, 30, 35], [40, 30, 35], [5, 5, 5]),
        lambda: counted([40, 30, 1], [40, 30, 1], [38, 28, 1]),  # rare and learned
        lambda: counted([40, 30, 1], [40, 30, 1], [4, 3, 0]),  # nothing is learned
    ],
}
