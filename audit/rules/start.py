"""Faults that show before the first step has changed anything: weights, inputs, layers and optimizers."""

from __future__ import annotations

import math
from typing import Any

from ..model import Evidence, Mitigation, Severity
from .case import Case
from .declaration import Fault, rule
from .evidence import NAMED, names, trained


def _first_step(case: Case) -> dict[str, Any]:
    return case.events("activation.first_step")[0]


def _scale_input(case: Case, fault: Fault) -> Mitigation:
    found = fault.evidence[0]
    return Mitigation(
        text=f"Standardise the inputs: subtract the training set's mean and divide by its standard deviation"
        f" (here about {found.value:.3g}), once.",
        gain="gradients of all layers get comparable, and learning rates of textbooks hold",
        cost="none",
        source="LeCun et al. 1998, Efficient BackProp, section 4.3",
    )


@rule(
    code="OPT018",
    severity=Severity.HIGH,
    live=True,
    needs=("activation.first_step",),
    threshold=10.0,
    unit="× unit scale",
    short_run=True,
    remedies=(_scale_input,),
)
def unscaled_input(case: Case, threshold: float) -> Fault | None:
    """Flags inputs whose values are far from unit scale.

    What it detects:
        What went into the first layer in the first step has a standard deviation above `threshold` or, where it
        is not mostly zeros, below one `threshold`th; or a mean of more than `threshold`.

    Why it matters:
        Initialisations and learning rates are made for inputs of unit variance. Others scale the gradients of the
        first layer by their own size.

    Example:
        Pixels from 0 to 255; or pixels that were divided by 255 twice.

    Known limits:
        Looks at all values of one batch together: one large feature among small ones may hide. Embedded tokens
        are not judged, nor is what a normalising layer takes first.

    References:
        LeCun et al. 1998, Efficient BackProp.
    """
    layers = [layer for layer in _first_step(case)["layers"][:1] if layer["raw"]]
    if not layers or not isinstance(layers[0]["in_std"], float):
        return None
    std, mean, zeros = (float(layers[0][key]) for key in ("in_std", "in_mean", "in_zeros"))
    small = std < 1 / threshold and abs(mean) < 1 / threshold and zeros < 0.5
    if not small and max(std, abs(mean)) <= threshold:
        return None
    return Fault(
        summary=f"What goes into {layers[0]['name']} has mean {mean:.3g} and standard deviation {std:.3g}.",
        evidence=(
            Evidence(summary="standard deviation of the input", step=1, layer=layers[0]["name"], value=std,
                     limit=1 / threshold if small else threshold, unit=""),
        ),
        step=1,
    )  # fmt: skip


def _initialise(case: Case, fault: Fault) -> Mitigation:
    layer = fault.evidence[0].layer
    return Mitigation(
        text=f"Draw the weights of {layer} from N(0, 2/inputs) before ReLU, N(0, 1/inputs) otherwise, as PyTorch's"
        " own layers do, and those of the last layer smaller.",
        gain="the first steps learn from the data and not from the size of the weights",
        cost="none",
        source="He et al. 2015, Delving Deep into Rectifiers; Glorot and Bengio 2010",
    )


@rule(
    code="OPT019",
    severity=Severity.HIGH,
    live=True,
    needs=("activation.first_step",),
    threshold=10.0,
    unit="× input",
    short_run=True,
    follows_from=("saturated-units",),
    remedies=(_initialise,),
)
def bad_init_scale(case: Case, threshold: float) -> Fault | None:
    """Flags first weights that blow a signal up or let it die.

    What it detects:
        In the first step a layer's output spreads over the examples more than `threshold` times as far as its
        input; or two successive layers before the last less than one `threshold`th each, with nothing between that
        makes up for it; or the first cross-entropy is more than twice that of guessing (ln of the classes) and a nat
        above it.

    Why it matters:
        Steps are spent on undoing the initialisation, activations saturate, and deep networks do not start.

    Example:
        Weights drawn from N(0, 5).

    Known limits:
        Branches that begin at zero on purpose are left out, as are layers without a gradient and the first loss of a
        model with frozen parameters. Contrastive losses with a low temperature begin above the logarithm.

    References:
        Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    """
    seen = _first_step(case)
    layers = [layer for layer in seen["layers"] if trained(case, layer["name"])]
    gains = [(layer["name"], _gain(layer)) for layer in layers]
    loud = [(name, gain) for name, gain in gains if gain > threshold]
    dying = [
        gains[place]
        for place in range(len(gains) - 2)
        if max(gains[place][1], gains[place + 1][1]) < 1 / threshold
        and gains[place][1] * gains[place + 1][1] > 0
        and _smaller(layers[place], layers[place + 1])
    ]
    found = loud or dying
    if found:
        worst = max(found, key=lambda item: abs(math.log(item[1])))
        limit = threshold if loud else 1 / threshold
        return Fault(
            summary=f"At the start {worst[0]} multiplies the spread of its input by {worst[1]:.2g}.",
            evidence=tuple(
                Evidence(summary="spread of output over input", step=1, layer=name, value=gain, limit=limit, unit="")
                for name, gain in found[:NAMED]
            ),
            step=1,
        )
    frozen = (case.number("model.trainable_parameters") or 0) < (case.number("model.parameters") or 0)
    return None if frozen else _guess(seen)  # a model that was trained before may be wrong and sure of it


