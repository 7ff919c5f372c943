"""What a device could have done and did not: few operations a second, or 32-bit ones where shorter are faster."""

from __future__ import annotations

import math

from ..formats import percent
from ..hardware import device_named, dtype_of
from ..model import Confidence, Evidence, Mitigation, Severity
from .case import Case
from .declaration import Fault, rule
from .pace import AB_STEPS, Pace, ab_cost, energy, in_energy, known, of_share, pace

MFU, HEADROOM = "efficiency.mfu", "efficiency.memory_headroom"
RESERVE = 0.1  # of a device's memory stays free: fragments, and batches longer than the longest so far
MOST = 8  # times the batch in one change: beyond, the optimisation is another one
LONG = ("fp32", "tf32")


def larger_batch(used: float) -> int:
    """Return how many times the batch fits into a device's memory, a power of two up to eight.

    All that is used is taken to grow with the batch. Weights and the optimizer's state do not, so it is fewer
    rather than more.
    """
    times = (1 - RESERVE) / used if used > 0 else 1.0
    return min(MOST, 2 ** int(math.log2(times))) if times >= 2 else 1


def _raise_batch(case: Case, fault: Fault) -> Mitigation | None:
    """Recommend the batch that the measured headroom allows; accumulating less where that keeps the step."""
    found, headroom = pace(case), case.metric(HEADROOM)
    size, accumulated = found.loading("batch_size"), int(found.facts.get("accumulate_grad_batches") or 1)
    if size is None or headroom is None or headroom.value is None:
        return None
    times = larger_batch(1 - headroom.value)
    if times == 1:
        return None
    settings: dict[str, int] = {"data.batch_size": times * size}
    cost = "fewer optimizer steps an epoch: scale the learning rate, and watch the validation loss"
    if accumulated % times == 0:
        settings["trainer.accumulate_grad_batches"] = accumulated // times
        cost = "none to what is learned: each optimizer step sees as many examples as before"
    return Mitigation(
        text=f"Raise the batch from {size} to {times * size}: {percent(headroom.value)} of the fullest device's"
        f" memory was never used, and {percent(RESERVE)} stays free. Try {AB_STEPS} steps of each and compare"
        " examples a second.",
        settings={**settings},
        gain=_not_promised(case),
        cost=f"{cost}; {ab_cost(case)}",
        source="this run's own headroom; You et al. 2023, Zeus: batch size and power limit together save 15.3 to"
        " 75.8 % in recurring jobs; Goyal et al. 2017, Accurate, Large Minibatch SGD",
    )


def _compile(case: Case, fault: Fault) -> Mitigation | None:
    if pace(case).facts.get("compiled") is not False:
        return None
    return Mitigation(
        text=f"Compile the model, torch.compile(model), and compare {AB_STEPS} steps after the first ones with"
        f" {AB_STEPS} as now.",
        gain=_not_promised(case) + "; published: 1.41 times faster training in the mean of 180 models on an A100",
        cost=f"compiling takes minutes, and again for each new shape of a batch; {ab_cost(case)}",
        source="Ansel et al. 2024, PyTorch 2 (ASPLOS)",
    )


def _not_promised(case: Case) -> str:
    return f"not promised: a part of the {in_energy(energy(case, 'training'))} of training, which the trial tells"


@rule(
    code="EFF003",
    severity=Severity.LOW,
    status="preview",
    needs=("efficiency.mfu", "efficiency.facts"),
    threshold=0.2,
    unit="share of the dense peak",
    remedies=(_raise_batch, _compile),
)
def low_mfu(case: Case, threshold: float) -> Fault | None:
    """Flags runs whose device did few of the operations that it could, also while it did not wait for data.

    What it detects:
        Model FLOP utilisation, against the dense peak of the type of number that was used, lies below `threshold`
        when the time of waiting for data is left out of it. The lowest that the large language models of
        Chowdhery's table reached is 0.21.

    Why it matters:
        A device that is busy with anything else than products of matrices draws nearly as much power.

    Example:
        A small transformer on batches of four, on a GPU whose memory is nearly empty.

    Known limits:
        Models of small layers, few channels or long recurrences cannot come near the peak on any device; a smaller
        device is the remedy there. Operations that are computed once more (checkpointed activations) do not count.
        What a batch of other size or a compiled model gains is for a trial to say. Unknown on a CPU, on devices whose
        peak is not known, and for runs of less than a minute.

    References:
        Chowdhery et al. 2022, PaLM (arXiv:2204.02311), table 3 and appendix B.
    """
    mfu, found = known(case, MFU), pace(case)
    working = found.compute_s / found.batch_s if found.batch_s > 0 else 0.0
    if working <= 0 or mfu / working >= threshold:
        return None
    reached = mfu / working
    return Fault(
        summary=f"The device did {percent(reached)} of the operations that it could while it did not wait for data.",
        evidence=(
            of_share("model FLOP utilisation without waiting", reached, threshold),
            of_share("model FLOP utilisation", mfu),
        ),
        confidence=Confidence.MEDIUM,
    )


