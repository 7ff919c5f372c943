"""Which charts a record yields, and the sentence under each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from . import registry
from .barcharts import ShareBar
from .carboncharts import forecasts, phases
from .charts import Area, Floats, Line, LineChart, PanelPlan, Table, decimate, line_chart, prefers_log
from .curves import Curve, Reader, added_up, story, thinned
from .eventmarks import GLYPHS, Events, events, told
from .forecastcharts import outlook
from .formats import count, interval, number, smaller_unit
from .groupviews import quantity
from .model import Audit, Metric
from .rowcharts import ROWS, Estimate, HeatStrip, IntervalChart, LimitChart, heat_strip, interval_chart
from .safety import Disparity
from .timeviews import time_bar

Chart = LineChart | HeatStrip | IntervalChart | ShareBar | LimitChart
Marks = tuple[tuple[float, str], ...]

TABLE_ROWS = 12
LOGGED_CHARTS = 12
FAMILY = "generation"
LOG_NOTE = " The vertical axis is logarithmic because the values span several powers of ten."


def carbon(reader: Reader, audit: Audit) -> Iterator[Chart]:
    """Yield energy by phase, the energy used so far, over steps, and what was forecast of it."""
    yield from phases(audit)
    total = _from_zero(reader.curve("carbon.energy_kwh"))
    if total.drawable and total.value[-1] > 0:
        marks = mark(_value(audit, "overfitting.best_step"), "best step")
        yield single("Energy used so far", "Energy", total, marks=marks, log=False)
    yield from forecasts(reader, audit)


def _from_zero(curve: Curve) -> Curve:
    """Return a meter's reading, restarts added up, from zero on and in a unit in which it is no tiny fraction."""
    if not curve.drawable:
        return curve
    total = added_up(curve)
    factor, unit = smaller_unit(float(total.value.max(initial=0.0)), curve.unit)
    return Curve(np.append(0, total.step), np.append(0.0, factor * total.value), unit)


def efficiency(_reader: Reader, audit: Audit) -> Iterator[Chart]:
    """Yield where the time of the fit went."""
    yield from time_bar(audit)


def overfitting(reader: Reader, audit: Audit) -> Iterator[Chart]:
    """Yield training against validation loss with the gap between, and the gap with its interval."""
    train, val = reader.curve("overfitting.train_loss"), reader.curve("overfitting.val_loss")
    marks = mark(_best_step(audit, val), "best step")
    if train.drawable or val.drawable:
        yield _losses(train, val, marks)
    gap = reader.curve("overfitting.gap")
    if gap.drawable:
        yield _gap(gap, reader.curve("overfitting.gap_low"), reader.curve("overfitting.gap_high"), marks)
    yield from outlook(reader, audit)


def _losses(train: Curve, val: Curve, marks: Marks) -> Chart:
    same = train.step.size == val.step.size and bool((train.step == val.step).all())
    areas = [Area(step=val.step, low=train.value, high=val.value, look=1)] if same else []
    lines = [
        Line(label="training", step=train.step, value=train.value, look=0),
        Line(label="validation", step=val.step, value=val.value, look=1),
    ]
    drawn = [line for line in lines if line.step.size]
    text = story(val, "Validation loss") if val.drawable else story(train, "Training loss")
    where = f" Best step {int(marks[0][0]):,}." if marks else ""
    return line_chart(
        title="Training and validation loss, both in eval mode",
        caption=text + where + " The shaded area is the gap." * bool(areas) + thinned(train, val),
        plans=[PanelPlan(title="loss", lines=drawn, areas=areas, log=None)],
        marks=marks,
        table=_table({"training": train, "validation": val}),
    )


def _gap(gap: Curve, low: Curve, high: Curve, marks: Marks) -> Chart:
    same = gap.step.size == low.step.size == high.step.size
    areas = [Area(step=gap.step, low=low.value, high=high.value, look=1)] if same else []
    curves = {"gap": gap, "low": low, "high": high} if same else {"gap": gap}
    line = Line(label="gap", step=gap.step, value=gap.value, look=1)
    return line_chart(
        title="Gap: validation minus training loss",
        caption=story(gap, "The gap") + " The band is its 95 % interval." * bool(areas) + thinned(gap),
        plans=[PanelPlan(title="loss", lines=[line], areas=areas, levels=[(0.0, "no gap")])],
        marks=marks,
        table=_table(curves),
    )


