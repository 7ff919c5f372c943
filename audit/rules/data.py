"""Faults of what goes into the model: features that say nothing, inputs that are not used, examples made twice."""

from __future__ import annotations

import math
from typing import Any

from ..formats import percent
from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case, sampled_columns
from .declaration import CannotTellError, Fault, rule
from .evidence import NAMED, medians

ALL_NAN = 0.99  # share of NaN from which a column holds nothing
VARIES = 0.1  # share of other values from which a column does vary
FEWEST_VAL = 50  # validation examples from which a column that does not vary there says something
CHANCE = 1e-6  # of any column being constant on one side by itself
CROWDED = 0.25  # share of the other columns with one frequent value, from which a table is not dense
ROUND = 8  # widths that are padded to, are divided by it

SAME = 1e-5  # relative difference of two losses that only rounding makes
DEAD, VANISHED = 0.999, 1e-3  # share of a layer's units; gradient of the first layer over the last one's
TRAINED = 100  # steps after which a model has begun to use its inputs

WORKERS = 2
EXAMPLES = 64  # of the first epoch
FEWER = 0.25  # of the repeats across workers, that chance would make within one


def _columns(found: list[dict[str, Any]]) -> str:
    told = ", ".join(str(entry["column"]) for entry in found[:NAMED])
    return told + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _mend_columns(case: Case, fault: Fault) -> Mitigation:
    features = case.events("inputs.features")[-1]
    found = _odd(features)[1]
    what = "channels" if features["of"] == "channels" else "columns"
    example = found[0]["column"] if found else 0
    return Mitigation(
        text=f"Follow {what} {_columns(found)} from the file to the batch: a join that found nothing, a unit that"
        " became NaN and was filled, a mask that was left on, an index off by one, or a preparation that one"
        f" of training and validation lacks. assert x[:, {example}].std() > 0 where batches are made keeps it mended;"
        " leave out what has no values at all.",
        gain="the model sees what it is meant to",
        cost="none",
        source="Breck et al. 2019, Data Validation for Machine Learning",
    )


@rule(
    code="DAT001",
    severity=Severity.MEDIUM,
    needs=("inputs.features",),
    threshold=512.0,
    unit="examples",
    remedies=(_mend_columns,),
)
def constant_features(case: Case, threshold: float) -> Fault | None:
    """Flags input features that hold nothing, or nothing in training although they vary in validation.

    What it detects:
        Over at least `threshold` sampled training examples, features of a table, or channels of images, that are NaN;
        that are constant in training but not in validation, or constant at zero in validation but not in training,
        where chance would do that less than once in a million runs; or that are constant on both sides in a table
        whose other features are dense: none of them has one value in nine of ten rows, and few in half of them.

    Why it matters:
        What was zeroed or filled by mistake teaches nothing. If it comes back in validation or in use, weights that
        were never trained meet it.

    Example:
        A column that a join did not find and that was filled with zeros.

    Known limits:
        Sparse tables and flat images have constant columns by right, so there only a difference between training and
        validation counts. A single column of ones is taken for an intercept, zeros that fill up a width to a
        multiple of eight for padding, the fourth channel for opacity. Of sequences only differences between both
        sides count. Integers are not judged.

    References:
        Breck et al. 2019, Data Validation for Machine Learning; Amazon SageMaker Debugger, rule TensorVariance.
    """
    features = case.events("inputs.features")[-1]
    examples = features["examples"]["train"]
    if examples < threshold:
        raise CannotTellError(f"{examples} of {threshold:.0f} training examples were looked at")
    how, found, sure = _odd(features)
    if not found:
        return None
    what = "channel" if features["of"] == "channels" else "feature"
    many = f"{len(found)} of {features['columns']} input {what}s ({_columns(found)})"
    return Fault(
        summary=f"{many} {'is' if len(found) == 1 else 'are'} {how}.",
        evidence=tuple(
            Evidence(summary=f"{what} {entry['column']}: {_told(entry)}", value=entry["train"]["usual"],
                     limit=1.0, unit="share of one value")
            for entry in found[:NAMED]
        ),
        confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
        step=0,
    )  # fmt: skip


def _told(entry: dict[str, Any]) -> str:
    return "; ".join(
        f"{name} {entry[side]['value']:.3g} in {percent(entry[side]['usual'])}, NaN in {percent(entry[side]['nan'])}"
        if _is_number(entry[side]["value"])
        else f"{name} NaN in {percent(entry[side]['nan'])}"
        for side, name in (("train", "training"), ("val", "validation"))
        if side in entry
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)


