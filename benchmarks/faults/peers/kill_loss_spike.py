"""The rules of llm-foundry's KillLossSpike with its defaults.

Source: documentation of llmfoundry.callbacks.KillLossSpike: patience 4, outlier multiplier 2, a window of 100 batches
or 5 % of the run, loss cap 10.
"""

from __future__ import annotations

from collections.abc import Iterator

from .declaration import Alarm, Peer
from .observed import Observed

MEANS = {
    "loss spike": ("loss-spike", "divergence", "exploding-gradient", "updates-too-large", "scheduler-mistake"),
    "high loss": ("divergence", "stagnant-loss", "bad-init-scale", "unscaled-input", "exploding-gradient",
                  "missing-zero-grad", "updates-too-large"),
}  # fmt: skip
PATIENCE, TIMES, CAP = 4, 2.0, 10.0


def judge(run: Observed) -> Iterator[Alarm]:
    """Yield a spike after five outliers in a row, and a high loss when half of a window is above the cap."""
    window, outliers = max(100, run.loss.size // 20), 0
    for place in range(window, run.loss.size):
        before = run.loss[place - window : place]
        outliers = outliers + 1 if run.loss[place] >= TIMES * before.mean() else 0
        if outliers > PATIENCE:
            yield Alarm("loss spike", place + 1)
        elif place + 1 >= 2 * window and (before > CAP).sum() >= window / 2:
            yield Alarm("high loss", place + 1)


PEER = Peer(name="llm-foundry KillLossSpike", means=MEANS, judge=judge,
            source="llm-foundry documentation, KillLossSpike, default arguments")  # fmt: skip
