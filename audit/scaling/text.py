"""A study of runs as people and programs read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..escape import visible
from ..formats import NOTHING, number
from .fit import CONFIDENCE, Estimate
from .law import DELTA
from .optimal import Optimum
from .repeated import TRIED_EPOCHS, Repeated
from .standing import Standing
from .study import Study

SIGNS = {"E": "E", "A": "A", "B": "B", "alpha": "α", "beta": "β"}
UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
STANDS = {"above": "worse than expected", "within": "as expected", "below": "better than expected"}
CANNOT_TELL = "cannot tell"
UNTRIED = f"more than {TRIED_EPOCHS} epochs"


def study_json(found: Study) -> str:
    """Return a study as JSON."""
    document: dict[str, Any] = {name: asdict(value) for name, value in found.coefficients.items()} | {
        "confidence": CONFIDENCE,
        "objective": found.fit.objective,
        "delta": DELTA,
        "points": len(found.fit.points),
        "dropped": found.question.drop_highest,
        "loss": found.loss,
        "bootstrap": found.question.resamples,
        "seed": found.question.seed,
        "cannot_tell": list(found.cannot_tell),
        "optimal": [asdict(best) for best in found.optimal],
        "repeated": None if found.repeated is None else asdict(found.repeated),
        "runs": [asdict(run) for run in found.runs],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def study_text(found: Study) -> str:
    """Return a study as people read it."""
    lines = [*_law(found), "", *_budgets(found)]
    if found.repeated is not None:
        lines += ["", *_repeated(found.repeated)]
    if found.runs:
        lines += ["", *_runs(found.runs)]
    return "".join(f"{visible(line)}\n" for line in [*lines, "", *_caveats(found)])


def _law(found: Study) -> Iterator[str]:
    dropped = found.question.drop_highest
    left = f" ({dropped} with the highest losses left out)" if dropped else ""
    yield f"L(N, D) = E + A / N^α + B / D^β, fitted to {len(found.fit.points)} runs{left}; loss: {found.loss}"
    yield ""
    for name, estimate in found.coefficients.items():
        unsure = f"   {CANNOT_TELL}: the interval is too wide" if name in found.cannot_tell else ""
        yield f"  {SIGNS[name]}  {number(estimate.value, digits=4):>10}   {_span(estimate)}{unsure}"
    yield ""
    yield f"  sum of Huber losses (δ = {DELTA:g}) {found.fit.objective:.6f}; {_percent()} % intervals over"
    yield f"  {found.question.resamples:,} resamples of the runs"


def _percent() -> str:
    return number(100 * CONFIDENCE)


def _budgets(found: Study) -> Iterator[str]:
    yield "Best use of a budget (C = 6·N·D)"
    for place, best in enumerate(found.optimal):
        yield f"  {number(best.flop)} FLOP{_beyond(best)}"
        unsure = any(name.startswith(f"optimal.{place}.") for name in found.cannot_tell)
        if unsure:
            yield f"    {CANNOT_TELL} which size is best: the runs leave more than a factor of ten open"
        yield f"    parameters            {_sized(best.parameters)}"
        yield f"    tokens                {_sized(best.tokens)}"
        yield f"    tokens a parameter    {_plain(best.tokens_per_parameter)}"
        yield f"    loss                  {_plain(best.loss)}"


def _beyond(best: Optimum) -> str:
    return f", {number(best.times_largest)} × the largest run" if best.times_largest > 1.01 else ""


def _repeated(found: Repeated) -> Iterator[str]:
    yield f"{amount(found.unique_tokens)} unique tokens, repeated (a model of {amount(found.parameters)} parameters)"
    yield f"  {'epochs':>6}  {'worth, in new tokens':>20}  {'one more is worth':>17}   loss"
    for row in found.epochs:
        worth, last = amount(row.effective_tokens), f"{100 * row.next_worth:.0f} %"
        loss = f"{CANNOT_TELL}: {UNTRIED}" if row.cannot_tell else f"{_plain(row.loss)}{_outside(row.outside)}"
        yield f"  {row.epochs:>6g}  {worth:>20}  {last:>17}   {loss}"
    for best in found.optimal:
        if best.cannot_tell:
            yield f"  best use of {number(best.flop)} FLOP: {CANNOT_TELL}: {UNTRIED}"
            continue
        yield f"  best use of {number(best.flop)} FLOP: {_sized(best.parameters)} parameters,"
        yield f"    {_plain(best.epochs)} epochs, loss {_plain(best.loss)}{_outside(best.outside)}"


def _any_outside(found: Repeated) -> bool:
    return any(row.outside for row in found.epochs) or any(best.outside for best in found.optimal)


def _outside(names: tuple[str, ...]) -> str:
    return f"   {' and '.join(names)} outside the runs" if names else ""


def _runs(runs: tuple[Standing, ...]) -> Iterator[str]:
    yield "Where runs stand"
    for run in runs:
        yield f"  {run.run}: {amount(run.parameters)} parameters, {amount(run.tokens)} tokens"
        yield f"    loss {number(run.loss, digits=4)}, {STANDS[run.stands]}: {_plain(run.predicted)}"
        best = run.optimal
        yield f"    {_plain(run.times_compute)} times the compute that the best use takes for the loss expected of it"
        sizes = f"{amount(best.parameters.value)} parameters, {amount(best.tokens.value)} tokens"
        yield f"    best use of its {number(best.flop)} FLOP: {sizes}, loss {_plain(best.loss)}"


def _caveats(found: Study) -> Iterator[str]:
    if any(best.times_largest > 1.01 for best in found.optimal):
        yield "Beyond the largest run the law is carried on, and the intervals hold only if it goes on to hold."
    if found.repeated is not None:
        yield "What repeats are worth is Muennighoff et al.'s (2023), found on their data, not fitted to these runs;"
        yield "the formula knows no overfitting: watch the validation loss."
        yield f"Their large models were tried with up to {TRIED_EPOCHS} epochs."
        if _any_outside(found.repeated):
            yield "Outside the parameters and tokens of the runs, intervals hold only if the law goes on to hold."
    if found.runs:
        yield "A run can be compared only if its loss is of the same kind: same tokenizer, same validation text."
    if found.cannot_tell:
        yield "What these runs cannot tell takes more runs, of more different sizes."


def amount(value: float | None) -> str:
    """Return parameters or tokens as people say them: `70.3 B`."""
    if value is None:
        return NOTHING
    for size, letter in UNITS:
        if size <= value < 1000 * size:
            return f"{number(value / size)} {letter}"
    return number(value)


def _sized(found: Estimate) -> str:
    low = amount(found.low) if found.low is not None else "0"
    high = amount(found.high) if found.high is not None else "∞"
    return f"{amount(found.value)} [{low}, {high}]"


def _plain(found: Estimate) -> str:
    return f"{number(found.value, digits=4)} {_span(found)}"


def _span(found: Estimate) -> str:
    low = number(found.low, digits=4) if found.low is not None else "−∞"
    high = number(found.high, digits=4) if found.high is not None else "∞"
    return f"[{low}, {high}]"
