"""Faults of what the model makes of its examples: batch norm that disagrees with itself, outputs all alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case
from .declaration import CannotTellError, Fault, rule

FIRST = 5  # steps that say where the training loss began
FELT = 0.02  # of where the training loss began, that eval mode must be worse by
FEW = 8  # examples of a batch, whose statistics are poor
ENOUGH = 32
SLOW, FAST = 0.01, 0.9  # momentum: running statistics of more than a hundred batches, or of one
USUAL = 0.1  # momentum
MOMENTA = ("norm_momentum", "batch_norm_momentum", "bn_momentum")
EXAMPLES = 32  # that differ
LEARNED = 100  # steps
WIDE = 32  # features of an output, of which a few directions are few
FEW_DIRECTIONS = 0.05  # of them
LOST = 4  # times as many directions in what is to be predicted


def _probes(case: Case, part: str) -> list[dict[str, Any]]:
    """Return the last probe of each step that has a part."""
    found = {int(event["step"]): event for event in case.events("representation") if event.get(part)}
    return [found[step] for step in sorted(found)]


def _slowest(fault: Fault, case: Case) -> dict[str, Any]:
    """Return the batch norm whose running mean is furthest from its batches'."""
    norms: list[dict[str, Any]] = _probes(case, "batch_norm")[-1]["batch_norm"]["norms"]
    return norms[0] if norms else {"name": "the batch norm", "momentum": None, "drift": 0.0}


