"""Runs with faults of the data, and runs that look like them and are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from groundwire.audit.rules.case import Case
from rule_material import case

VARIED = {"usual": 0.004, "nan": 0.0, "value": -0.2}


def column(place: int, usual: float, *, nan: float = 0.0, value: float = 0.0, val: Any = None) -> dict[str, Any]:
    """Return what an event tells of one column; the same on both sides unless validation is given."""
    train = {"usual": usual, "nan": nan, "value": value}
    return {"column": place, "train": train, "val": train if val is None else val}


def features(*odd: dict[str, Any], **told: Any) -> Case:
    """Return a run on a dense table of thirty features."""
    event = {"of": "table", "columns": 30, "examples": {"train": 800, "val": 140}, "odd": list(odd),
             "odd_count": len(odd), "frequent": [1, 0]}  # fmt: skip
    return case(events={"inputs.features": [event | told]})


def losses(right: Any, other: Any, one: Any, **more: Any) -> Case:
    """Return a run with the losses of exchanged inputs at four validations."""
    ends = {"loss": right, "exchanged_loss": other, "one_target_loss": one}
    return case(**{f"inputs__{name}": np.broadcast_to(np.asarray(v, float), 4) for name, v in ends.items()}, **more)


def examples(*generators: str, **told: Any) -> Case:
    """Return a run whose loader has four workers."""
    seen = {"train": 1000, "twins": 0, "across_workers": 0, "within_workers": 0, "val": 300, "shared": 0, "one_in": 1,
            "train_seen": 1000, "val_seen": 300}  # fmt: skip
    loader = {"workers": 4, "repeats_by_right": False, "stream": False}
    loader |= {name: told.pop(name) for name in list(told) if name in loader}
    facts = loader | {"generators": list(generators), "count": len(generators)}
    return case(events={"inputs.examples": [seen | loader | told], "inputs.workers": [facts]})


LOST = column(3, 1.0, val=VARIED)
REPEATED = {"across_workers": 750, "stream": True}

BAD: dict[str, Callable[[], Case]] = {
    "constant-features": lambda: features(LOST, column(7, 1.0, val=VARIED)),
    "input-ignored": lambda: losses([2.3, 2.2, 2.1, 2.1], [2.3, 2.2, 2.1, 2.1], 2.5),
    "duplicate-augmentation": lambda: examples("dataset.rng"),
}

ONES, PADDING = column(0, 1.0, value=1.0), [column(place, 1.0) for place in (30, 31)]
ALPHA = {"of": "channels", "columns": 4}
SPARSE = {"columns": 64, "frequent": [30, 12]}
GOOD: dict[str, list[Callable[[], Case]]] = {
    "constant-features": [
        lambda: features(),
        lambda: features(column(3, 1.0, value=-0.8), **SPARSE),  # corners of flat images
        lambda: features(column(3, 1.0, val={"usual": 0.99, "nan": 0.0, "value": 0.0}), **SPARSE),  # and a rare pixel
        lambda: features(column(3, 0.4, val={"usual": 1.0, "nan": 0.0, "value": 1.0})),  # validated on one group
        lambda: features(column(3, 0.97, val={"usual": 1.0, "nan": 0.0, "value": 0.0})),  # rare: by chance
        lambda: features(ONES),  # an intercept
        lambda: features(*PADDING, columns=32),
        lambda: features(column(3, 1.0, value=1.0), **ALPHA),  # opacity
        lambda: features(*(column(place, 1.0) for place in (0, 5)), of="sequence"),  # positions that are never used
        lambda: features(column(3, 0.2, nan=0.3)),  # values that are missing now and then
    ],
    "input-ignored": [
        lambda: losses([2.3, 1.2, 0.8, 0.5], [2.5, 3.0, 4.0, 6.0], np.nan),
        lambda: losses(0.5, 0.5, 0.5),  # no targets: the loss is of the inputs alone
        lambda: losses([2.3, 2.2, 2.0, 1.7], [2.3, 2.21, 2.3, 2.8], [2.4, 2.4, np.nan, np.nan]),  # a slow start
    ],
    "duplicate-augmentation": [
        lambda: examples(),
        lambda: examples(across_workers=750, within_workers=250, stream=True),  # the data have duplicates
        lambda: examples(across_workers=60, stream=True),
        lambda: examples(across_workers=600, stream=True, repeats_by_right=True),  # drawn with replacement
        lambda: examples(across_workers=750),  # a set that holds each example twice
        lambda: examples("dataset.rng", workers=1),
    ],
    "train-validation-leakage": [
        lambda: examples(),
        lambda: examples(shared=4),
        lambda: examples(shared=290, twins=980),  # few possible examples
        lambda: examples(shared=12, val=2000),
    ],
}
