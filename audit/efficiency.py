"""How fast a training went and what held it up, from the totals that each attempt and rank wrote as it went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from . import registry
from .efficiency_totals import Event, Source, Totals, UnknownError
from .efficiency_work import Work, peak_of, work_of
from .formats import percent
from .model import Metric, Quality

SAMPLES, TOKENS = "efficiency.samples_per_s", "efficiency.tokens_per_s"
FLOP, MFU = "efficiency.training_flop", "efficiency.mfu"
WAIT, VALIDATION = "efficiency.data_wait_share", "efficiency.validation_share"
CHECKPOINT, WASTED = "efficiency.checkpoint_share", "efficiency.wasted_kwh"
MEMORY, HEADROOM = "efficiency.peak_memory", "efficiency.memory_headroom"
ACTIVE = "efficiency.gpu_utilisation"
NAMES = (SAMPLES, TOKENS, FLOP, MFU, WAIT, VALIDATION, CHECKPOINT, MEMORY, HEADROOM, ACTIVE, WASTED)

STARTUP = {"part": "startup"}
ENERGY = "carbon.energy_kwh"


def measure(record: Source, ledger: Iterable[Metric] = ()) -> Iterator[Metric]:
    """Yield the metrics of a run's efficiency; nothing where its monitor has written no totals.

    Args:
        record: The run.
        ledger: Metrics of the energy ledger; the energy of the training phase prices what was waited for.
    """
    totals = Totals.of(record)
    if totals is None or totals.fit_s <= 0:
        return
    work = work_of(totals)
    yield _rate(SAMPLES, totals, "samples", "no_samples", "examples of all ranks")
    yield _rate(TOKENS, totals, "tokens", "no_tokens", f"tokens of all ranks, {_how(totals)}")
    yield _operations(work)
    yield _utilisation(totals, work)
    yield from _shares(totals)
    yield from _memory(totals)
    yield _activity(totals)
    yield _wasted(totals, list(ledger))


def _rate(name: str, totals: Totals, counted: str, reason: str, what: str) -> Metric:
    over = f"over {totals.fit_s:,.1f} s of the fit, validation and checkpoints included"
    method = f"{what}, {over}{totals.attempts_in_words()}"
    try:
        return _metric(name, totals.sum(counted, reason) / totals.fit_s, method=method)
    except UnknownError as error:
        return _unknown(name, str(error), method=what)


def _how(totals: Totals) -> str:
    return "; ".join(dict.fromkeys(event["tokens_method"] for event in totals.events if event["tokens_method"]))


def _operations(work: Work | str) -> Metric:
    if isinstance(work, str):
        return _unknown(FLOP, work)
    return _metric(FLOP, sum(work.flop.values()), method=work.method, quality=work.quality, n=work.counted)


def _utilisation(totals: Totals, work: Work | str) -> Metric:
    """Return the seconds that the work takes at the peak over those that training took, device by device.

    With one type of number this is MFU as Chowdhery et al. 2022 define it (PaLM, arXiv:2204.02311, appendix B).
    """
    if isinstance(work, str):
        return _unknown(MFU, work)
    setups = {(f["device"], f["device_name"], f["devices"], f["peak_flop_per_s"]) for f in _facts(totals)}
    if len(setups) > 1:
        return _unknown(MFU, "the attempts ran on different devices")
    device, name, devices, declared = setups.pop()
    try:
        peaks = {word: peak_of(device, name, word, declared) for word, flop in work.flop.items() if flop}
    except UnknownError as error:
        return _unknown(MFU, str(error))
    at_peak_s = sum(work.flop[word] / flop_per_s for word, (flop_per_s, _) in peaks.items())
    seconds = totals.seconds("training") * devices
    against = "; ".join(
        f"{flop_per_s:.3g} FLOP/s in {word} ({source})" for word, (flop_per_s, source) in peaks.items()
    )
    quality = Quality.weakest([work.quality, *([Quality.DECLARED] if declared else [])])
    method = f"{sum(work.flop.values()):.3g} FLOP in {seconds:,.1f} device-seconds of the training phase, against a"
    method += f" dense peak of {against}; {work.method}"
    return _metric(MFU, at_peak_s / seconds if seconds else None, method=method, quality=quality, reason="no time")


def _facts(totals: Totals) -> list[Event]:
    return [totals.facts[number] for number in totals.attempts]


def _shares(totals: Totals) -> Iterator[Metric]:
    fit_s = totals.fit_s
    over = f"over {fit_s:,.1f} s of the fit{totals.attempts_in_words()}"
    apart = (
        "from the end of a batch to the start of the next where that is a millisecond or more, without validation,"
    )
    apart += " checkpoints and measuring; other callbacks in between count, too"
    try:
        share = totals.share_waited()
    except UnknownError as error:
        yield _unknown(WAIT, str(error))
    else:
        yield _metric(WAIT, share, method=f"{apart}; first batches of epochs apart; mean of the ranks, {over}")
        slowest = [max(event["startup_s"] for event in totals.of_attempt(number)) for number in totals.attempts]
        yield _metric(
            WAIT, sum(slowest) / fit_s, labels=STARTUP,
            method=f"before the first batches of epochs, when a loader starts its workers, {over}",
        )  # fmt: skip
    yield _metric(VALIDATION, totals.seconds("validation") / fit_s, method=f"from its first to its last hook, {over}")
    method = f"from the first hook of a checkpoint to the next one of anything else, {over}"
    yield _metric(CHECKPOINT, totals.seconds("checkpoint") / fit_s, method=method)


def _memory(totals: Totals) -> Iterator[Metric]:
    known = [event for event in totals.events if event["peak_bytes"] is not None]
    method = "; ".join(dict.fromkeys(event["memory_method"] for event in known))
    if not known:
        yield _unknown(MEMORY, "this kind of device does not tell")
    else:
        yield _metric(MEMORY, float(max(event["peak_bytes"] for event in known)), method=f"{method}; fullest device")
    shares = [1 - event["peak_bytes"] / event["total_bytes"] for event in known if event["total_bytes"]]
    if not shares:
        yield _unknown(HEADROOM, "the memory of a processor is not the training's alone")
    else:
        yield _metric(HEADROOM, min(shares), method=f"of the device with the least, from the {method}")


def _activity(totals: Totals) -> Metric:
    readings = sum(event["active_readings"] for event in totals.events)
    if not readings:
        why = next((event["no_activity"] for event in totals.events if event["no_activity"]), "no reading was taken")
        return _unknown(ACTIVE, str(why))
    share = sum(event["active_sum"] for event in totals.events) / readings
    method = f"mean of {readings:,} readings of the driver: share of time in which any kernel was active, not of what"
    return _metric(ACTIVE, share, method=f"{method} the device could have done (see efficiency.mfu)", n=readings)


def _wasted(totals: Totals, ledger: list[Metric]) -> Metric:
    """Return the part of the energy that fell to waiting, as if each second of a phase took the same."""
    try:
        waited_s = totals.share_waited() * totals.fit_s
    except UnknownError as error:
        return _unknown(WASTED, str(error))
    rows = {tuple(sorted(metric.labels.items())): metric for metric in ledger if metric.name == ENERGY}
    phase = rows.get((("phase", "training"),))
    by_phase = phase is not None and phase.value is not None
    energy = phase if by_phase else rows.get(())
    seconds = totals.seconds("training") if by_phase else totals.fit_s
    if energy is None or energy.value is None:
        return _unknown(WASTED, energy.reason if energy and energy.reason else "the energy was not measured")
    of = "the training phase" if by_phase else "the run"
    method = (
        f"{percent(waited_s / seconds)} of the energy of {of} ({energy.value:.3g} kWh), as if every"
        " second took the same"
    )
    quality = Quality.weakest([energy.quality, Quality.MODELLED])
    return _metric(WASTED, energy.value * waited_s / seconds, method=method, quality=quality, reason=energy.reason)


def _unknown(name: str, reason: str, *, method: str = "not measured") -> Metric:
    return _metric(name, None, method=method, quality=Quality.UNKNOWN, reason=reason)


def _metric(name: str, value: float | None, **fields: Any) -> Metric:
    quantity = registry.metric(name)
    fields = {"quality": Quality.MEASURED} | fields
    if value is not None:
        fields.pop("reason", None)
    return Metric(name=name, value=value, unit=quantity.unit if quantity else "", monitor="efficiency", **fields)
