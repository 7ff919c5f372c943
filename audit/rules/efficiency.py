"""What held a training up: data that came too late, workers that were started anew.

Energy spent after the best step is `overtraining`'s: it is not counted a second time here.
"""

from __future__ import annotations

import math

from ..formats import count, percent
from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case
from .declaration import Fault, rule
from .pace import Pace, energy, in_energy, known, of_share, pace

WAIT, WASTED = "efficiency.data_wait_share", "efficiency.wasted_kwh"
STALLS = "Mohan et al. 2021, Analyzing and Mitigating Data Stalls in DNN Training: up to 5 times faster on one server"


def workers_needed(found: Pace) -> tuple[int, float] | None:
    """Return how many workers a rank needs, no more than it has processors for, and the wait that then remains.

    A batch takes a worker `supply` seconds: without workers, the wait itself; with k that training waits for, k times
    the whole batch, because all of them are then busy all the time. n workers bring a batch every `supply / n`
    seconds, and training waits for what that is longer than its own work.

    Returns:
        Workers and the share of the present wait that remains; None where the loader has no such setting, where no
        processor is left for more workers, or where they would not be too few.
    """
    now, spare = found.loading("num_workers"), found.spare_cpus
    if now is None or spare is None or not found.wait_s or found.compute_s <= 0:
        return None
    supply_s = now * found.batch_s if now else found.wait_s
    enough = math.floor(supply_s / found.compute_s) + 1  # strictly more than is asked for
    workers = min(enough, spare)
    if workers <= now:
        return None
    return workers, min(1.0, max(0.0, supply_s / workers - found.compute_s) / found.wait_s)


