"""What the rules of optimisation share: remedies, medians and places."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..model import Evidence, Mitigation
from ..record import Series
from .case import Case, nice, sampled_columns, smooth
from .declaration import CannotTellError, Fault

HEALTHY_RATIO = 1e-3  # update over weight
HEALTHY_START = 4e-3  # the same in the first 50 steps: what healthy runs of benchmarks/faults have
NAMED = 3  # layers that a summary names
WARM_UP = 20
EARLY = 50  # steps


def clip(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend clipping at what the run itself calls normal: before the fault, where it began late enough."""
    series = case.series("gradient.norm")
    usable = np.isfinite(series.value) & (series.value > 0)
    early = usable & (series.step < (fault.step or 0))
    norms = series.value[early if early.sum() >= WARM_UP else usable]
    if norms.size < WARM_UP:
        return None
    normal = norms[norms <= 10 * np.median(norms)]
    value = nice(float(np.percentile(normal, 95)))
    return Mitigation(
        text=f"Clip gradients at {value:g}, the 95th percentile of this run's own norms outside the jumps.",
        settings={"trainer.gradient_clip_val": value},
        gain="one bad batch can no longer throw the weights far away",
        cost="one step in twenty gets shorter than now",
        source="Pascanu et al. 2013, On the difficulty of training recurrent neural networks",
    )


def lower_rate(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend a third of the learning rate."""
    rate = case.number("optimizer.lr")
    if rate is None:
        return None
    value = nice(rate / 3, 1)
    return Mitigation(
        text=f"Lower the learning rate from {rate:g} to {value:g} or warm it up over the first steps.",
        settings={"optimizer.lr": value},
        gain="smaller steps stay where the loss is smooth",
        cost="the early loss falls more slowly",
        source="Goyal et al. 2017, Accurate, Large Minibatch SGD",
    )


def rate_for_healthy_updates(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend the rate at which this run's updates would have been of healthy size."""
    return _rate_for(case, fault.evidence[0].value, HEALTHY_RATIO)


def rate_for_calm_steps(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend the rate at which this run's updates, the first of which are larger, would have been healthy."""
    early = "first" in fault.evidence[0].summary
    return _rate_for(case, fault.evidence[0].value, HEALTHY_START if early else HEALTHY_RATIO)


def _rate_for(case: Case, ratio: float | None, healthy: float) -> Mitigation | None:
    rate = case.number("optimizer.lr")
    if rate is None or not ratio:
        return None
    factor = min(1000.0, max(1e-3, healthy / ratio))
    value = nice(rate * factor)
    return Mitigation(
        text=f"Set the learning rate to {value:g}: at {rate:g} the median update was {ratio:.1e} of the weights.",
        settings={"optimizer.lr": value},
        gain=f"updates near {healthy:g} of the weights",
        cost="none" if factor > 1 else "more steps until the loss is low, each of them useful",
        source="update ratio: CS231n, Neural Networks part 3; size scales with the learning rate",
    )


def look_at_batch(case: Case, fault: Fault) -> Mitigation:
    """Send the reader to the batch at which it began."""
    return Mitigation(
        text=f"Train again up to step {fault.step} and look at that batch: extreme inputs, empty targets, log or"
        " division by zero, half precision.",
        gain="removes the cause, not the symptom",
        cost="one run up to that step",
        source="the step and the layers are this run's own",
    )


def at(series: Series, place: int, limit: float) -> Evidence:
    """Return one point of a series as evidence."""
    return Evidence(
        summary=f"at step {series.step[place]:,}",
        step=int(series.step[place]),
        series=series.name,
        value=float(series.value[place]),
        limit=limit,
        unit=series.unit,
    )


def trained(case: Case, *layers: str) -> bool:
    """Return whether gradients reach all these layers, as far as that was recorded: others are as they came."""
    reached = case.columns("gradient.layer_norm")
    return not reached or set(layers) <= set(reached)


def refuse_search(case: Case) -> None:
    """Leave unjudged how long steps are that a search along lines has chosen.

    Raises:
        CannotTellError: The optimizer is LBFGS.
    """
    if case.setting("optimizer.name") == "LBFGS":
        raise CannotTellError("LBFGS steps as far as it finds best, and not at all where it sees no way down")


def names(layers: list[str]) -> str:
    """Return the first layers by name and how many more there are."""
    more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
    return ", ".join(layers[:NAMED]) + more


def fall(loss: Series) -> float:
    """Return by which share the smoothed loss has fallen from its start to its end."""
    smoothed = smooth(loss.value[np.isfinite(loss.value)], min(20, max(1, len(loss) // 4)))
    if not smoothed.size or smoothed[0] == 0:
        return math.inf
    return float((smoothed[0] - smoothed[-1]) / abs(smoothed[0]))


def medians(case: Case, name: str) -> dict[str, float]:
    """Return each layer's median of a sampled series, over finite values."""
    found = sampled_columns(case, name).items()
    finite = {column: series.value[np.isfinite(series.value)] for column, series in found}
    return {column: float(np.median(value)) for column, value in finite.items() if value.size}


def late_medians(case: Case, steps: NDArray[np.int64] | None = None) -> dict[str, float]:
    """Return each layer's median update ratio after the warm-up, at `steps` when given."""
    after = min(100, case.steps // 10)
    medians: dict[str, float] = {}
    for layer, series in sampled_columns(case, "gradient.update_ratio").items():
        chosen = (series.step > after) & np.isfinite(series.value)
        if steps is not None:
            chosen &= np.isin(series.step, steps)
        if chosen.sum() >= 5:
            medians[layer] = float(np.median(series.value[chosen]))
    return medians


def early_medians(case: Case) -> dict[str, float]:
    """Return each layer's median update ratio over the first 50 steps, of layers that did not begin at zero."""
    weights = sampled_columns(case, "gradient.weight_norm")
    zero = {layer for layer, series in weights.items() if series.value[0] == 0}
    medians: dict[str, float] = {}
    for layer, series in sampled_columns(case, "gradient.update_ratio").items():
        chosen = (series.step <= EARLY) & np.isfinite(series.value)
        if layer not in zero and chosen.sum() >= 5:
            medians[layer] = float(np.median(series.value[chosen]))
    return medians


def stuck(loss: NDArray[np.float64]) -> bool:
    """Return whether no later quarter of a loss is 6 % below the first."""
    if loss.size < 4:
        return False
    quarters = [float(quarter.mean()) for quarter in np.array_split(loss, 4)]
    return quarters[0] - min(quarters) < 0.06 * abs(quarters[0])


def overall_ratio(case: Case) -> float | None:
    """Return the median update ratio over layers and steps after the warm-up."""
    medians = late_medians(case)
    return float(np.median(list(medians.values()))) if medians else None