def _odd(features: dict[str, Any]) -> tuple[str, list[dict[str, Any]], bool]:
    """Return in words what is odd, the columns that are, and whether that is sure."""
    odd = features["odd"]
    nan = [entry for entry in odd if any(entry[side]["nan"] >= ALL_NAN for side in ("train", "val") if side in entry)]
    if nan:
        return "NaN", nan, True
    both = [entry for entry in odd if "val" in entry and features["examples"]["val"] >= FEWEST_VAL]
    lost = [entry for entry in both if _only(features, entry, "train", "val")]
    if lost:
        return "constant in training and not in validation", lost, True
    gone = [e for e in both if _only(features, e, "val", "train") and e["val"]["value"] == 0]
    if gone:
        return "zero in validation and not in training", gone, False
    constant = [entry for entry in odd if all(entry[s]["usual"] == 1 for s in ("train", "val") if s in entry)]
    return "constant", [] if _by_right(features, constant) else constant, False


def _only(features: dict[str, Any], entry: dict[str, Any], side: str, other: str) -> bool:
    """Return whether a column is constant on one side and would not be if it were as on the other side."""
    varying = entry[other]["usual"]
    by_chance = features["columns"] * varying ** features["examples"][side]
    return bool(entry[side]["usual"] == 1 and varying <= 1 - VARIES and by_chance < CHANCE)


def _by_right(features: dict[str, Any], constant: list[dict[str, Any]]) -> bool:
    """Return whether columns may be constant on both sides: the table is sparse, or they are padding."""
    width, values = features["columns"], [entry["train"]["value"] for entry in constant]
    places = [entry["column"] for entry in constant]
    if features["of"] == "sequence" or features["odd_count"] > len(features["odd"]) or not constant:
        return True
    if features["of"] == "channels":
        return width == len(constant) or places == [3]
    others = max(1, width - features["odd_count"])
    half, most = features["frequent"]
    padding = width % ROUND == 0 and set(values) == {0} and places == list(range(places[0], width))
    return bool(most or half > CROWDED * others or padding or values == [1])


def _trace_input(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Follow the batch's inputs through forward(): a variable of another name, noise or a mask that"
        " multiplies them by zero, a constant in their place, attention to padding only, features selected by an"
        " empty index. torch.autograd.grad(loss, inputs) is zero from the place on at which they get lost.",
        gain="the model learns from its inputs and not only how frequent each target is",
        cost="none",
        source="Karpathy 2019, A Recipe for Training Neural Networks: the input-independent baseline",
    )


@rule(
    code="DAT004",
    severity=Severity.HIGH,
    needs=("inputs.exchanged_loss", "train.loss"),
    threshold=1.0,
    unit="% of the loss",
    follows_from=("non-finite", "constant-features", "unscaled-input", "dead-units", "saturated-units",
                  "over-regularised", "updates-too-small", "stagnant-loss", "skipped-steps", "divergence",
                  "exploding-gradient", "scheduler-mistake", "clip-saturation", "vanishing-gradient"),
    remedies=(_trace_input,),
)  # fmt: skip
def input_ignored(case: Case, threshold: float) -> Fault | None:
    """Flags models whose loss is the same with the inputs of other examples.

    What it detects:
        After at least 100 steps the loss of validation batches, in eval mode and with the same random numbers, does
        not change by more than rounding when each example gets the inputs of another one and keeps its target,
        though it does change when all get the same target. Where it changes, but each time by less than
        `threshold` per cent, the finding is a low one.

    Why it matters:
        Such a model answers the same whatever it is asked. Its loss falls all the same, until it knows how frequent
        each target is, and looks like that of a hard task.

    Example:
        A forward() that uses a variable of the wrong name; a mask that is all zero.

    Known limits:
        Language models are not judged: early on they know no more than how frequent tokens are. Losses without
        targets are not either, nor batches that do not tell inputs from targets. A task on which there is next to
        nothing to learn shows the low finding.

    References:
        Karpathy 2019, A Recipe for Training Neural Networks.
    """
    found = [case.series(f"inputs.{name}") for name in ("loss", "exchanged_loss", "one_target_loss")]
    late = found[0].step >= min(TRAINED, case.steps)
    right, other, one = (series.value[late] for series in found)
    if not right.size or not all(map(math.isfinite, (right[-1], other[-1]))):
        raise CannotTellError(f"no validation after step {TRAINED} showed what the inputs matter")
    size = abs(right)
    changes = abs(other - right) / size.clip(1e-12)
    targets = abs(one - right) / size.clip(1e-12)
    if not (changes <= threshold / 100).all() or not (targets > SAME).all():
        return None
    sure = bool((changes <= SAME).all())
    if not sure and right.size < 2:
        return None
    step = int(found[0].step[late][-1])
    begun = step if not sure or _lost_inside(case) else None
    told = "exactly the same" if sure else f"within {100 * float(changes.max()):.2g} % the same"
    return Fault(
        summary=f"The validation loss is {told} when every example gets the inputs of another one.",
        evidence=(
            Evidence(summary="change of the loss with others' inputs", step=step, series="inputs.exchanged_loss",
                     value=100 * float(changes[-1]), limit=threshold, unit="%"),
            Evidence(summary="change of the loss with one target for all", step=step,
                     series="inputs.one_target_loss", value=100 * float(targets[-1]), limit=100 * SAME, unit="%"),
        ),
        confidence=Confidence.HIGH if sure else Confidence.LOW,
        severity=None if sure else Severity.LOW,
        step=begun,
    )  # fmt: skip