def _smaller(layer: dict[str, Any], following: dict[str, Any]) -> bool:
    """Return whether what goes into the next layer is smaller: a norm or a sine may have made it large again."""
    given, then = layer["in_spread"], following["in_spread"]
    return not (isinstance(given, float) and isinstance(then, float)) or then < 0.5 * given


def _gain(layer: dict[str, Any]) -> float:
    given, out = layer["in_spread"], layer["out_spread"]
    if not isinstance(given, float) or not isinstance(out, float) or given <= 0:
        return math.nan
    return out / given


def _guess(seen: dict[str, Any]) -> Fault | None:
    classes = seen.get("classes") or {}
    loss, count = classes.get("loss"), classes.get("count", 0)
    if not isinstance(loss, float) or count < 2:
        return None
    guess = math.log(count)
    if loss <= 2 * guess or loss <= guess + 1:
        return None
    last = seen["layers"][-1]["name"] if seen["layers"] else ""
    return Fault(
        summary=f"The first loss is {loss:.2f}; guessing among {count} classes costs {guess:.2f}.",
        evidence=(
            Evidence(summary="first cross-entropy", step=1, layer=last,
                     value=loss, limit=2 * guess, unit="loss"),
        ),
        step=1,
    )  # fmt: skip


def _activate(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text=f"Put a ReLU or GELU after {fault.evidence[0].layer}, or leave one of the two layers out.",
        gain="the second layer adds something to the first",
        cost="none",
        source="Goodfellow, Bengio, Courville 2016, Deep Learning, section 6.1",
    )


@rule(
    code="OPT020",
    severity=Severity.MEDIUM,
    live=True,
    needs=("activation.first_step",),
    threshold=0.0,
    unit="pairs of layers",
    short_run=True,
    remedies=(_activate,),
)
def no_nonlinearity(case: Case, threshold: float) -> Fault | None:
    """Flags linear layers that follow each other with nothing between.

    What it detects:
        In the first step a linear or convolutional layer took the output of another as it was. Bottlenecks, where
        the first is narrower than both what goes in and what comes out, are left out.

    Why it matters:
        Two linear layers in a row are one: the depth is paid for and does nothing.

    Example:
        An activation that was lost in a refactoring.

    Known limits:
        Layers without a gradient are left out. Reshaping between them is seen through; dropout, addition or
        normalisation between them ends a pair.

    References:
        Goodfellow, Bengio, Courville 2016, Deep Learning, section 6.1.
    """
    chains = [pair for pair in _first_step(case)["chains"] if trained(case, *pair)]
    if len(chains) <= threshold:
        return None
    pairs = [f"{first} and {second}" for first, second in chains]
    return Fault(
        summary=f"Nothing lies between {names(pairs)}.",
        evidence=tuple(
            Evidence(summary=f"{second} takes its output as it is", step=1, layer=first, unit="")
            for first, second in chains[:NAMED]
        ),
        step=1,
    )


def _draw(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text=f"Draw the weights of {fault.evidence[0].layer} at random: torch.nn.init.kaiming_normal_(weight).",
        gain="units can learn different things",
        cost="none",
        source="Goodfellow, Bengio, Courville 2016, Deep Learning, section 8.4",
    )


@rule(
    code="OPT021",
    severity=Severity.HIGH,
    live=True,
    needs=("optimizer.facts",),
    threshold=0.999,
    unit="cosine",
    short_run=True,
    remedies=(_draw,),
)
def symmetric_init(case: Case, threshold: float) -> Fault | None:
    """Flags layers whose units all begin with the same weights.

    What it detects:
        All of the first 64 rows of a weight matrix point the same way (cosine above `threshold`) before the first
        step. Matrices of zeros and those with fewer than three rows or columns are left out.

    Why it matters:
        Units with the same weights get the same gradient and stay the same: a wide layer computes one number.

    Example:
        nn.init.constant_(layer.weight, 0.1).

    Known limits:
        Dropout after the layer breaks the tie in time, and this rule fires all the same.

    References:
        Goodfellow, Bengio, Courville 2016, Deep Learning, section 8.4.
    """
    alike = [layer for layer in case.events("optimizer.facts")[0]["alike"] if layer["cosine"] > threshold]
    if not alike:
        return None
    return Fault(
        summary=f"All units of {names([layer['name'] for layer in alike])} begin with the same weights.",
        evidence=tuple(
            Evidence(summary="lowest cosine between rows", step=0, layer=layer["name"], value=layer["cosine"],
                     limit=threshold, unit="cosine")
            for layer in alike[:NAMED]
        ),
        step=0,
    )  # fmt: skip


