"""Training that still helps, and too little for what it costs."""

from __future__ import annotations

import numpy as np

from ..beststep import noise
from ..forecast import RefusedError
from ..formats import percent
from ..model import Confidence, Evidence, Mitigation, Severity
from ..price import accumulated, clock, finite, spent_after
from ..returns import forecast_of
from .case import Case
from .declaration import CannotTellError, Fault, rule

FEWEST = 8  # validations
LAST_THIRD = 2 / 3
SURE = 1.96  # standard errors of a 95 % interval


def _stop_earlier(case: Case, fault: Fault) -> Mitigation:
    """Recommend the step at which two thirds of the energy were spent, with what that would have lost."""
    step = fault.step or 1
    _, most = _percents(fault)
    saved = spent_after(case.series("carbon.energy_kwh"), step)
    price = (
        f"{saved[0]:.3g} kWh ({percent(saved[1])})"
        if saved
        else f"{percent(1 - step / max(case.steps, 1))} of the run"
    )
    return Mitigation(
        text=f"Stop at step {step:,}, or keep the checkpoint of that step.",
        settings={"trainer.max_steps": step},
        gain=f"saves {price}",
        cost=f"at most {max(most, 0.0):.2g} % of the validation loss",
        source="Kaplan et al. 2020, Scaling Laws for Neural Language Models, section 5",
    )


def _spend_elsewhere(case: Case, fault: Fault) -> Mitigation | None:
    """Say what as many steps again would give, where the learning curve can be carried on."""
    try:
        found = forecast_of(case)
        gain = found.gain(2.0)
    except RefusedError:
        return None
    return Mitigation(
        text="Spend further energy on more varied data or a larger model, not on more steps of this one.",
        gain=f"as many steps again would lower this loss by {gain.value:.2g} [{gain.low:.2g}, {gain.high:.2g}]",
        cost="collecting data; a larger model costs more at each step",
        source="Hoffmann et al. 2022, Training Compute-Optimal Large Language Models",
    )


@rule(
    code="GEN003",
    severity=Severity.LOW,
    status="preview",
    needs=("overfitting.val_loss",),
    threshold=0.2,
    unit="% of the validation loss",
    follows_from=("overtraining",),
    remedies=(_stop_earlier, _spend_elsewhere),
)
def diminishing_returns(case: Case, threshold: float) -> Fault | None:
    """Flags runs whose last third of energy has hardly lowered the validation loss.

    What it detects:
        Between the validations around the point where two thirds of the energy (without readings of it, of the
        time, or of the steps) were spent, and the last ones, the mean validation loss fell by less than `threshold`
        per cent: the upper end of a 95 % interval of the fall lies below that, and the loss did not rise.

    Why it matters:
        A third of the energy, time and money bought nothing that could be measured.

    Example:
        Fifty epochs of a small network whose loss stands still after thirty.

    Known limits:
        The interval is of noise around a smooth curve; noise that wavers slowly looks smaller than it is. Some
        tasks get better long after they stood still (grokking), and a metric may get better while the loss does
        not. What a small loss is worth is not for a rule to say.

    References:
        Kaplan et al. 2020, Scaling Laws for Neural Language Models; Power et al. 2022, Grokking.
    """
    step, value = finite(case.series("overfitting.val_loss"))
    if step.size < FEWEST:
        raise CannotTellError(f"{step.size} validations with a finite loss, it takes {FEWEST}")
    turn, basis = _turn(case)
    fall, error = _fall(step, value, turn)
    low, high = fall - SURE * error, fall + SURE * error
    if fall < -SURE * error or low > threshold:
        return None
    if high > threshold:
        raise CannotTellError(f"the loss fell by {fall:.2g} % [{low:.2g}, {high:.2g}] in the last third: too noisy")
    return Fault(
        summary=f"The last third of the {basis}, from step {turn:,} on, lowered the validation loss by"
        f" {fall:.2g} % [{low:.2g}, {high:.2g}].",
        evidence=(
            Evidence(summary=f"fall of the validation loss in the last third of the {basis}", step=turn,
                     series="overfitting.val_loss", value=fall, limit=threshold, unit="%"),
            Evidence(summary="upper end of its 95 % interval", step=turn, value=high, limit=threshold, unit="%"),
        ),
        confidence=Confidence.MEDIUM,
        step=turn,
    )  # fmt: skip


def _percents(fault: Fault) -> tuple[float, float]:
    """Return the fall and the upper end of its interval."""
    fall, most = (item.value or 0.0 for item in fault.evidence)
    return fall, most


def _turn(case: Case) -> tuple[int, str]:
    """Return the step at which two thirds of the energy, else of the time, else of the steps, were spent."""
    for basis, meter in (("energy", case.series("carbon.energy_kwh")), ("time", clock(case))):
        step, reading = finite(meter)
        total = accumulated(reading)
        if step.size > 1 and total[-1] > 0:
            return int(np.interp(LAST_THIRD * total[-1], [0.0, *total], [0, *step])), basis
    return int(LAST_THIRD * case.steps), "steps"


def _fall(step: np.ndarray, value: np.ndarray, turn: int) -> tuple[float, float]:
    """Return by how many per cent the mean loss fell from a step to the end, and the standard error of that."""
    width = max(2, step.size // 10)
    middle = int(np.abs(step - turn).argmin())
    first = min(max(0, middle - width // 2), step.size - 2 * width)
    before, after = float(value[first : first + width].mean()), float(value[-width:].mean())
    if before <= 0:
        raise CannotTellError("the validation loss is not positive: a relative fall means nothing")
    return 100 * (1 - after / before), 100 * noise(value) * float(np.sqrt(2 / width)) / before
