"""Training that stops too often: to validate, or to write checkpoints."""

from __future__ import annotations

import math

import numpy as np

from ..formats import percent
from ..model import Evidence, Mitigation, Scalar, Severity
from .case import Case
from .declaration import Fault, rule
from .pace import energy, in_energy, known, of_share, pace

VALIDATION, CHECKPOINT = "efficiency.validation_share", "efficiency.checkpoint_share"
FEWEST = 8  # validations that the rules of generalisation need


def rarer(share: float, limit: float) -> int:
    """Return how many times rarer something must be for its share of the time to fall to a limit.

    With V seconds of it and R of the rest, V/k / (V/k + R) ≤ limit.
    """
    times = share * (1 - limit) / (limit * (1 - share)) if share < 1 else math.inf
    return math.ceil(min(times, 1e6) - 1e-9)


def saved(share: float, times: int) -> float:
    """Return the share of the time that is saved by doing it so many times rarer."""
    return share * (1 - 1 / times)


def _gap(steps: list[int]) -> float | None:
    """Return the median of the steps between two; None where there are no two."""
    found = np.diff(sorted(set(steps)))
    return float(np.median(found)) if found.size else None


def interval(case: Case, times: int) -> dict[str, Scalar]:
    """Return the settings that make validations so many times rarer; empty where their steps are not known."""
    gap = _gap(case.series("overfitting.val_loss").step.tolist())
    epoch = case.number("data.steps_per_epoch")
    if gap is None:
        return {}
    steps = times * gap
    if epoch is not None and steps >= epoch:
        return {"trainer.check_val_every_n_epoch": math.ceil(steps / epoch), "trainer.val_check_interval": 1.0}
    return {"trainer.val_check_interval": math.ceil(steps * (case.number("trainer.accumulate_grad_batches") or 1))}


def _batches(case: Case) -> int | None:
    """Return the batches of a validation as they are, None where that is not known."""
    limit = case.setting("trainer.limit_val_batches")
    found = case.number("data.validation_batches") or (limit if isinstance(limit, int) else None)
    return int(found) if found else None


