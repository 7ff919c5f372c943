"""Training that stands still now and then, for far longer than a batch takes."""

from __future__ import annotations

from typing import Any

from ..formats import percent
from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case
from .declaration import CannotTellError, Fault, rule
from .pace import FIT, energy, in_energy, of_share

FEWEST = 5  # pauses
SEVERAL_S = 3.0  # of pauses together
RARE = 0.1  # share of the batches: what pauses more often waits for its data all the time
ENDLESS_S = 1800.0  # of a single pause
SOURCE = "Amazon SageMaker Debugger, rules StepOutlier and StalledTraining"


def _seen(case: Case) -> dict[str, Any]:
    """Return the totals of the rank that has stood still longest, in the last attempt.

    Raises:
        CannotTellError: Nothing was told of pauses.
    """
    told = [event for event in case.events("efficiency") if event.get("stalls")]
    if not told:
        raise CannotTellError("no totals with pauses were written")
    attempt = max(event.get("attempt", 0) for event in told)
    last = {event.get("rank", 0): event for event in told if event.get("attempt", 0) == attempt}
    return max(last.values(), key=lambda event: float(event["stalls"]["seconds"]))


def _look_where(case: Case, fault: Fault) -> Mitigation:
    """Say where the time went: before the batch was there, or in the step."""
    stalls, facts = _seen(case)["stalls"], (case.events("efficiency.facts") or [{}])[-1]
    loader = facts.get("dataloader") or {}
    spent = energy(case, "training")
    share = fault.evidence[0].value or 0.0
    gain = f"up to {percent(share)} of the time and {in_energy(None if spent is None else spent * share)}"
    if stalls["loading_s"] >= 0.5 * stalls["seconds"]:
        workers = loader.get("num_workers")
        ahead = workers == 0 and (facts.get("cpus") or 1) > 1
        text = "Batches came late: look at the examples of these batches (large files, a cache that is filled or"
        text += " emptied, a network disk, retries)."
        text += " A worker that loads ahead hides pauses that are shorter than what it has in store." if ahead else ""
        return Mitigation(
            text=text,
            settings={"data.num_workers": 1} if ahead else {},
            gain=gain,
            cost="memory for a worker and its copy of the data set" if ahead else "a look at the loader",
            source=SOURCE,
        )
    return Mitigation(
        text="The steps themselves stood still: look at what happens at their times (logging of images or to a"
        " service, garbage collection, a full disk, other processes on the machine, a slow rank that all wait for,"
        " shapes for which a compiled model is compiled again).",
        gain=gain,
        cost="a look at these steps with a profiler",
        source=SOURCE,
    )


@rule(
    code="EFF007",
    severity=Severity.LOW,
    needs=("efficiency.facts",),
    threshold=0.05,
    unit="share of the fit",
    remedies=(_look_where,),
)
def stall(case: Case, threshold: float) -> Fault | None:
    """Flags runs in which single batches took far longer than the others, and a good part of the time.

    What it detects:
        At least five batches, and at most a tenth of all, took more than ten times the median of the last 200 and a
        quarter of a second; beyond that median they took more than `threshold` of the fit and three seconds. Or a
        single one took half an hour more. First batches of epochs, validation, checkpoints, our own measuring and
        the first twenty batches are left out.

    Why it matters:
        The device draws power while nothing trains, and averages hide it: a mean step that is a bit slow looks
        like a slow model.

    Example:
        A network disk that answers after a second every now and then.

    Known limits:
        Steady waiting is data-bound-input's. A machine that is shared looks the same as a loader that pauses. Of
        several ranks the one counts that stood still longest; in a resumed run, the last attempt.

    References:
        Amazon SageMaker Debugger, rules StepOutlier and StalledTraining.
    """
    seen = _seen(case)
    stalls, fit_s = seen["stalls"], sum(float(seen["seconds"][phase]) for phase in FIT)
    count, over = int(stalls["count"]), float(stalls["seconds"])
    share = over / fit_s if fit_s else 0.0
    often = count >= FEWEST and over >= SEVERAL_S and share > threshold and count <= RARE * seen["batches"]
    if not often and float(stalls["longest_s"]) < ENDLESS_S:
        return None
    where = "before the batch was there" if stalls["loading_s"] >= 0.5 * over else "in the step"
    longest = [
        Evidence(summary=f"at step {item['step']:,}", step=int(item["step"]), value=float(item["seconds"]), unit="s")
        for item in stalls["longest"][:FEWEST]
    ]
    return Fault(
        summary=f"Training stood still {count} {'time' if count == 1 else 'times'}, {over:.3g} s or {percent(share)}"
        f" of the fit in all, mostly {where}; a batch usually takes {1000 * float(stalls['usual_s']):.3g} ms.",
        evidence=(of_share("time beyond the usual", share, threshold), *longest),
        confidence=Confidence.MEDIUM,
        step=min((int(item["step"]) for item in stalls["longest"]), default=None),
    )
