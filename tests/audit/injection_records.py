"""A trained record with payloads in the place of every text that a run can bring in."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.registry import SERIES
from groundwire.audit.runfile import NAME, RunFile
from groundwire.audit.storage import open_folder
from injection_places import Place, changed, free_keys, places

KEPT = 3  # events of each kind and make
FREE = {series.table for series in SERIES if series.by}


def document(record: Record) -> dict[str, Any]:
    """Return what of a record is text: run.json, events, and columns that are named by the user."""
    seen: Counter[Any] = Counter()
    events = []
    for event in record._events:
        seen[make := (event["kind"], *sorted(key for key in event if event[key]))] += 1
        if seen[make] <= KEPT:
            events.append(json.loads(json.dumps(event)))
    columns = [list(part.rows.columns) if part.table in FREE else [] for part in record._parts]
    return {"run": record.run.model_dump(mode="json"), "events": events, "columns": columns}


def found(told: Mapping[str, Any]) -> list[Place]:
    """Return the places of texts in such a document; what a key of an event says is said by us."""
    free = free_keys(RunFile)
    listed = [*places(told["run"], lambda path: free(path[1:]), ("run",)), *places(told["events"], _no, ("events",))]
    return [*listed, *places(told["columns"], _no, ("columns",))]


def _no(_: Any) -> bool:
    return False


def rebuilt(record: Record, told: Mapping[str, Any], texts: Mapping[Place, str]) -> Record:
    """Return the record that says this."""
    new = changed(told, texts)
    parts = tuple(
        dataclasses.replace(part, rows=dataclasses.replace(part.rows, columns=tuple(columns))) if columns else part
        for part, columns in zip(record._parts, new["columns"], strict=True)
    )
    run = RunFile.model_validate(new["run"], strict=False)
    return dataclasses.replace(record, run=run, _parts=parts, _events=tuple(new["events"]))


def stored(record: Record, path: Path) -> Path:
    """Write a record into a folder, as far as a recorder can write what it says."""
    folder = open_folder(path)
    recorder = Recorder(folder, attempt=1, rank=0)
    for part in record._parts:
        recorder.rows(part.table, part.rows)
    for event in record._events:
        head = ("n", "kind", "attempt", "rank", "time", "step")
        recorder.event(event["kind"], step=event["step"], **{k: v for k, v in event.items() if k not in head})
    recorder.flush_events()
    ends = {"events": recorder.events, "chunks": recorder.chunks}
    attempt = record.run.attempts[0].model_copy(update=ends)
    folder.write(NAME, record.run.model_copy(update={"attempts": [attempt]}).text())
    return path