def _give_to_optimizer(case: Case, fault: Fault) -> Mitigation:
    found = [item.layer for item in fault.evidence if item.layer]
    return Mitigation(
        text=f"Give {names(found)} to the optimizer, look for a detach() or no_grad() on the way to the loss, or set"
        " requires_grad_(False) if they are meant to stay as they are.",
        gain="all parameters that should learn do",
        cost="none",
        source="the optimizer's own parameter groups and gradients",
    )


@rule(
    code="OPT012",
    severity=Severity.HIGH,
    live=True,
    needs=("optimizer.facts",),
    threshold=0.0,
    unit="parameters",
    short_run=True,
    follows_from=("wrong-loss", "no-op-step", "input-ignored"),
    remedies=(_give_to_optimizer,),
)
def parameter_never_updated(case: Case, threshold: float) -> Fault | None:
    """Flags parameters that should learn and never change.

    What it detects:
        Parameters with requires_grad that no optimizer holds; or that no gradient has reached in at least twenty
        sampled steps. A bias is left out where the weights beside it learn: behind a normalising layer or
        in a difference its gradient is zero by right.

    Why it matters:
        Part of the model stays as it was drawn, and nothing says so.

    Example:
        A head that was made after configure_optimizers; or a detach() in the forward pass.

    Known limits:
        Experts that no token was sent to look the same.

    References:
        TrainCheck (Jiang et al. 2025), on silent training errors.
    """
    facts = case.events("optimizer.facts")[0]
    reach = (case.events("gradient.reach") or [{}])[-1]
    unheld = [str(name) for name in facts["unoptimised"]]
    never = [str(name) for name in reach.get("never", ()) if name not in unheld]
    weights = {name.rpartition(".")[0] for name in (*never, *unheld) if not name.endswith("bias")}
    never = [name for name in never if not name.endswith("bias") or name.rpartition(".")[0] in weights]
    if not unheld and not never:
        return None
    told = [f"{names(unheld)}: in no optimizer"] if unheld else []
    told += [f"{names(never)}: no gradient in {reach.get('steps')} sampled steps"] if never else []
    return Fault(
        summary=f"Never updated: {'; '.join(told)}.",
        evidence=tuple(
            Evidence(summary="in no optimizer" if name in unheld else "no gradient", layer=name, unit="")
            for name in (*unheld, *never)[:NAMED]
        ),
        step=0,
    )


def _eval(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Take out the call of train() on the way to validation_step, and pass training=self.training to"
        " functional dropout.",
        gain="validation measures the model that will be used",
        cost="none",
        source="PyTorch documentation, Module.eval",
    )


@rule(
    code="OPT022",
    severity=Severity.MEDIUM,
    live=True,
    needs=("activation.validation",),
    threshold=0.0,
    unit="layers or calls",
    short_run=True,
    remedies=(_eval,),
)
def eval_mode(case: Case, threshold: float) -> Fault | None:
    """Flags validation that is random, because parts of the model were in training mode.

    What it detects:
        Dropout or batch normalisation in training mode at the end of a validation batch; or calls of functional
        dropout that drop out while the whole model is in eval mode.

    Why it matters:
        The validation loss gets worse and noisier than the model is, batch statistics leak from one example to
        another, and checkpoints are chosen by chance.

    Example:
        A forward that calls functional.dropout(x) without training=self.training.

    Known limits:
        Dropout that is meant to be on (Monte Carlo dropout) looks the same. Losses that draw at random by
        themselves, as of a variational autoencoder, are not taken for it.

    References:
        TheDeepChecker (Ben Braiek and Khomh 2023).
    """
    modes = case.events("activation.validation")[-1]
    if modes["count"] > threshold:
        found = [str(name) for name in modes["training"]]
        return Fault(
            summary=f"{modes['count']} of {modes['of']} layers with dropout or batch statistics were in training mode"
            f" during validation: {names(found)}.",
            evidence=tuple(Evidence(summary="in training mode", layer=name, unit="") for name in found[:NAMED]),
        )
    calls = (case.events("overfitting.eval_mode") or [{"count": 0}])[0]
    if calls["count"] <= threshold:
        return None
    return Fault(
        summary=f"In eval mode validation_step still calls {names(list(map(str, calls['calls'])))} as in training.",
        evidence=(Evidence(summary="calls that drop out at random", value=calls["count"], limit=threshold, unit=""),),
    )
