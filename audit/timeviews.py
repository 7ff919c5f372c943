"""What the report says of efficiency: where the time of the fit went, operations, throughput and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .barcharts import ShareBar, share, share_bar, shares
from .formats import number, percent
from .model import Audit, Metric
from .overview import Overview, in_words, unknown, value_of

FAMILY = "efficiency"
WAIT, VALIDATION, CHECKPOINT = (f"{FAMILY}.{name}_share" for name in ("data_wait", "validation", "checkpoint"))
FLOP, MFU, WASTED = f"{FAMILY}.training_flop", f"{FAMILY}.mfu", f"{FAMILY}.wasted_kwh"
SAMPLES, TOKENS = f"{FAMILY}.samples_per_s", f"{FAMILY}.tokens_per_s"
MEMORY, HEADROOM, ACTIVE = (f"{FAMILY}.{name}" for name in ("peak_memory", "memory_headroom", "gpu_utilisation"))
STARTUP = {"part": "startup"}
REST = "computing"
GIB = 2**30
SLACK = 0.01  # by which shares may make more than a whole: ranks do not all wait at the same time

Term = tuple[str, str]


def efficiency_overview(audit: Audit) -> Overview | None:
    """Return the beginning of the section; None where nothing was measured."""
    if not any(metric.name.startswith(f"{FAMILY}.") for metric in audit.metrics):
        return None
    makers = (_mfu, _operations, _throughput, _waiting, _memory, _activity)
    terms = [term for make in makers for term in make(audit)]
    return Overview(lead=_lead(audit), grids=[], terms=terms)


def time_shares(audit: Audit) -> dict[str, float]:
    """Return where the time of the fit went, as shares; empty where that is not known.

    What nobody measured by itself is called computing: steps, the optimizer, logging, measuring. Where the wait for
    data cannot be told, it is in there, and the name says so.
    """
    validation, checkpoint = value_of(audit, VALIDATION), value_of(audit, CHECKPOINT)
    if validation is None or checkpoint is None:
        return {}
    wait, startup = value_of(audit, WAIT), value_of(audit, WAIT, **STARTUP)
    known = {"waiting for data": wait, "starting loaders": startup}
    parts = {name: share for name, share in known.items() if share is not None}
    parts |= {"validation": validation, "checkpoints": checkpoint}
    rest = 1 - sum(parts.values())
    if rest < -SLACK or min(parts.values()) < 0:
        return {}
    return {REST if wait is not None else "computing, waiting": max(rest, 0.0), **parts}


def time_bar(audit: Audit) -> Iterator[ShareBar]:
    """Yield where the time of the fit went."""
    parts = time_shares(audit)
    if not parts:
        return
    wait = audit.metric(WAIT)
    hidden = f" Waiting for data cannot be told apart: {wait.reason}." if wait and wait.value is None else ""
    yield share_bar(
        title="Where the time of the fit went",
        caption=f"{shares(parts).capitalize()}. Computing is all that is not told apart: steps, optimizer, logging,"
        f" measuring.{hidden} Asking the model for text is not in the fit.",
        parts=parts,
        unit="",
        head="part of the fit",
    )


def _lead(audit: Audit) -> str:
    parts, mfu = time_shares(audit), audit.metric(MFU)
    text = f"Of the time of the fit: {shares(parts)}." if parts else "Where the time of the fit went is not known."
    if mfu is None:
        return text
    return f"{text} MFU {percent(mfu.value)}." if mfu.value is not None else f"{text} MFU unknown: {mfu.reason}."


def _mfu(audit: Audit) -> Iterator[Term]:
    metric, flop = audit.metric(MFU), audit.metric(FLOP)
    if metric is None:
        return
    if metric.value is None:
        yield "MFU", f"{unknown(metric)}."
        return
    how = metric.method.removesuffix(f"; {flop.method}") if flop else metric.method
    yield "MFU", f"{percent(metric.value)} ({metric.quality.value}): {how}."


def _operations(audit: Audit) -> Iterator[Term]:
    metric = audit.metric(FLOP)
    if metric is not None:
        known = metric.value is not None
        yield "Operations", f"{in_words(metric)}{f' ({metric.quality.value}): {metric.method}' if known else ''}."


def _throughput(audit: Audit) -> Iterator[Term]:
    found = [(audit.metric(SAMPLES), "examples"), (audit.metric(TOKENS), "tokens")]
    told = [_rate(metric, what) for metric, what in found if metric is not None]
    if told:
        yield "Throughput", f"{'; '.join(told)}. Validation and waiting are in the time."


def _rate(metric: Metric, what: str) -> str:
    return f"{what} unknown: {metric.reason}" if metric.value is None else f"{number(metric.value)} {what}/s"


def _waiting(audit: Audit) -> Iterator[Term]:
    metric, wasted = audit.metric(WAIT), audit.metric(WASTED)
    if metric is None:
        return
    if metric.value is None:
        yield "Waiting for data", f"{unknown(metric)}."
        return
    text = f"{share(metric.value)} of the fit"
    if wasted is not None:
        text += f"{'; its energy' if wasted.value is None else ','} {in_words(wasted)}"
    yield "Waiting for data", f"{text}."


def _memory(audit: Audit) -> Iterator[Term]:
    peak, headroom = audit.metric(MEMORY), audit.metric(HEADROOM)
    how = peak.method if peak is not None else ""
    told = list(_told(peak, lambda value: f"{number(value / GIB)} GiB at most, {how}"))
    told += _told(headroom, lambda value: f"{percent(value)} of a device never allocated", "headroom ")
    if told:
        yield "Memory", f"{'; '.join(told)}."


def _told(metric: Metric | None, show: Callable[[float], str], what: str = "") -> Iterator[str]:
    if metric is not None:
        yield f"{what}unknown: {metric.reason}" if metric.value is None else show(metric.value)


def _activity(audit: Audit) -> Iterator[Term]:
    metric = audit.metric(ACTIVE)
    if metric is None:
        return
    if metric.value is None:
        yield "GPU utilisation", f"{unknown(metric)}."
        return
    what = (
        "of the time any kernel at all was active, however little of the device it used. What it could have done: MFU"
    )
    yield "GPU utilisation", f"{percent(metric.value)} {what}."
