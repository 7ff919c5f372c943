"""For the rules of single steps, runs on which they fire and runs on which they must be silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from groundwire.audit.rules.case import Case
from rule_material import STEPS, case, layers

SAMPLES = 60
STILL, MOVING = np.zeros(SAMPLES), np.full(SAMPLES, 0.9)
HALTED = np.where(np.arange(SAMPLES) < 30, 0.9, 0.0)
SMALL = layers(1e-5, 2e-5, 1e-5)
USUAL = {"name": "Adam", "lr": 0.002, "eps": 1e-8, "betas": [0.9, 0.999], "count": 1}
WIDE, SWAPPED = USUAL | {"eps": 1.0}, USUAL | {"betas": [0.999, 0.9]}
FALLING = np.linspace(1.0, 0.0, STEPS)


def moments(p99: Any, ratio: Any, optimizer: dict[str, Any], **more: Any) -> Case:
    """Return a run with so long steps and so large an epsilon."""
    series: dict[str, Any] = {"gradient__update_ratio": SMALL} | more
    return case(
        optimizer__step_p99=np.broadcast_to(np.asarray(p99, dtype=float), SAMPLES),
        optimizer__epsilon_ratio=np.broadcast_to(np.asarray(ratio, dtype=float), SAMPLES),
        configuration={"optimizer": optimizer}, **series,
    )  # fmt: skip


def rounded(*lost: float, **more: Any) -> Case:
    return case(gradient__update_ratio=SMALL, gradient__lost_share=np.array(lost), **more)


def stood(
    *pauses: float, batches: int = STEPS, loading: float = 1.0, usual_s: float = 0.05, workers: int = 0,
    ranks: tuple[float, ...] = (),
) -> Case:  # fmt: skip
    """Return a run of so many batches and pauses (s), of which a share passed before the batch was there."""

    def told(rank: int, seconds: tuple[float, ...]) -> dict[str, Any]:
        seen = {
            "count": len(seconds), "seconds": sum(seconds), "loading_s": loading * sum(seconds),
            "longest_s": max(seconds, default=0.0), "usual_s": usual_s,
            "longest": [{"step": 100 + place, "seconds": s} for place, s in enumerate(seconds)],
        }  # fmt: skip
        trained = {"training": batches * usual_s + sum(seconds), "validation": 2.0, "generation": 0.0}
        return {"attempt": 1, "rank": rank, "batches": batches, "stalls": seen,
                "seconds": trained | {"checkpoint": 0.0}}  # fmt: skip

    facts = {"attempt": 1, "rank": 0, "cpus": 4, "device": "cpu", "dataloader": {"num_workers": workers}}
    events = [told(rank, tuple(found)) for rank, found in enumerate((pauses, ranks))]
    return case(events={"efficiency": events, "efficiency.facts": [facts]})


BAD: dict[str, Callable[[], Case]] = {
    "no-op-step": lambda: case(optimizer__moved_share=STILL, optimizer__unheld_share=np.ones(SAMPLES)),
    "bad-optimizer-epsilon": lambda: moments(0.05, 200.0, WIDE),
    "lost-updates": lambda: rounded(0.8, 0.9, 0.95, 0.9),
    "stall": lambda: stood(*[1.0] * 12),
}
GOOD: dict[str, list[Callable[[], Case]]] = {
    "no-op-step": [
        lambda: case(optimizer__moved_share=MOVING),
        # Steps that the gradient scaler skips, among the last ones.
        lambda: case(
            optimizer__moved_share=np.concatenate([MOVING, np.zeros(6)]),
            events={"skipped_step": [{"step": step} for step in range(1, STEPS + 1)[-80:]]},
        ),
        # The end of a schedule: nothing is left to be missed.
        lambda: case(optimizer__moved_share=np.where(np.arange(SAMPLES) < 30, 0.9, np.nan)),
        lambda: case(optimizer__moved_share=np.where(np.arange(SAMPLES) % 2, 0.9, 0.0)),
    ],
    "bad-optimizer-epsilon": [
        lambda: moments(1.0, 1e-5, USUAL),
        # The first steps, and a few samples later on.
        lambda: moments(np.where(np.arange(SAMPLES) < 3, 50.0, 1.0), 1e-5, USUAL),
        lambda: moments(np.where(np.arange(SAMPLES) % 5 == 4, 50.0, 1.0), 1e-5, USUAL),
        # What has been learned by heart has no gradients any more.
        lambda: moments(1.0, np.where(np.arange(SAMPLES) > 10, 9.0, 0.1), USUAL,
                        train__loss=np.where(np.arange(STEPS) > 100, 0.01, 2.0)),
        # Epsilon and rate raised together, so that updates are of healthy size.
        lambda: moments(0.05, 200.0, WIDE | {"lr": 2.0}, gradient__update_ratio=layers(2e-3, 3e-3, 2e-3)),
    ],
    "lost-updates": [
        lambda: rounded(0.1, 0.2, 0.2, 0.3),
        lambda: case(gradient__update_ratio=SMALL),  # float32
        # The end of a schedule.
        lambda: rounded(0.2, 0.3, 0.3, 0.9, 0.95, 1.0, 1.0, 1.0, optimizer__lr=FALLING),
    ],
    "stall": [
        lambda: stood(),
        lambda: stood(*[0.3] * 4),  # a busy machine
        lambda: stood(*[0.3] * 6),
        lambda: stood(*[1.0] * 12, batches=20_000),  # a fiftieth of the time
        lambda: stood(*[1.0] * 12, batches=100),  # every eighth batch waits: its data come too late
    ],
}  # fmt: skip