def long_share(found: Pace) -> float:
    """Return the share of operations in 32-bit numbers, as they were counted, else as the precision says."""
    total = sum(found.flop.values())
    if total > 0:
        return sum(found.flop.get(word, 0.0) for word in LONG) / total
    return float(dtype_of(found.facts["precision"], tf32=found.facts["tf32"]) in LONG)


def shorter(found: Pace) -> tuple[str, float] | None:
    """Return the 16-bit type in which the device multiplies faster, and how many times; None where there is none."""
    device = device_named(found.facts["device_name"]) if found.facts["device"] == "cuda" else None
    if device is None:
        return None
    used = "tf32" if found.facts["tf32"] and "tf32" in device.peaks else "fp32"
    best = next(
        (word for word in ("bf16", "fp16") if device.peaks.get(word, 0.0) > device.peaks.get(used, 0.0)), None
    )
    return (best, device.peaks[best] / device.peaks[used]) if best and used in device.peaks else None


def _try_sixteen_bits(case: Case, fault: Fault) -> Mitigation | None:
    found = shorter(pace(case))
    if found is None:
        return None
    return Mitigation(
        text=f"Train {AB_STEPS} steps in {found[0]}-mixed and {AB_STEPS} as now, from the same seed, and compare"
        " examples a second and losses.",
        settings={"trainer.precision": "bf16-mixed" if found[0] == "bf16" else "16-mixed"},
        gain="not promised: the peak is higher, but how much of the run's time are products of matrices is for the"
        " trial to say",
        cost=f"{ab_cost(case)}; shorter numbers may change the loss"
        + ("" if found[0] == "bf16" else ", and need a gradient scaler"),
        source="Micikevicius et al. 2018, Mixed Precision Training; Kalamkar et al. 2019, A Study of BFLOAT16",
    )


def _allow_tf32(case: Case, fault: Fault) -> Mitigation | None:
    facts = pace(case).facts
    device = device_named(facts["device_name"])
    if facts["tf32"] or device is None or "tf32" not in device.peaks:
        return None
    return Mitigation(
        text='Or allow TF32, torch.set_float32_matmul_precision("high"), and compare in the same way.',
        gain="not promised; weights and activations stay 32-bit",
        cost=f"{ab_cost(case)}; products are rounded to 10 bits",
        source="PyTorch documentation, CUDA semantics, TensorFloat-32",
    )


@rule(
    code="EFF004",
    severity=Severity.INFO,
    status="preview",
    needs=("efficiency.facts",),
    threshold=0.5,
    unit="share of the operations",
    remedies=(_try_sixteen_bits, _allow_tf32),
)
def long_floats(case: Case, threshold: float) -> Fault | None:
    """Flags runs that multiplied 32-bit numbers on a GPU that multiplies 16-bit ones faster.

    What it detects:
        More than `threshold` of the counted operations were in fp32 or TF32 (where none could be counted, the
        trainer's precision says so), and the data sheet of the GPU names a higher dense peak in bf16 or fp16.

    Why it matters:
        The units that are built for products of matrices stand idle, or work at half of their rate.

    Example:
        Trainer() with its default precision on an H100.

    Known limits:
        What it would gain is not known: a small model spends its time elsewhere. Some models need 32 bits. Silent
        on a CPU and on GPUs that are not in the table; runs of less than a minute are not judged.

    References:
        Micikevicius et al. 2018, Mixed Precision Training (arXiv:1710.03740).
    """
    found = pace(case)
    faster, long = shorter(found), long_share(found)
    if faster is None or long <= threshold:
        return None
    word, times = faster
    name = found.facts["device_name"]
    return Fault(
        summary=f"{percent(long)} of the operations were in 32-bit numbers, on a device whose peak in {word} is"
        f" {times:.3g} times as high.",
        evidence=(
            of_share("operations in fp32 or TF32", long, threshold),
            Evidence(summary=f"dense peak of {name} in {word}, by that in use", value=times),
        ),
    )