def optimisation(reader: Reader, audit: Audit) -> Iterator[Chart]:
    """Yield loss and learning rate, the gradient norm, and layers' norms and updates as strips."""
    loss, rate, norm = (reader.curve(name) for name in ("train.loss", "optimizer.lr", "gradient.norm"))
    if loss.drawable:
        yield _loss_and_rate(loss, rate, events(reader, audit))
    if norm.drawable:
        yield single("Gradient norm before clipping", "The gradient norm", norm, axis="norm")
    for name, title in (
        ("gradient.layer_norm", "Gradient norm of each layer"),
        ("gradient.update_ratio", "Update over weight of each layer"),
    ):
        yield from _strip(reader, name, title)


def _loss_and_rate(loss: Curve, rate: Curve, happened: Events) -> Chart:
    plans = [PanelPlan(title="training loss", lines=[_line("loss", loss, 0)], log=None)]
    if rate.drawable:
        plans.append(PanelPlan(title="learning rate", lines=[_line("lr", rate, 2)], height=56.0))
    rates = " " + story(rate, "The learning rate") if rate.drawable else ""
    return line_chart(
        title="Training loss and learning rate" if rates else "Training loss",
        caption=story(loss, "Training loss") + rates + told(happened) + _log_note(loss) + thinned(loss, rate),
        plans=plans,
        events=[(step, GLYPHS[kind]) for step, kind in happened],
        table=_table({"loss": loss, "learning rate": rate} if rates else {"loss": loss}),
    )


def _strip(reader: Reader, name: str, title: str) -> Iterator[Chart]:
    curves = {column: reader.curve(name, column) for column in reader.columns(name)}
    curves = {column: curve for column, curve in curves.items() if curve.drawable}
    if not curves:
        return
    worst = sorted(curves, key=lambda column: _badness(curves[column].value), reverse=True)[:ROWS]
    shown = {column: curves[column] for column in curves if column in set(worst)}
    yield heat_strip(
        title=title,
        caption=_strip_caption(title, curves, shown),
        columns={column: (curve.step, curve.value) for column, curve in shown.items()},
        table=_layer_table(shown),
    )


def _badness(value: Floats) -> tuple[int, float]:
    """Return a key that puts layers with non-finite values first, then those with the highest peak."""
    finite = value[np.isfinite(value)]
    return int(value.size - finite.size), float(finite.max()) if finite.size else 0.0


def _strip_caption(title: str, curves: Mapping[str, Curve], shown: Mapping[str, Curve]) -> str:
    peaks = {name: _badness(curve.value)[1] for name, curve in curves.items()}
    top = max(peaks, key=lambda name: peaks[name])
    broken = sum(_badness(curve.value)[0] > 0 for curve in curves.values())
    cut = (
        f" Of {len(curves)} layers {len(shown)} are shown: those with non-finite values, then the highest."
        if len(shown) < len(curves)
        else ""
    )
    bad = f" {count(broken, 'layer')} had non-finite values (crossed cells)." if broken else ""
    return (
        f"{title}: the highest is {number(peaks[top])} in {top}.{cut}{bad}"
        " A stronger shade is a higher value, on a logarithmic scale; a cell shows the highest of its steps."
    )


def _layer_table(shown: Mapping[str, Curve]) -> Table:
    rows = []
    for name, curve in shown.items():
        finite = curve.value[np.isfinite(curve.value)]
        stats = (np.median(finite), finite.max(), curve.value[-1]) if finite.size else (None, None, None)
        rows.append((name, *(number(None if item is None else float(item)) for item in stats)))
    return Table(header=("layer", "median", "highest", "last"), rows=tuple(rows))


def generation(reader: Reader, audit: Audit) -> Iterator[Chart]:
    """Yield what was scored on the generated text: estimates with their intervals, and over steps."""
    told = {m.name for m in audit.metrics if m.unit and (known := registry.metric(m.name)) and known.family == FAMILY}
    for name in sorted(told):
        found = [m for m in audit.metrics if m.name == name and m.value is not None]
        if len(found) > 1:  # a single one stands in the table
            yield _estimates(name, found[:ROWS])
    yield from map(_group_rates, audit.disparities)
    toxicity = reader.curve("generation.toxicity_probability")
    if toxicity.step.size > 1:
        yield single("Toxicity probability at each sampling", "Toxicity probability", toxicity, log=False)


def _estimates(name: str, metrics: Sequence[Metric]) -> Chart:
    items = [Estimate(label=_short_label(m.labels), value=m.value or 0.0, low=m.low, high=m.high) for m in metrics]
    first = metrics[0]
    known = registry.metric(name)
    sample = f", n = {first.n:,}" if first.n is not None else ""
    spread = f" {interval(first.low, first.high, first.confidence)}" if first.low is not None else ""
    return interval_chart(
        title=f"{known.meaning if known else name}",
        caption=f"{items[0].label}: {number(first.value)}{spread}{sample}. Dots are estimates, bars their intervals.",
        estimates=items,
        table=Table(
            header=("label", "value", "interval"),
            rows=tuple((item.label, number(item.value), interval(item.low, item.high)) for item in items),
        ),
    )


