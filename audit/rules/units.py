"""Faults of the activations: units that are silent for good, and units without slope."""

from __future__ import annotations

import numpy as np

from ..formats import percent
from ..model import Evidence, Mitigation, Severity
from .case import Case, sampled_columns
from .declaration import CannotTellError, Fault, rule
from .evidence import NAMED, lower_rate, names

LAST = 2  # samples of the dead share that all have to be high


def _revive(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text=f"Let negative inputs through behind {fault.evidence[0].layer}: GELU or LeakyReLU in place of ReLU; and"
        " begin with biases of zero.",
        gain="units get gradients again",
        cost="none to little",
        source="Maas, Hannun, Ng 2013, Rectifier Nonlinearities Improve Neural Network Acoustic Models",
    )


@rule(
    code="OPT016",
    severity=Severity.HIGH,
    live=True,
    needs=("activation.dead_share",),
    threshold=0.6,
    unit="share of the units",
    follows_from=("non-finite", "unscaled-input", "bad-init-scale", "over-regularised", "updates-too-large",
                  "divergence", "exploding-gradient", "missing-zero-grad", "input-ignored"),
    remedies=(_revive, lower_rate),
)  # fmt: skip
def dead_units(case: Case, threshold: float) -> Fault | None:
    """Flags rectifiers most of whose units never let anything through.

    What it detects:
        In the last two samples more than `threshold` of a layer's units were zero on all of at least 128 rows.

    Why it matters:
        A unit that is zero for every example gets no gradient and never comes back: the layer is as narrow as
        what is left of it.

    Example:
        One step with a learning rate of 5, after which all biases are far below zero.

    Known limits:
        Rows are examples, positions of a sequence and pixels alike. Sparse inputs and mixtures of experts leave
        units silent by design.

    References:
        Maas, Hannun, Ng 2013; Amazon SageMaker Debugger, rule DeadRelu.
    """
    found = sampled_columns(case, "activation.dead_share")
    if all(len(series) < LAST for series in found.values()):
        raise CannotTellError(f"fewer than {LAST} samples of 128 rows each")
    dead = {name: float(s.value[-LAST:].min()) for name, s in found.items() if len(s) >= LAST}
    worst = sorted(((share, name) for name, share in dead.items() if share > threshold), reverse=True)
    if not worst:
        return None
    series = found[worst[0][1]]
    began = int(series.step[np.flatnonzero(series.value > threshold)[0]])
    return Fault(
        summary=f"{percent(worst[0][0])} of the units behind {worst[0][1]} are zero for every example"
        f" ({len(worst)} of {len(dead)} activations).",
        evidence=tuple(
            Evidence(summary="dead units", step=int(found[name].step[-1]), series="activation.dead_share", layer=name,
                     value=share, limit=threshold, unit="share")
            for share, name in worst[:NAMED]
        ),
        step=began,
    )  # fmt: skip


def _smaller_weights(case: Case, fault: Fault) -> Mitigation:
    layers = names([item.layer for item in fault.evidence if item.layer])
    return Mitigation(
        text=f"Draw the weights of {layers} from N(0, 1/inputs), or put a normalising layer before the activation.",
        gain="the activation has a slope where its inputs are",
        cost="none",
        source="Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks",
    )


@rule(
    code="OPT017",
    severity=Severity.HIGH,
    live=True,
    needs=("activation.saturated_share",),
    threshold=0.5,
    unit="share of the inputs",
    follows_from=("non-finite", "unscaled-input", "updates-too-large", "divergence", "missing-zero-grad"),
    remedies=(_smaller_weights, lower_rate),
)
def saturated_units(case: Case, threshold: float) -> Fault | None:
    """Flags tanh and sigmoid layers that run where they are flat.

    What it detects:
        The median over the second half of the samples is above `threshold` for the share of inputs of tanh or
        sigmoid beyond ±5. The last activation of the model is left out: an answer may be certain.

    Why it matters:
        Beyond ±5 the slope is below 1 %: hardly any gradient comes through.

    Example:
        A network of tanh layers whose weights are fifty times too large.

    Known limits:
        Gates inside recurrent layers cannot be seen.

    References:
        Glorot and Bengio 2010; Amazon SageMaker Debugger, rule SaturatedActivation.
    """
    found = sampled_columns(case, "activation.saturated_share")
    outputs = {layer["name"] for event in case.events("activation.first_step") for layer in event["layers"][-1:]}
    median = {
        name: float(np.median(series.value[len(series) // 2 :]))
        for name, series in found.items()
        if name not in outputs
    }
    worst = sorted(((share, name) for name, share in median.items() if share > threshold), reverse=True)
    if not worst:
        return None
    first = found[worst[0][1]]
    return Fault(
        summary=f"{percent(worst[0][0])} of the inputs of the activation behind {worst[0][1]} are beyond ±5"
        f" ({len(worst)} of {len(median)} activations).",
        evidence=tuple(
            Evidence(summary="saturated inputs", step=int(found[name].step[-1]), series="activation.saturated_share",
                     layer=name, value=share, limit=threshold, unit="share")
            for share, name in worst[:NAMED]
        ),
        step=int(first.step[np.flatnonzero(first.value > threshold)[0]]),
    )  # fmt: skip