def _more_workers(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend the workers that this run's own times ask for."""
    found = pace(case)
    needed = workers_needed(found)
    if needed is None:
        return None
    workers, left = needed
    wasted, waited = case.metric(WASTED), fault.evidence[0].value or 0.0
    saved = wasted.value * (1 - left) if wasted is not None and wasted.value is not None else None
    rest = f"; that many leave {percent(left)} of the wait, and there is no processor for more" if left > 0 else ""
    return Mitigation(
        text=f"Load with {count(workers, 'worker')} a rank instead of {found.loading('num_workers')}: a batch waits"
        f" {1000 * (found.wait_s or 0.0):.3g} ms and trains {1000 * found.compute_s:.3g} ms{rest}.",
        settings={"data.num_workers": workers},
        gain=f"up to {in_energy(saved)} and {percent(waited * (1 - left))} of the time, if loading and not"
        " another callback or one slow disk is what was waited for",
        cost="memory for each worker and its copy of the data set" + _on_cpu(found),
        source=STALLS,
    )


def _on_cpu(found: Pace) -> str:
    return "; on a CPU they take processors from the training itself" if found.facts["device"] == "cpu" else ""


def _pin_memory(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend pinned memory where batches go to a GPU from memory that is not."""
    found = pace(case)
    if found.facts["device"] != "cuda" or found.loader.get("pin_memory") is not False:
        return None
    return Mitigation(
        text="Pin the memory of batches: copying them to the GPU is part of the wait.",
        settings={"data.pin_memory": True},
        gain="not promised: it was not measured which part of the wait is copying",
        cost="memory of the host that cannot be swapped out",
        source="PyTorch documentation, torch.utils.data, Memory Pinning",
    )


def _cheaper_batches(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend to do less for each batch where no processor is left for it."""
    found = pace(case)
    needed = workers_needed(found)
    if needed is not None and needed[1] == 0:
        return None
    spare, now = found.spare_cpus, found.loading("num_workers")
    why = (
        f" (processors beside the training: {spare}; workers: {now})" if spare is not None and now is not None else ""
    )
    wasted = case.metric(WASTED)
    return Mitigation(
        text="Make a batch cheaper, because more workers alone do not do it"
        f"{why}: decode and resize once and keep the result, cache what fits into memory, read larger files.",
        gain=f"up to {in_energy(wasted.value if wasted else None)}, the energy of the wait",
        cost="work on the data set once, and disk or memory for what is kept",
        source=STALLS,
    )


@rule(
    code="EFF001",
    severity=Severity.LOW,
    status="preview",
    needs=("efficiency.data_wait_share", "efficiency.facts"),
    threshold=0.1,
    unit="share of the fit",
    follows_from=("stall",),
    remedies=(_more_workers, _pin_memory, _cheaper_batches),
)
def data_bound_input(case: Case, threshold: float) -> Fault | None:
    """Flags runs that waited for their data.

    What it detects:
        More than `threshold` of the fit passed between the end of a batch and the start of the next, first batches
        of epochs, validation, checkpoints and our own measuring apart. The limit is twice the 5 points to which that
        share is known.

    Why it matters:
        The device draws power while it waits, and the run takes longer. The workers that would be enough follow from
        the same times: how long a batch was waited for, and how long it trained.

    Example:
        Images that one process decodes, on a GPU that trains on them in a tenth of the time.

    Known limits:
        The time of other callbacks between two batches counts as waiting, and a data set that computes or downloads
        its examples looks as one that reads them: the rule cannot tell these apart. More workers do not help where
        one disk or one network is the limit. Runs of less than a minute are not judged.

    References:
        Mohan et al. 2021, Analyzing and Mitigating Data Stalls in DNN Training (VLDB).
    """
    waited, found = known(case, WAIT), pace(case)
    if waited <= threshold:
        return None
    wasted = case.metric(WASTED)
    kwh = f", {in_energy(wasted.value)} as if every second took the same" if wasted and wasted.value else ""
    evidence = [of_share("time that training waited for its next batch", waited, threshold)]
    if found.wait_s is not None:
        evidence.append(Evidence(summary="wait for a batch", value=found.wait_s, unit="s"))
        evidence.append(Evidence(summary="training on a batch", value=found.compute_s, unit="s"))
    if wasted is not None and wasted.value is not None:
        evidence.append(Evidence(summary="energy of the wait", value=wasted.value, unit="kWh"))
    return Fault(
        summary=f"Training waited {percent(waited)} of its time for data{kwh}.",
        evidence=tuple(evidence),
        confidence=Confidence.LOW if found.facts["device"] == "cpu" else Confidence.MEDIUM,
    )


def _keep_workers(case: Case, fault: Fault) -> Mitigation:
    found = pace(case)
    training = energy(case, "training")
    saved = training * _again_s(found) / found.seconds["training"] if training is not None else None
    return Mitigation(
        text="Keep the workers between epochs.",
        settings={"data.persistent_workers": True},
        gain=f"up to {in_energy(saved)} and {percent(fault.evidence[0].value or 0.0)} of the time",
        cost="the workers' memory also while validating; what a data set changes in itself no longer reaches them",
        source="PyTorch documentation, torch.utils.data.DataLoader, persistent_workers",
    )


def _again_s(found: Pace) -> float:
    """Return the seconds before the first batches of all epochs but one."""
    return found.startup_s * (found.epochs - 1) / max(1, found.epochs)


@rule(
    code="EFF002",
    severity=Severity.LOW,
    status="preview",
    needs=("efficiency.data_wait_share", "efficiency.facts"),
    threshold=0.1,
    unit="share of the fit",
    remedies=(_keep_workers,),
)
def restarted_workers(case: Case, threshold: float) -> Fault | None:
    """Flags runs whose loader started its workers anew at each epoch, for a good part of the time.

    What it detects:
        The training loader has workers that do not persist, and waiting for the first batch of every epoch but the
        first took more than `threshold` of the fit.

    Why it matters:
        Starting a worker copies the data set and imports its libraries, and nothing trains meanwhile.

    Example:
        Eight workers, a hundred epochs of three seconds each.

    Known limits:
        The first batch of an epoch may be slow for other reasons: a sampler that shuffles a long list, callbacks at
        the epoch's end. The time is that of the mean epoch. Runs of less than a minute are not judged.

    References:
        PyTorch documentation, torch.utils.data.DataLoader.
    """
    found = pace(case)
    again = _again_s(found) / found.fit_s
    if not found.loading("num_workers") or found.loader.get("persistent_workers") is not False or again <= threshold:
        return None
    summary = f"Starting the loader's workers again in {found.epochs - 1:,} epochs took {percent(again)} of the time."
    told = "time before the first batches of epochs, one epoch's apart"
    return Fault(summary=summary, evidence=(of_share(told, again, threshold),), confidence=Confidence.MEDIUM)
