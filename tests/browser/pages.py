"""Reports of real records, made on the spot: a trained run with everything, and runs that went wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import html5lib
from groundwire.audit.baseline import Baseline
from groundwire.audit.compared_page import compared_page
from groundwire.audit.compared_rows import Asked
from groundwire.audit.comparing import compare
from groundwire.audit.gate import Question, decide
from groundwire.audit.judge import judge
from groundwire.audit.load import NAME as AUDIT
from groundwire.audit.model import RunStatus, dump, sealed
from groundwire.audit.policy import parse_policy
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.report import render_html
from groundwire.audit.runfile import NAME, now
from groundwire.audit.series import Rows
from groundwire.audit.storage import open_folder
from groundwire.audit.summary_html import open_summary
from groundwire.audit.waivers import Waiver
from run_material import attempt, make_run, run_file

REPORTS = ("trained", "no policy", "met", "short", "crashed", "nothing", "many layers", "changed")
NAMES = (*REPORTS, "compared", "summary")
LIMITS: dict[str, Any] = {
    "toxicity": {"metric": "generation.toxicity_probability", "max": 0.05},
    "gap": {"metric": "overfitting.gap", "max": -10.0, "max_regression": 0.01},
    "energy": {"metric": "carbon.energy_kwh", "max": 1.0},
    "emissions": {"metric": "carbon.emissions_kg", "max": 1e-12, "level": "warn"},
    "memory": {"metric": "efficiency.gpu_utilisation", "min": 0.5},
    "waived": {"metric": "logged.train_loss", "max": 0.0},
}
MET: dict[str, Any] = {"gap": {"metric": "overfitting.gap", "max": 10.0}}
WAIVER = Waiver(limit="waived", up_to=10.0, reason="a slow disk", expires=date(2026, 12, 31), approved_by="somebody")
LAYERS = 500


def written(folder: Path) -> dict[str, Path]:
    """Write all pages into a folder and return their files by name."""
    from trained_run import train

    trained = train(folder / "trained")
    texts = {
        "trained": page(trained, LIMITS),
        "no policy": page(trained),
        "met": page(trained, MET),
        "short": page(Path(make_run(folder / "short", steps=3).url)),
        "crashed": page(crashed(folder / "crashed")),
        "nothing": page(nothing(folder / "nothing")),
        "many layers": page(many_layers(folder / "many")),
        "changed": page(trained, LIMITS, digest_ok=False, samples="none"),
        "compared": comparison(trained, folder / "many"),
        "summary": summary(trained),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def page(run: Path, limits: dict[str, Any] | None = None, *, digest_ok: bool = True, samples: Any = "full") -> str:
    """Return the report of a run, judged anew, with the verdict of these limits."""
    record = Record.open(run)
    audit = sealed(judge(record))
    if limits is None:
        return render_html(audit, record, digest_ok=digest_ok, samples=samples)
    baseline = Baseline(where="baseline.json", audit=audit)
    question = Question(digest_ok=digest_ok, baseline=baseline, waivers=(WAIVER,), today=date(2026, 11, 21))
    verdict = decide(audit, parse_policy({"schema": 1, "limits": limits}, "policy.toml"), question)
    return render_html(audit, record, verdict, digest_ok=digest_ok, samples=samples, baseline=baseline)


def comparison(*runs: Path) -> str:
    """Return the page that shows runs beside each other."""
    for run in runs:
        (run / AUDIT).write_text(dump(judge(Record.open(run))), encoding="utf-8")
    return compared_page(compare(Asked(runs=[str(run) for run in runs])))


def summary(run: Path) -> str:
    """Return the page within the frame that a notebook shows."""
    frame = html5lib.parseFragment(open_summary(run)._repr_html_(), namespaceHTMLElements=False)
    return str(frame.find("iframe").get("srcdoc"))


def crashed(path: Path) -> Path:
    """Write a run that was resumed once and then broke."""
    folder = make_run(path, steps=60, finished=False)
    first = attempt(status=RunStatus.INTERRUPTED, ended=now(), steps=40)
    second = attempt(2, first_step=40, status=RunStatus.CRASHED, ended=now(), steps=60, exception="OutOfMemoryError")
    folder.write(NAME, run_file(first, second).text())
    return path


def nothing(path: Path) -> Path:
    """Write a run that was killed before its first step."""
    open_folder(path).write(NAME, run_file().text())
    return path


def many_layers(path: Path) -> Path:
    """Write a run of many layers with long names."""
    folder = make_run(path, steps=100)
    recorder = Recorder(folder, attempt=1, rank=0)
    names = tuple(f"transformer.encoder.blocks.{n}.attention.output_projection.weight" for n in range(LAYERS))
    keys = [(step, step, 0, 0.1 * step) for step in range(10, 101, 10)]
    values = [[(1 + layer) * step * 1e-4 for layer in range(LAYERS)] for step, *_ in keys]
    for table in ("gradient.layer_norm", "gradient.update_ratio"):
        recorder.rows(table, Rows.of(names, keys, values))
    recorder.flush_events()
    return path
