"""Runs for the tests of the rules about what a model makes of its examples and of their labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from groundwire.audit.rules.case import Case
from rule_material import STEPS, case

SIDE = {"rows": 256, "dimension": 64, "effective_rank": 20.0, "spread": 0.8, "turn": 0.8}
SETTINGS = {"optimizer": {"lr": 0.01, "count": 1}, "model": {"norm_momentum": 1e-4, "width": 2, "dropout": 0.3}}


def looked(*, hidden: Any = None, output: Any = None, **more: Any) -> dict[str, Any]:
    """Return one look at the last layer."""
    told = {"step": STEPS, "layer": "head", "raw": False, "supervised": False, "distinct": 256, "target_rank": None}
    return told | {"hidden": SIDE | (hidden or {}), "output": SIDE | (output or {})} | more


def normed(
    *losses: tuple[float, float], momentum: float | None = 0.1, size: int = 32, supervised: bool = True
) -> dict[str, Any]:
    """Return looks at both modes of batch norm: the losses in eval and in training mode."""
    norms = [{"name": "net.1", "drift": 3.0, "momentum": momentum}]
    more = {"examples": 256, "batch_size": size, "norms": norms}
    return {
        "representation": [
            looked(
                step=100 * place,
                supervised=supervised,
                batch_norm={"eval_loss": evaluated, "train_loss": trained} | more,
            )
            for place, (evaluated, trained) in enumerate(losses, 1)
        ]
    }


def alike(turn: float, **more: Any) -> dict[str, Any]:
    return {"representation": [looked(output={"turn": turn, "effective_rank": 1.2}, **more)]}


def narrow(**more: Any) -> dict[str, Any]:
    """Return a look at outputs that differ in one direction."""
    return {"representation": [looked(hidden={"effective_rank": 1.3}, output={"effective_rank": 1.2}, **more)]}


def labelled(share: float, *, auc: float | None = 0.6, **more: Any) -> dict[str, Any]:
    """Return what was seen of labels; `share` of the surest examples are contradicted."""
    told = {
        "examples": 1000, "observations": 4000, "relabelled": 0.0, "contradicted": 0.35, "surest": 200,
        "surest_contradicted": int(200 * share), "auc": auc, "first_step": 100, "last_step": STEPS,
        "pairs": [{"label": 3, "taken_for": 8, "examples": 20}],
    }  # fmt: skip
    return {"labels": [told | more], "reference": [{"of": "classes", "reference": 0.33}]}


def compared(
    model: float, reference: float = 0.03, *, outputs: int = 10, hidden: int = 64, frozen: float = 0.0, **more: Any
) -> Case:
    """Return a run whose model errs in a share of its own training examples."""
    told = {"of": "classes", "examples": 512, "trivial": 0.9, "model": model, "reference": reference}
    told |= {"low": model - reference - 0.04, "step": STEPS}
    told |= {"frozen": frozen}
    looks = looked(hidden={"dimension": hidden}, output={"dimension": outputs})
    losses = {"overfitting__train_loss": np.full(12, 2.0)} | more
    return case(events={"reference": [told], "representation": [looks]}, configuration=SETTINGS, **losses)


BAD: dict[str, Callable[[], Case]] = {
    "batch-norm-mismatch": lambda: case(events=normed((2.0, 0.9), (1.9, 0.5), momentum=1e-4), configuration=SETTINGS),
    "representation-collapse": lambda: case(events=alike(0.002)),
    "label-noise": lambda: case(events=labelled(0.28)),
}
GOOD: dict[str, list[Callable[[], Case]]] = {
    "batch-norm-mismatch": [
        lambda: case(events=normed((0.9, 0.9), (0.5, 0.52))),
        lambda: case(events=normed((2.0, 0.9), (0.55, 0.5))),  # the statistics have caught up
        lambda: case(events=normed((0.02, 0.01), (0.02, 0.01))),  # of next to nothing
        lambda: case(events=normed((0.5, 2.0), (0.5, 2.0))),  # eval mode is better
        lambda: case(events={"representation": [looked()]}),  # no batch norm
    ],
    "representation-collapse": [
        lambda: case(events=alike(0.8)),
        # Neural collapse: one direction for two classes.
        lambda: case(events={"representation": [looked(output={"effective_rank": 1.0, "turn": 0.97})]}),
        # Numbers to be predicted that are nearly alike themselves, as grey images and positions are.
        lambda: case(events=alike(0.02, supervised=True, target_rank=1.5, target_turn=0.022)),
        # Targets that have one direction themselves, labels, and a narrow head behind a rich representation.
        lambda: case(events=narrow(target_rank=1.2)),
        lambda: case(events=narrow(supervised=True)),
        lambda: case(events={"representation": [looked(output={"effective_rank": 1.2})]}),
        # A number that is not centred, and varies.
        lambda: case(events={"representation": [looked(output={"dimension": 1, "turn": 0.0, "spread": 0.3})]}),
    ],
    "label-noise": [
        lambda: case(events=labelled(0.02, auc=0.9)),
        lambda: case(events=labelled(0.2, auc=0.78)),  # hard examples: where it is wrong, it is unsure
        lambda: case(events=labelled(0.0, auc=None)),
        # A simple method gets the labels right: it is the model that has learned too little.
        lambda: case(events=labelled(0.4) | {"reference": [{"of": "classes", "reference": 0.03}]}),
    ],
    "underfitting": [
        lambda: compared(0.05),
        lambda: compared(0.6, 0.58),  # mostly chance: the reference knows no more
        # Somewhat behind, as a short training is, whose loss stands still when its rate has come down.
        lambda: compared(0.3, overfitting__train_loss=np.linspace(2.2, 2.0, 12)),
        lambda: compared(0.3, optimizer__lr=np.linspace(1e-2, 0, STEPS)),
        lambda: compared(0.6, overfitting__train_loss=np.linspace(2.4, 1.0, 12)),  # still falling
    ],
}