def _short_label(labels: Mapping[str, str]) -> str:
    """Return labels for a narrow column: of a single one its value says enough."""
    return next(iter(labels.values())) if len(labels) == 1 else labelled(labels) or "all"


def _group_rates(found: Disparity) -> Chart:
    groups = sorted(found.groups, key=lambda group: -group.value)[:ROWS]
    items = [Estimate(label=g.group, value=g.value, low=g.low, high=g.high) for g in groups]
    return interval_chart(
        title=f"{quantity(found)}, by {found.axis}",
        caption=f"Largest gap {number(found.gap)} {interval(found.low, found.high, found.confidence)},"
        f" p = {number(found.p_corrected)}. Dots are groups, bars the intervals of each alone.",
        estimates=items,
        table=Table(
            header=("group", "share", "interval"),
            rows=tuple((item.label, number(item.value), interval(item.low, item.high)) for item in items),
        ),
    )


def labelled(labels: Mapping[str, str]) -> str:
    """Return labels as `key = value` pairs."""
    return ", ".join(f"{key} = {value}" for key, value in sorted(labels.items()))


def logged(reader: Reader, _audit: Audit) -> Iterator[Chart]:
    """Yield a chart for each of the first names that the module logged."""
    for column in sorted(reader.columns("logged"))[:LOGGED_CHARTS]:
        curve = reader.curve("logged", column)
        if curve.drawable:
            yield single(f"logged.{column}", "It", curve)


def single(
    title: str,
    what: str,
    curve: Curve,
    *,
    marks: Marks = (),
    levels: Sequence[tuple[float | None, str]] = (),
    log: bool | None = None,
    axis: str = "value",
) -> LineChart:
    """Return a chart of one curve, with levels where they are known."""
    known = [(value, label) for value, label in levels if value is not None]
    note = _log_note(curve) if log is None else ""
    return line_chart(
        title=title,
        caption=story(curve, what) + note + thinned(curve),
        plans=[PanelPlan(title=curve.unit or axis, lines=[_line("", curve, 0)], levels=known, log=log)],
        marks=marks,
        table=_table({"value": curve}),
    )


def _line(label: str, curve: Curve, look: int) -> Line:
    return Line(label=label, step=curve.step, value=curve.value, look=look)


def _log_note(curve: Curve) -> str:
    return LOG_NOTE if prefers_log(curve.value[np.isfinite(curve.value)]) else ""


def mark(step: float | None, label: str) -> Marks:
    """Return a mark at a step; none where it is not known."""
    return () if step is None else ((step, label),)


def _value(audit: Audit, name: str) -> float | None:
    metric = audit.metric(name)
    return None if metric is None else metric.value


def _best_step(audit: Audit, val: Curve) -> float | None:
    known = _value(audit, "overfitting.best_step")
    if known is not None:
        return known
    finite = np.flatnonzero(np.isfinite(val.value))
    return float(val.step[finite[np.argmin(val.value[finite])]]) if finite.size else None


def _table(curves: Mapping[str, Curve]) -> Table:
    """Return the numbers of curves at the steps of the longest."""
    longest = max(curves.values(), key=lambda curve: curve.step.size)
    kept = decimate(longest.step, longest.value, TABLE_ROWS // 3)
    if kept.size > TABLE_ROWS:
        kept = kept[np.unique(np.linspace(0, kept.size - 1, TABLE_ROWS).astype(np.intp))]
    rows = tuple(
        (f"{int(step):,}", *(_value_at(curve, float(step)) for curve in curves.values()))
        for step in longest.step[kept]
    )
    left_out = longest.step.size - len(rows)
    note = f"{left_out:,} of {longest.step.size:,} rows left out." if left_out else ""
    return Table(header=("step", *curves), rows=rows, note=note)


def _value_at(curve: Curve, step: float) -> str:
    index = int(np.searchsorted(curve.step, step))
    if index >= curve.step.size or float(curve.step[index]) != step:
        return number(None)
    return number(float(curve.value[index]))


FAMILIES: dict[str, Callable[[Reader, Audit], Iterator[Chart]]] = {
    "carbon": carbon,
    "efficiency": efficiency,
    "overfitting": overfitting,
    "optimisation": optimisation,
    "generation": generation,
    "logged": logged,
}
