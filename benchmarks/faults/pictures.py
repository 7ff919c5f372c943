"""What each fault looks like: its evidence in a run that has it beside the same in the clean twin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from groundwire.audit.charts import decimate
from groundwire.audit.curves import Curve, Reader
from groundwire.audit.judge import judge
from groundwire.audit.model import Finding
from groundwire.audit.record import Record

from .cases import Case, all_cases
from .faults import FAULTS
from .running import record_of

PLACE = Path("audit/rules/pictures.json")
POINTS, DIGITS = 48, 4  # of a series, and of a value
OTHERS = ("train.loss", "overfitting.val_loss", "efficiency.samples_per_s")
KINDS = {
    "mlp": "perceptron",
    "cnn": "convolutional network",
    "lstm": "recurrent network",
    "lora": "low-rank adapters",
}


def write(folder: Path) -> int:
    """Write the pictures of all faults that were trained, and return how many there are."""
    found = dict(sorted(pictures(folder)))
    lines = ",\n".join(
        f" {json.dumps(code)}: {json.dumps(picture, ensure_ascii=False)}" for code, picture in found.items()
    )
    PLACE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    return len(found)


def pictures(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a picture for each fault, by the code of its rule: of the first run for calibration that shows it."""
    twins = {case.id: case for case in all_cases() if case.kind == "twin"}
    for fault in FAULTS:
        cases = [c for c in all_cases() if c.kind == "fault" and c.name == fault.name and c.split == "calibration"]
        drawn = (picture for case in cases if (picture := _of(case, twins[f"{case.id}-twin"], folder)))
        yield from [found for found in [next(drawn, None)] if found]


def _of(case: Case, twin: Case, folder: Path) -> tuple[str, dict[str, Any]] | None:
    places = record_of(case, folder), record_of(twin, folder)
    if places[0] is None or places[1] is None:
        return None
    record = Record.open(places[0])
    finding = next((f for f in judge(record).findings if f.name == case.name), None)
    if finding is None:
        return None
    bad, good = Reader(record), Reader(Record.open(places[1]))
    chosen = _series(finding, bad, good)
    if chosen is None:
        return None
    name, layer = chosen
    sides = {side: _points(reader.curve(name, layer)) for side, reader in (("bad", bad), ("good", good))}
    told = f"{KINDS.get(case.architecture, case.architecture)} with {case.optimizer}"
    described = {"run": told, "series": f"{name} of {layer}" if layer else name, "unit": bad.curve(name, layer).unit}
    return finding.rule, described | sides


def _series(finding: Finding, bad: Reader, good: Reader) -> tuple[str, str | None] | None:
    """Return the series that the evidence names, else a loss or the throughput: the first that differs."""
    named = [(item.series, item.layer) for item in finding.evidence if item.series]
    columns = [(name, layer if layer and layer in bad.columns(name) else None) for name, layer in named]
    wanted = [*columns, *((name, None) for name in OTHERS)]
    return next((found for found in wanted if _differ(bad.curve(*found), good.curve(*found))), None)


def _differ(one: Curve, other: Curve) -> bool:
    drawable = one.step.size > 1 and other.step.size > 1
    return drawable and not np.array_equal(one.value, other.value, equal_nan=True)


def _points(curve: Curve) -> dict[str, list[Any]]:
    kept = decimate(curve.step, curve.value, POINTS // 2)
    value = [float(f"{v:.{DIGITS}g}") if np.isfinite(v) else None for v in curve.value[kept].tolist()]
    return {"step": curve.step[kept].astype(int).tolist(), "value": value}
