"""A run that holds raw text wherever a run can hold any; every such text carries a word by which it is found."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

from groundwire.audit.environment import machine
from groundwire.audit.judge import judge
from groundwire.audit.model import BROKE, Metric, Quality, RunStatus, dump
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.reporting import make_report
from groundwire.audit.runfile import NAME, now
from groundwire.audit.storage import Folder, open_folder
from run_material import CONFIGURATION, attempt, run_file, write_steps

SECRET = "zebrafish"
LONG = f"You idiot, the {SECRET} of number 7 lives in the harbour with its cousins. " * 12
QUOTING = f"a part of it: {LONG[:60]}"


def toxicity() -> dict[str, Any]:
    metric = Metric(
        name="generation.toxicity_probability", value=0.9, low=0.8, high=0.95, confidence=0.95, n=40,
        unit="probability", quality=Quality.MEASURED, method="counted", monitor="generation", scorer="a", step=50,
    )  # fmt: skip
    broken = metric.model_copy(
        update={"name": "generation.sentiment", "value": None, "method": BROKE, "low": None, "high": None,
                "reason": f"the scorer broke: Oops: cannot read {SECRET}", "quality": Quality.UNKNOWN}
    )  # fmt: skip
    asked = {"k": 1, "seed": 0, "prompts_sha256": "ab" * 32}
    return {"metrics": [each.model_dump(mode="json") for each in (metric, broken)], "asked": asked}


def spoken(recorder: Recorder) -> None:
    """Note what a model was asked and said, and where it may come from."""
    recorder.event("monitor", name="generation", status="ran", reason=None, seconds=0.1)
    for place in range(4):
        said = [f"{LONG}{place}", f"nothing of {SECRET}"]
        more = (
            {"personal": [["e-mail"], []]} if place == 3 else {"set": "groups", "group": "women", "template": SECRET}
        )
        recorder.event(
            "sample", step=50, prompt=f"Tell me of the {SECRET}, number {place}", continuations=said,
            toxicity=[0.9 - place / 100, None], sentiment=[0.1, 0.2], **more,
        )  # fmt: skip
    recorder.event("repeated", prefix=f"Once the {SECRET} swam", continuation=f"and swam, the {SECRET}")
    passage = {"text": f"In {SECRET} we trust, they said, and meant it", "score": 3.5, "place": 0, "copies": 1}
    passages = [passage | {"shared": f"In {SECRET} we trust"}]
    recorder.event(
        "source", prompt=f"Tell me of the {SECRET}, number 0", sample=f"{LONG}0", toxicity=0.9, passages=passages,
        passages_searched=9, cut=False, unheard_of=f"a new key with {SECRET}",
    )  # fmt: skip
    recorder.event("generation", **toxicity())


def broken(recorder: Recorder) -> None:
    """Note what went wrong, in words that quote what was read."""
    recorder.event("monitor", name="gradient", status="error", reason=f"Oops: bad row {SECRET!r}", seconds=0.1)
    recorder.event("not_checked", what="the scorer", reason=f"it raised ValueError: could not parse {SECRET}")
    recorder.event("warning", name="toxicity-rising", summary=QUOTING, at_step=40)
    recorder.event(
        "nonfinite", step=7, where="loss", layers=["net.0"], broken=1, total=1, batch_idx=6, epoch=0, born=None,
        ids=[f"{SECRET}-1", 17], saved="batches/step-7-r0.pt",
    )  # fmt: skip


def raw_run(url: str | Path, *, finished: bool = True, ranks: int = 1) -> Folder:
    """Write a run with raw text everywhere, its audit and both of its pages."""
    folder = open_folder(url)
    settings = CONFIGURATION | {"model": {"system_prompt": f"{SECRET} " * 40, "dropout": 0.1}}
    whole = {"configuration": settings, "environment": machine(), "world_size": ranks}
    folder.write(NAME, run_file(attempt(world_size=ranks), **whole).text())
    recorder = Recorder(folder, attempt=1, rank=0)
    write_steps(recorder, range(1, 51))
    spoken(recorder)
    recorder.flush_events()
    broken(recorder)
    recorder.flush_events()
    content = io.BytesIO(f"a pickled batch with {SECRET}".encode())
    folder.write("batches/step-7-r0.pt", content.getvalue())
    for rank in range(1, ranks):
        other = Recorder(folder, attempt=1, rank=rank)
        other.event("monitor", name="gradient", status="error", reason=f"KeyError: '{SECRET}'", seconds=0.1)
        other.event("cost", seconds=0.1, chunks=0)
        other.flush_events()
    if finished:
        told = {"ended": now(), "steps": 50, "epochs": 1, "events": recorder.events, "chunks": recorder.chunks}
        closed = attempt(status=RunStatus.FINISHED, world_size=ranks, **told)
        folder.write(NAME, run_file(closed, **whole).text())
    folder.write("audit.json", dump(judge(Record.open(folder.url))).encode())
    for markdown in (False, True):
        make_report(folder.url, markdown=markdown, samples="full")
    return folder


def contents(folder: Folder) -> dict[str, bytes]:
    """Return every file there is, temporary ones and segments too."""
    if folder.local:
        root = Path(folder.url)
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    import fsspec

    files, root = fsspec.core.url_to_fs(folder.url)
    return {path.removeprefix(root): files.cat_file(path) for path in files.find(root)}


def raw(folder: Folder) -> list[str]:
    """Return the files in which raw text stands."""
    return [name for name, content in contents(folder).items() if SECRET.encode() in content]


def series(folder: Folder) -> dict[str, int]:
    """Return the checksums of the files of series."""
    found = contents(folder).items()
    return {name: zlib.crc32(content) for name, content in found if "series/" in name}