def fewer(case: Case, times: int) -> int | float | None:
    """Return a limit of validation batches, so many times below the present one; None where that is not known.

    A number of batches where the run knows it, for a share that makes less than one batch is refused by Lightning.
    """
    batches, limit = _batches(case), case.number("trainer.limit_val_batches")
    if batches is not None:
        return max(1, batches // times) if batches > 1 else None
    return _floored(limit / times) if limit is not None else None


def _floored(value: float) -> float:
    """Return the first two digits of a positive number."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.floor(value / unit + 1e-9) * unit:.2g}")


def _gain(case: Case, share: float, times: int) -> str:
    kwh = energy(case, "validation")
    spared = in_energy(kwh * (1 - 1 / times) if kwh is not None else None)
    return f"{percent(saved(share, times))} of the time, {spared}"


def _validate_less(case: Case, fault: Fault) -> Mitigation:
    """Recommend rarer validations, or where few are left, smaller ones."""
    share, limit = fault.evidence[0].value or 0.0, fault.evidence[0].limit or 1.0
    times, validations = rarer(share, limit), len(case.series("overfitting.val_loss"))
    if 0 < validations < FEWEST * times and _batches(case) != 1:
        rare, left = validations // times, fewer(case, times)
        text = f"Validating {times} times rarer would leave {rare} validations, too few to see the best step."
        times = min(times, _batches(case) or times)  # one batch is the least
        return Mitigation(
            text=f"Validate on a part of the present validation batches, 1 in {times}"
            + (f": limit_val_batches={left}" if left is not None else "")
            + f". {text}",
            settings={"trainer.limit_val_batches": left} if left is not None else {},
            gain=_gain(case, share, times),
            cost=f"the validation loss gets about {math.sqrt(times):.1f} times as noisy; shuffle the validation set"
            " once, so that its first batches stand for all",
            source="the share is this run's own",
        )
    settings = interval(case, times)
    told = " and ".join(f"{key.partition('.')[2]}={value}" for key, value in settings.items())
    return Mitigation(
        text=f"Validate {times} times rarer" + (f": {told}." if told else "."),
        settings=settings,
        gain=_gain(case, share, times),
        cost="the best step is known less closely, and early stopping comes later by as much",
        source="the share is this run's own",
    )


@rule(
    code="EFF005",
    severity=Severity.LOW,
    status="preview",
    needs=("efficiency.validation_share", "efficiency.facts"),
    threshold=0.2,
    unit="share of the fit",
    remedies=(_validate_less,),
)
def frequent_validation(case: Case, threshold: float) -> Fault | None:
    """Flags runs that spent a large part of their time on validation.

    What it detects:
        Validation took more than `threshold` of the fit. A pass without gradients takes about a third of a training
        step, so at 0.2 three examples are validated for every four that are trained on.

    Why it matters:
        Validation teaches nothing. What it is for, choosing a step and stopping in time, takes few of them.

    Example:
        val_check_interval=50 with a validation set of the size of the training set.

    Known limits:
        Metrics that generate or decode may need their time, and validations that are slow because their loader has no
        workers become faster by giving it some. Other callbacks' work in a validation counts as validation. Runs of
        less than a minute are not judged.

    References:
        Prechelt 1998, Early Stopping: But When?
    """
    share = known(case, VALIDATION)
    pace(case)  # or the run is too short
    if share <= threshold:
        return None
    kwh = energy(case, "validation")
    evidence = [of_share("time in validation", share, threshold)]
    evidence += [Evidence(summary="energy of validation", value=kwh, unit="kWh")] if kwh is not None else []
    told = f", {in_energy(kwh)}" if kwh is not None else ""
    return Fault(summary=f"Validation took {percent(share)} of the time{told}.", evidence=tuple(evidence))


def _save_less(case: Case, fault: Fault) -> Mitigation:
    """Recommend the steps between two checkpoints at which they fall below the limit."""
    share, limit = fault.evidence[0].value or 0.0, fault.evidence[0].limit or 1.0
    times = rarer(share, limit)
    gap = _gap([int(event["at_step"]) for event in case.events("checkpoint") if event.get("at_step") is not None])
    kwh = energy(case, "checkpoint")
    text, cost = f"Write checkpoints {times} times rarer", "a crash loses more"
    if gap is not None:
        steps = math.ceil(times * gap)
        text += f": ModelCheckpoint(every_n_train_steps={steps}), where it was {gap:,.0f}"
        cost = f"a crash loses up to {steps:,} steps, {steps * _step_s(case):,.0f} s of training"
    return Mitigation(
        text=f"{text}.",
        gain=f"{percent(saved(share, times))} of the time,"
        f" {in_energy(kwh * (1 - 1 / times) if kwh is not None else None)}",
        cost=cost,
        source="the share is this run's own; Mohan et al. 2021, CheckFreq (FAST) keep it below 3.5 %",
    )


def _step_s(case: Case) -> float:
    return pace(case).batch_s * (case.number("trainer.accumulate_grad_batches") or 1)


@rule(
    code="EFF006",
    severity=Severity.LOW,
    status="preview",
    needs=("efficiency.checkpoint_share", "efficiency.facts"),
    threshold=0.05,
    unit="share of the fit",
    remedies=(_save_less,),
)
def frequent_checkpoints(case: Case, threshold: float) -> Fault | None:
    """Flags runs that spent a large part of their time on writing checkpoints.

    What it detects:
        Checkpoints took more than `threshold` of the fit.

    Why it matters:
        Training stands still while weights and optimizer state are written, often to a slow or distant disk.

    Example:
        A checkpoint of ten gigabytes at every hundredth step, to a network disk.

    Known limits:
        A checkpoint has no hook at its end, so waiting for the batch after it counts as writing it. Checkpoints that
        are written on a thread take less of the training than of the clock. The steps between two are those of
        checkpoints that a checkpoint callback has kept. Runs of less than a minute are not judged.

    References:
        Mohan et al. 2021, CheckFreq: Frequent, Fine-Grained DNN Checkpointing (FAST); Daly 2006, A higher order
        estimate of the optimum checkpoint interval for restart dumps.
    """
    share = known(case, CHECKPOINT)
    pace(case)  # or the run is too short
    if share <= threshold:
        return None
    evidence = of_share("time in checkpoints", share, threshold)
    return Fault(summary=f"Writing checkpoints took {percent(share)} of the time.", evidence=(evidence,))
