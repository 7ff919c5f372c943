"""DeepDiagnosis's symptoms, on the layers and steps that are sampled.

Source: Wardat et al. 2022, DeepDiagnosis: Automatically Diagnosing Faults and Recommending Actionable Fixes in Deep
Learning Programs (ICSE), the thresholds of its symptoms.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .declaration import Alarm, Peer
from .observed import Observed

MEANS = {
    "numerical error": ("non-finite", "divergence", "exploding-gradient", "skipped-steps"),
    "vanishing gradient": ("vanishing-gradient", "parameter-never-updated", "dead-units", "saturated-units"),
    "dead node": ("dead-units",),
    "saturated activation": ("saturated-units", "bad-init-scale", "unscaled-input"),
    "exploding tensor": ("exploding-gradient", "bad-init-scale", "updates-too-large", "divergence", "unscaled-input"),
    "improper weights": ("bad-init-scale", "symmetric-init", "over-regularised", "saturated-units"),
    "unchanged weight": ("updates-too-small", "parameter-never-updated", "clip-saturation", "scheduler-mistake",
                         "no-op-step", "lost-updates", "vanishing-gradient"),
}  # fmt: skip


def judge(run: Observed) -> Iterator[Alarm]:
    """Yield a symptom at the first sampled step at which any layer shows it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = run.rate[:, None] * run.gradient_norm / run.weight_norm
    rows = {
        "numerical error": np.isinf(run.gradient_norm) | np.isinf(run.weight_norm),
        "vanishing gradient": run.gradient_mean < 1e-7,
        "dead node": run.silent >= 0.7,
        "saturated activation": run.input_beyond > 0.5,
        "exploding tensor": ratio > 1e-1,
        "improper weights": (run.weight_variance < 1e-5) | (run.weight_variance > 10),
        "unchanged weight": ratio < 1e-5,
    }
    for name, fired in rows.items():
        step = run.first(fired)
        if step is not None:
            yield Alarm(name, step)
    broken = np.flatnonzero(~np.isfinite(run.loss))
    if broken.size:
        yield Alarm("numerical error", int(broken[0]) + 1)


PEER = Peer(name="DeepDiagnosis", means=MEANS, judge=judge, source="Wardat et al. 2022, DeepDiagnosis (ICSE)")