def _usual_momentum(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend the usual momentum where running statistics follow too slowly or forget at once."""
    norm = _slowest(fault, case)
    momentum = norm["momentum"]
    if momentum is None or SLOW <= momentum < FAST:
        return None
    key = next((key for key in MOMENTA if isinstance(case.setting(f"model.{key}"), int | float)), "")
    batches = "never move" if not momentum else f"are those of the last {max(1, round(1 / momentum)):,} batches"
    return Mitigation(
        text=f"Set the momentum of {norm['name']} and its like from {momentum:g} to {USUAL}: now the running"
        f" statistics {batches}.",
        settings={f"model.{key}": USUAL} if key else {},
        gain="the running statistics become those of the weights that are validated",
        cost="none",
        source="Ioffe and Szegedy 2015, Batch Normalization",
    )


def _larger_batches(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend batches whose statistics tell something."""
    size = int(_probes(case, "batch_norm")[-1]["batch_norm"]["batch_size"])
    if size > FEW:
        return None
    return Mitigation(
        text=f"Train on {ENOUGH} examples at a time instead of {size}, or replace batch norm by nn.GroupNorm, which"
        " needs no batch.",
        settings={"data.batch_size": ENOUGH},
        gain="the statistics that the model is trained with come close to those that it is used with",
        cost=f"{ENOUGH // max(1, size)} times the memory of activations",
        source="Wu and He 2018, Group Normalization",
    )


def _another_norm(case: Case, fault: Fault) -> Mitigation:
    """Recommend to look at the worst module, or to do without running statistics."""
    norm = _slowest(fault, case)
    return Mitigation(
        text=f"Look at {norm['name']}, whose running mean is {norm['drift']:.1f} standard deviations from that of its"
        " batches: is it updated (called in training mode, not frozen), and are its inputs in training those of"
        " validation? Else estimate the statistics anew before validation (torch.optim.swa_utils.update_bn), or use"
        " nn.GroupNorm.",
        gain="validation and use see the model that was trained",
        cost="a pass over some training batches",
        source='Wu and Johnson 2021, Rethinking "Batch" in BatchNorm',
    )


@rule(
    code="OPT030",
    severity=Severity.MEDIUM,
    needs=("representation",),
    threshold=25.0,
    unit="% of the loss in training mode",
    follows_from=(
        "non-finite",
        "divergence",
        "input-ignored",
        "parameter-never-updated",
        "dead-units",
        "oscillation",
    ),
    remedies=(_usual_momentum, _larger_batches, _another_norm),
)
def batch_norm_mismatch(case: Case, threshold: float) -> Fault | None:
    """Flags batch norms whose running statistics make a worse model than the batches' own.

    What it detects:
        The loss on the same training batches and the same weights is more than `threshold` per cent higher in eval
        mode than with the batch norms, and nothing else, in training mode: at the last look and at half of those in
        the second half of the run. The difference is more than 2 % of the training loss of the first five steps, and
        the running mean of at least one batch norm is off.

    Why it matters:
        The model that is trained is not the one that is validated and used.

    Example:
        A momentum of 1e-4 in a run of a few hundred steps, or statistics that stay frozen.

    Known limits:
        Without a validation loop nothing is asked, and self-supervised losses are not judged. Dropout explains
        nothing here: it is off in both. Batch norms that synchronise ranks, and models on several ranks, are not
        looked at.

    References:
        Ioffe and Szegedy 2015, Batch Normalization; Wu and Johnson 2021, Rethinking "Batch" in BatchNorm.
    """
    first = case.series("train.loss").value[:FIRST]
    start = float(first.mean()) if first.size else math.nan
    probes = _probes(case, "batch_norm")
    if not probes:
        return None  # no batch norm
    if not probes[-1].get("supervised", True):
        raise CannotTellError("nothing is predicted: the loss may compare the examples of a batch, as statistics do")
    found = [(int(e["step"]), e["batch_norm"]["eval_loss"], e["batch_norm"]["train_loss"]) for e in probes]
    if any(value is None for _, *both in found for value in both):
        raise CannotTellError("the loss of a mode is not finite")
    if not math.isfinite(start) or start <= 0 or found[-1][2] <= 0:
        raise CannotTellError("losses that are not positive have no ratio")
    worse = [(e / max(t, 1e-9) - 1) * 100 > threshold and e - t > FELT * start for _, e, t in found]
    if not worse[-1] or np.mean(worse[len(worse) // 2 :]) < 0.5:
        return None
    step, evaluated, trained = found[-1]
    norm = _slowest(Fault(summary="", evidence=()), case)
    return Fault(
        summary=f"On the same training batches the loss is {evaluated:.3g} in eval mode and {trained:.3g} with batch"
        f" norm in training mode: the running statistics of {norm['name']} are not those of its batches.",
        evidence=(
            Evidence(summary="eval mode above training mode", step=step, series="representation",
                     value=min(100 * (evaluated / trained - 1), 1e6), limit=threshold, unit="%"),
            Evidence(summary=f"running mean of {norm['name']} off its batches' by", step=step,
                     series="representation", value=float(norm["drift"]), unit="standard deviations"),
        ),
        confidence=Confidence.HIGH if probes[-1]["batch_norm"]["examples"] >= 2 * EXAMPLES else Confidence.MEDIUM,
        step=found[worse.index(True)][0],
    )  # fmt: skip


def _keep_apart(case: Case, fault: Fault) -> Mitigation:
    """Recommend what keeps examples apart, by the kind of objective."""
    last = _probes(case, "output")[-1]
    text = (
        "Give the objective something that keeps examples apart: negatives (InfoNCE), a stop-gradient and a predictor"
        " on one branch (SimSiam, BYOL), or terms for variance and covariance (VICReg, Barlow Twins)."
        if not last["supervised"]
        else f"Take away what pulls the input of {last['layer']} together: lower the weight of the penalty on the"
        " code (the KL term of a VAE: raise it slowly from 0), and look for a branch whose output is constant."
    )
    return Mitigation(
        text=text,
        gain="different examples get different representations",
        cost="none at the same batch size",
        source="Jing et al. 2022, Understanding Dimensional Collapse in Contrastive Self-Supervised Learning; Bardes"
        " et al. 2022, VICReg; Bowman et al. 2016, Generating Sentences from a Continuous Space",
    )


def _less_decay(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend less weight decay where there is much."""
    decay = case.number("optimizer.weight_decay")
    if decay is None or decay < 0.5:
        return None
    return Mitigation(
        text=f"Lower the weight decay from {decay:g} to 0.01: it pulls all weights to zero.",
        settings={"optimizer.weight_decay": 0.01},
        gain="weights that tell examples apart survive",
        cost="none",
        source="Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization",
    )


@rule(
    code="OPT029",
    severity=Severity.HIGH,
    needs=("representation",),
    threshold=5.0,
    unit="% of the length of an output",
    follows_from=(
        "non-finite",
        "stagnant-loss",
        "symmetric-init",
        "bad-init-scale",
        "parameter-never-updated",
        "over-regularised",
        "saturated-units",
        "dead-units",
        "vanishing-gradient",
        "updates-too-small",
        "updates-too-large",
        "exploding-gradient",
        "logit-growth",
        "divergence",
        "batch-norm-mismatch",
    ),
    remedies=(_less_decay, _keep_apart),
)
def representation_collapse(case: Case, threshold: float) -> Fault | None:
    """Flags models that give almost the same output for different examples.

    What it detects:
        Over at least 32 rows, at the last look in eval mode, the outputs of the last weighted layer, scaled to a
        length of 1, are within `threshold` per cent of their mean, and within half of what numbers that are to be
        predicted are, while the inputs differ; a single output is compared as it is, and not at all where it predicts
        a number. Or at least 32 outputs use fewer than 5 % of their directions (the effective rank is the exponential
        of the entropy of the normalised singular values), where numbers that are to be predicted use more than four
        times as many and are twice as far apart, or where nothing is to be predicted and what goes into the layer
        uses less than two.

    Why it matters:
        A loss without anything that keeps examples apart falls to zero while the model forgets its input.

    Example:
        Two views of an image that are pulled together with no negatives.

    Known limits:
        Not judged before step 100. Few directions alone are no fault: two classes need one, a narrow code few, and a
        well-trained classifier ends with one fewer than it has classes (neural collapse). So the directions of a
        classifier are not counted. Outputs for each place of an image are not judged. Where several optimizers play
        against each other, as in a GAN, nobody can tell.

    References:
        Roy and Vetterli 2007, The effective rank; Jing et al. 2022, Understanding Dimensional Collapse in Contrastive
        Self-Supervised Learning; Papyan et al. 2020, Prevalence of neural collapse.
    """
    case.one_loss()  # a critic that answers all alike may have met its match
    probes = _probes(case, "output")
    if not probes:
        return None
    last = probes[-1]
    output, hidden = last["output"], last["hidden"]
    if last.get("dense"):
        raise CannotTellError("the last layer says something of each place of an image: their mean says little")
    if last["supervised"] and output["dimension"] == 1:
        return None  # a prediction: where nothing was learned they are alike
    if case.steps < LEARNED:
        raise CannotTellError(f"{case.steps} of {LEARNED} steps: a model that has learned nothing answers all alike")
    if min(output["rows"], last["distinct"]) < EXAMPLES:
        raise CannotTellError(f"{last['distinct']} different examples, it takes {EXAMPLES}")
    apart = [100 * _apart(event["output"]) for event in probes]
    collapsed = [
        value < min(threshold, _wanted(event)) or _few(event) for value, event in zip(apart, probes, strict=True)
    ]
    if not collapsed[-1]:
        return None
    begun = next(place for place in range(len(apart)) if all(collapsed[place:]))
    rank = output["effective_rank"]
    return Fault(
        summary=f"{last['layer']} gives almost the same output for {last['distinct']} different examples: they lie"
        f" within {apart[-1]:.2g} % of their mean and use {rank:.1f} of {output['dimension']} directions.",
        evidence=(
            Evidence(summary=f"outputs of {last['layer']} from their mean", step=int(last["step"]),
                     series="representation", value=apart[-1], limit=threshold, unit="%"),
            Evidence(summary=f"effective rank of the outputs, of {output['dimension']}", step=int(last["step"]),
                     series="representation", value=float(rank), unit=""),
            Evidence(summary=f"effective rank of what goes into it, of {hidden['dimension']}", step=int(last["step"]),
                     series="representation", value=float(hidden["effective_rank"]), unit=""),
        ),
        confidence=Confidence.HIGH,
        step=int(probes[begun]["step"]),
    )  # fmt: skip


def _wanted(event: dict[str, Any]) -> float:
    """Return half of how far apart numbers to be predicted are themselves, in per cent; infinite without any."""
    turn = event.get("target_turn")
    return math.inf if turn is None else 50 * float(turn)


def _few(event: dict[str, Any]) -> bool:
    """Return whether wide outputs use next to one direction, where more are wanted."""
    rank, dimension = event["output"]["effective_rank"], event["output"]["dimension"]
    if dimension < WIDE or rank >= FEW_DIRECTIONS * dimension:
        return False
    if event.get("target_rank") is not None:  # around the mean of all there is little to see yet, and no collapse
        return bool(event["target_rank"] > LOST * rank) and 100 * _apart(event["output"]) < _wanted(event)
    # Labels may need no more directions; without any, what goes in must have lost its own as well.
    return not event["supervised"] and event["hidden"]["effective_rank"] < 2


def _apart(output: dict[str, Any]) -> float:
    """Return how far outputs are from their mean: of directions, or of a single number itself."""
    return float(output["turn"] if output["dimension"] > 1 else output["spread"])
