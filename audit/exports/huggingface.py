"""What a Hugging Face model card says of a run: metadata `co2_eq_emissions`, and a section on energy and audit.

Source of the metadata: https://huggingface.co/docs/hub/model-cards-co2 (emissions in grams of CO2 equivalent).
"""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from typing import Any

from ..escape import visible
from ..formats import duration, number
from ..model import Audit, Quality
from .audited import audited
from .facts import (
    EMISSIONS,
    ENERGY,
    FACILITY,
    FLOP,
    INTENSITY,
    Figure,
    boundary,
    figure,
    hardware,
    seconds,
    unfinished,
    zone,
)
from .modelcard import OURS
from .sheet import NOT_KNOWN, Row, Sheet, amount, as_markdown

MOST = 300  # characters of a text in the metadata
PARTS = {"component": ("cpu", "gpu", "ram"), "phase": ("training", "validation", "generation", "overhead")}


def emissions(audit: Audit, *, training_type: str | None, location: str | None) -> dict[str, Any] | None:
    """Return the content of `co2_eq_emissions`, without what is not known; None when the emissions are not.

    Args:
        audit: Of the run.
        training_type: `pre-training` or `fine-tuning`, as declared: no record tells them apart.
        location: Where it ran, as declared; else the grid that the emissions were computed with.
    """
    found = figure(audit, EMISSIONS).scaled(1000, "g")
    if found.value is None:
        return None
    told = {
        "emissions": float(f"{found.value:.4g}"),
        "source": _short(f"{OURS} {_version()}, {found.quality}: {found.how}", unfinished(audit)),
        "training_type": training_type,
        "geographical_location": _short(location or zone(audit)),
        "hardware_used": _short(str(hardware(audit))),
    }
    return {name: value for name, value in told.items() if value}


def _version() -> str:
    try:
        return metadata.version("groundwire")
    except metadata.PackageNotFoundError:
        return "from source"


def _short(*parts: str) -> str:
    """Return parts as one line; huggingface_hub drops spaces of any kind at the end of the metadata."""
    return visible(" ".join(". ".join(filter(None, parts)).split()), cap=MOST)


def section(audit: Audit, *, training_type: str | None = None, location: str | None = None) -> str:
    """Return the section of a model card, without its markers; all text in it is escaped."""
    run, machine = audit.run, hardware(audit)
    declared = (("Type of training", training_type), ("Location", location))
    rows = [
        _row("Emissions, CO2 equivalent", figure(audit, EMISSIONS).scaled(1000, "g")),
        _row("Energy", figure(audit, ENERGY)),
        *_parts(audit),
        *_known(audit),
        Row(name="Hardware", value=str(machine), how=machine.note),
        *(Row(name=name, value=told, quality=Quality.DECLARED) for name, told in declared if told),
    ]
    notes = (*boundary(audit), f"Run {run.id}, {run.steps:,} optimizer steps, {run.status}; written by Groundwire.")
    energy = Sheet(title="Energy and emissions of training", rows=tuple(rows), notes=notes)
    return "\n".join(as_markdown(each, level=2) for each in (energy, audited(audit)))


def _row(name: str, found: Figure) -> Row:
    told = amount(found.value, found.unit)
    if found.low is not None and found.high is not None:
        told += f" ({number(found.low)} to {number(found.high)})"
    return Row(name=name, value=told, quality=found.quality, how=found.how)


def _parts(audit: Audit) -> list[Row]:
    """Return the energy of each component and phase that was told apart and used any."""
    total = figure(audit, ENERGY)
    found = [(name, figure(audit, ENERGY, {label: name})) for label, names in PARTS.items() for name in names]
    rows = [_row(f"Energy, {name}", each) for name, each in found if each.value]
    return [replace(row, how="") if row.how == total.how else row for row in rows]


def _known(audit: Audit) -> list[Row]:
    """Return what not every run knows, where it is known."""
    asked = (
        ("Energy with what the data centre adds", figure(audit, FACILITY)),
        ("Intensity of the grid", figure(audit, INTENSITY).scaled(1000, "g/kWh")),
        ("Water", figure(audit, "carbon.water_l")),
        ("Embodied emissions of the hardware", figure(audit, "carbon.embodied_kg").scaled(1000, "g")),
        ("Cost of the energy", figure(audit, "carbon.cost")),
        ("Training computation", figure(audit, FLOP)),
    )
    rows = [_row(name, found) for name, found in asked if found.value is not None]
    time = seconds(audit)
    told = NOT_KNOWN if time.value is None else duration(time.value)
    return [*rows, Row(name="Training time", value=told, quality=time.quality, how=time.how)]
