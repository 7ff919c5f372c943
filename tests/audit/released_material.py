"""A judged run with checkpoints that hold tensors, and files that were made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from groundwire.audit.environment import machine
from groundwire.audit.judge import judge
from groundwire.audit.model import RunStatus, dump
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.runfile import NAME, now
from groundwire.audit.storage import open_folder
from groundwire.audit.tensors import file_sha256, tensors_sha256
from run_material import attempt, run_file, write_steps


def state(step: int) -> dict[str, Any]:
    import torch

    generator = torch.Generator().manual_seed(step)
    return {"net.weight": torch.randn(4, 3, generator=generator), "net.bias": torch.randn(4, generator=generator)}


def checkpoint(path: Path, step: int, **more: Any) -> Path:
    import torch

    torch.save({"global_step": step, "pytorch-lightning_version": "2.6.6", "state_dict": state(step)} | more, path)
    return path


def export(path: Path, tensors: dict[str, Any]) -> Path:
    from safetensors.torch import save_file

    save_file(tensors, path)
    return path


def released_run(folder: Path, *, files: bool = True, tensors: bool = True) -> Path:
    """Write a run that kept `best.ckpt` of step 20 and `last.ckpt` of step 50, with the digests asked for."""
    run = open_folder(folder / "run")
    run.write(NAME, run_file().text())
    recorder = Recorder(run, attempt=1, rank=0)
    write_steps(recorder, range(1, 51))
    for name, step in (("best", 20), ("last", 50)):
        path = checkpoint(folder / f"{name}.ckpt", step)
        digests = {"file_sha256": file_sha256(path) if files else None}
        digests |= {"tensors_sha256": tensors_sha256(path) if tensors else None}
        recorder.event("checkpoint", path=str(path), at_step=step, **digests)
    recorder.flush_events()
    ended = {"ended": now(), "steps": 50, "epochs": 1, "events": recorder.events, "chunks": recorder.chunks}
    closed = attempt(status=RunStatus.FINISHED, **ended)
    run.write(NAME, run_file(closed, environment=machine()).text())
    run.write("audit.json", dump(judge(Record.open(run.url))).encode())
    return folder / "run"


def edited(run: Path, name: str, before: str, after: str) -> None:
    """Change a text file of a run as with an editor."""
    text = (run / name).read_text()
    assert before in text
    (run / name).write_text(text.replace(before, after, 1))


def document(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "audit.json").read_text()))
