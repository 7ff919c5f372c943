"""Evidence for the fields on computation and energy of the EU's Model Documentation Form.

The form is part of the Transparency chapter of the Code of Practice for general-purpose AI models (10 July 2025,
https://digital-strategy.ec.europa.eu/en/policies/contents-code-gpai) and answers to Annex XI, section 1, point 2(d)
and (e) of Regulation (EU) 2024/1689. It sets no boundary: ours is printed with the figures.
"""

from __future__ import annotations

from dataclasses import replace

from ..document import Document
from ..formats import moment
from ..model import Audit, Quality
from .facts import ENERGY, FACILITY, FLOP, Figure, boundary, figure, hardware, seconds
from .sheet import NOT_KNOWN, Row, Sheet

FORM = "Model Documentation Form, Code of Practice for General-Purpose AI Models, Transparency chapter, 10 July 2025"
LAW = "Regulation (EU) 2024/1689, Annex XI, section 1, point 2(d) and (e)"
DAY = 86400.0
MONTH = 30.44  # days
RANGES = ((1, "less than 1 month"), (3, "1 to 3 months"), (6, "3 to 6 months"))
CONTEXT = (
    "For orientation alone: the Commission's guidelines of 18 July 2025 take 10^23 FLOP as an indication of a"
    " general-purpose AI model; above 10^25 FLOP Article 51(2) presumes systemic risk. Both mean all the computation"
    " that went into the model, earlier training and generated data included, of which this run is a part."
)
CLAIM = "Evidence for the provider's own answers: whether they meet the law is not said here."
ESTIMATED = {Quality.MEASURED: "measured", Quality.UNKNOWN: "unknown"}  # the form's words; all else is estimated


class Field(Document):
    """One field of the form; `value` is rounded as the form asks, null where it is not known."""

    name: str
    text: str
    value: float | None = None
    unit: str = ""
    quality: Quality | None = None
    method: str = ""


class GpaiReport(Document):
    """The fields that a run can give evidence for."""

    schema_version: int = 1
    form: str = FORM
    law: str = LAW
    claim: str = CLAIM
    run: str
    model: str
    status: str
    fields: list[Field]
    boundary: list[str]
    context: str = CONTEXT


def gpai(audit: Audit) -> GpaiReport:
    """Return the form's fields as far as the run knows them."""
    run = audit.run
    fields = [*_time(audit), *_computation(audit), *_energy(audit), _inference()]
    return GpaiReport(
        run=run.id, model=run.model, status=run.status.value, fields=fields, boundary=list(boundary(audit))
    )


def significant(value: float, *, digits: int = 2) -> str:
    """Return a value with so many significant figures, as the form writes them: `7.3*10^10`, or plainly if short."""
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    if -2 <= int(power) < digits:
        return f"{float(f'{mantissa}e{power}'):.{digits - 1 - int(power)}f}"
    return f"{mantissa}*10^{int(power)}"


def _field(name: str, found: Figure, *, method: str = "") -> Field:
    if found.value is None:
        return Field(name=name, text=NOT_KNOWN, unit=found.unit, quality=Quality.UNKNOWN, method=found.how)
    text = f"{significant(found.value)} {found.unit}"
    value, how = float(f"{found.value:.1e}"), method or found.how
    return Field(name=name, text=text, value=value, unit=found.unit, quality=found.quality, method=how)


def _time(audit: Audit) -> list[Field]:
    run, machine = audit.run, hardware(audit)
    wall = seconds(audit).scaled(1 / DAY, "wall clock days")
    period = f"{moment(run.started)} to {moment(run.ended) if run.ended else NOT_KNOWN}, attempts of this run"
    fields = [Field(name="Training time, period", text=period), _field("Training time, wall clock", wall)]
    used = wall.scaled(machine.count, f"{machine.name} days")
    counted = f"{machine.count} × wall clock days" + (f"; {machine.note}" if machine.note else "")
    quality = Quality.weakest([used.quality, Quality.MODELLED]) if machine.note else used.quality
    fields.append(_field("Training time, hardware", replace(used, quality=quality), method=counted))
    if wall.value is not None:
        told = next((name for months, name in RANGES if wall.value < months * MONTH), "more than 6 months")
        fields.insert(1, Field(name="Training time, range", text=told, quality=wall.quality))
    return fields


def _computation(audit: Audit) -> list[Field]:
    found = figure(audit, FLOP)
    fields = [_field("Amount of computation used for training", found)]
    if found.value is not None:
        order = f"10^{int(f'{found.value:e}'.split('e')[1])} FLOP"
        fields.append(Field(name="Amount of computation, order of magnitude", text=order, quality=found.quality))
    return fields


def _energy(audit: Audit) -> list[Field]:
    """Return the energy of the machines and, where a PUE is known, of the data centre for them."""
    machines = figure(audit, ENERGY).scaled(1e-3, "MWh")
    centre = figure(audit, FACILITY).scaled(1e-3, "MWh")
    method = f"{ESTIMATED.get(machines.quality, 'estimated')}: {machines.how}"
    fields = [_field("Amount of energy used for training", machines, method=method)]
    if centre.value is not None:
        fields.append(_field("Amount of energy, with what the data centre adds", centre))
    return fields


def _inference() -> Field:
    how = "Groundwire measures training: benchmark a named task on named hardware"
    return Field(name="Benchmarked computation used for inference", text=NOT_KNOWN, method=how)


def sheet(report: GpaiReport) -> Sheet:
    """Return a report as people read it."""
    rows = [
        Row(name=each.name, value=each.text, quality=each.quality or "", how=each.method) for each in report.fields
    ]
    title = f"Evidence for the {FORM}: run {report.run} ({report.model})"
    notes = (*report.boundary, f"{CLAIM} The fields answer to {LAW}.", CONTEXT)
    return Sheet(title=title, rows=tuple(rows), notes=notes)