def _lost_inside(case: Case) -> bool:
    """Return whether inputs that reach the first layer get lost on the way: in dead units, or where gradients do."""
    first = [layer for event in case.events("activation.first_step")[:1] for layer in event["layers"][:1]]
    if first and first[0]["in_std"] == 0:
        return False
    dead = sampled_columns(case, "activation.dead_share").values()
    norms = list(medians(case, "gradient.layer_norm").values())
    return any(series.value[-1] >= DEAD for series in dead) or bool(norms and norms[0] < VANISHED * norms[-1])


def _seed_workers(case: Case, fault: Fault) -> Mitigation:
    facts = case.events("inputs.workers")[-1]
    if not facts["generators"]:
        return Mitigation(
            text="Let each worker take its part of the stream: in __iter__, info = get_worker_info() and"
            " itertools.islice(examples, info.id, None, info.num_workers); and shuffle with a seed of the epoch.",
            gain=f"an epoch brings each example once and not {facts['workers']} times",
            cost="none",
            source="PyTorch documentation, torch.utils.data.IterableDataset",
        )
    name = facts["generators"][0]
    return Mitigation(
        text=f"Seed {name} in each worker: worker_init_fn=lambda _: reseed(get_worker_info().dataset,"
        " torch.initial_seed()), or make the generator on first use in the worker, from torch.initial_seed(); that"
        " differs between workers and epochs. Lightning's seed_everything(workers=True) does not reach it.",
        gain="as many different augmentations as examples",
        cost="none",
        source="PyTorch documentation, Randomness in multi-process data loading",
    )


def _no_workers(case: Case, fault: Fault) -> Mitigation:
    return Mitigation(
        text="Until then, load without workers: num_workers=0.",
        settings={"data.num_workers": 0},
        gain="one process draws, one after the other",
        cost="training waits for its batches where they take long to make",
        source="PyTorch documentation, Single- and multi-process data loading",
    )


@rule(
    code="DAT005",
    severity=Severity.MEDIUM,
    needs=("inputs.examples", "inputs.workers"),
    threshold=20.0,
    unit="% of the examples",
    remedies=(_seed_workers, _no_workers),
)
def duplicate_augmentation(case: Case, threshold: float) -> Fault | None:
    """Flags loaders whose workers all make the same examples, or draw the same augmentations.

    What it detects:
        With at least two workers: more than `threshold` per cent of the examples of the first epoch had come before
        from another worker, hardly any from the same one, and the loader reads a stream or its dataset draws
        from a generator of its own. Or the dataset, or a transform in it, carries such a generator, its code draws
        from it when it makes an example, and nothing gives each worker numbers of its own: no worker_init_fn, no
        get_worker_info(), no seed in that code; and in the main process the generator is still in its first state.

    Why it matters:
        Every worker gets the same copy. The training sees each draw once a worker, and, where workers start anew,
        again in each epoch: augmentation that was paid for and is not there.

    Example:
        self.rng = numpy.random.default_rng(0) in a dataset, with num_workers=4.

    Known limits:
        Reads attributes and the names in code, and calls none of it: a generator that is passed around under other
        names is not seen, nor are random numbers that were drawn beforehand. Lightning's
        seed_everything(workers=True) and PyTorch itself seed only global random numbers, which are right without it.

    References:
        PyTorch documentation, Randomness in multi-process data loading; Pärnamaa 2021, Using PyTorch + NumPy? You're
        making a mistake.
    """
    seen, facts = case.events("inputs.examples")[-1], case.events("inputs.workers")[-1]
    workers, count = int(facts["workers"]), int(seen["train"])
    if workers < WORKERS:
        return None
    carries = [str(name) for name in facts["generators"]]
    across, within = int(seen["across_workers"]), int(seen["within_workers"])
    share = 100 * across / max(1, count)
    # By chance a repeat comes from the same worker once for every workers − 1 that come from others.
    repeated = share > threshold and within < FEWER * across / (workers - 1) and count >= EXAMPLES
    repeated &= (bool(facts["stream"]) or bool(carries)) and not facts["repeats_by_right"]
    if not repeated and not carries:
        return None
    told = []
    if repeated:
        told.append(f"{share:.0f} % of the examples of an epoch came before from another of {workers} workers")
    if carries:
        told.append(f"each of {workers} workers draws the same numbers from its copy of {', '.join(carries[:NAMED])}")
    evidence = [
        Evidence(summary="examples that came before from another worker", value=share, limit=threshold, unit="%")
    ]
    evidence += [
        Evidence(summary=f"{name} is not seeded in workers", layer=name, unit="") for name in carries[:NAMED]
    ]
    summary = "; ".join(told)
    return Fault(
        summary=f"{summary[0].upper()}{summary[1:]}.",
        evidence=tuple(evidence if repeated else evidence[1:]),
        confidence=Confidence.HIGH if repeated else Confidence.MEDIUM,
        step=0,
    )
