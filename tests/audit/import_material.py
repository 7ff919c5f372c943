"""Files of scores as other tools write them, and a run with checkpoints that the scores are of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from groundwire.audit.judge import judge
from groundwire.audit.model import dump
from groundwire.audit.record import Record
from groundwire.audit.recorder import Recorder
from groundwire.audit.runfile import NAME
from groundwire.audit.storage import open_folder
from run_material import close_run, run_file, write_steps

# Written by lm-evaluation-harness 0.4.13 (model `dummy`, three small tasks of its own, `--limit 25`), without
# `configs` and `pretty_env_info`.
HARNESS: dict[str, Any] = {
    "results": {
        "toy_a": {
            "name": "toy_a", "alias": "toy_a", "sample_len": 25,
            "acc,none": 0.36, "acc_stderr,none": 0.09797958971132711,
            "acc_norm,none": 0.36, "acc_norm_stderr,none": 0.09797958971132711,
        },
        "toy_b": {
            "name": "toy_b", "alias": "toy_b", "sample_len": 25,
            "acc,none": 0.48, "acc_stderr,none": 0.10198039027185572,
            "acc_norm,none": 0.44, "acc_norm_stderr,none": 0.10132456102380442,
        },
        "toy_gen": {
            "name": "toy_gen", "alias": "toy_gen", "sample_len": 25,
            "exact_match,strict-match": 0.0, "exact_match_stderr,strict-match": 0.0,
            "exact_match,flexible-extract": 0.0, "exact_match_stderr,flexible-extract": 0.0,
        },
        "toy": {
            "alias": "toy", "name": "toy", "sample_len": 50, "acc,none": 0.42,
            "acc_stderr,none": 0.07071067811865475, "sample_count": {"acc,none": 50},
        },
    },
    "groups": {
        "toy": {
            "alias": "toy", "name": "toy", "sample_len": 50, "acc,none": 0.42,
            "acc_stderr,none": 0.07071067811865475, "sample_count": {"acc,none": 50},
        },
    },
    "group_subtasks": {"toy": ["toy_a", "toy_b"]},
    "versions": {"toy": "1.0", "toy_a": 1.0, "toy_b": 1.0, "toy_gen": "Yaml"},
    "n-shot": {"toy": 0, "toy_a": 0, "toy_b": 0, "toy_gen": 0},
    "higher_is_better": {
        "toy": {"acc": True, "acc_norm": True}, "toy_a": {"acc": True, "acc_norm": True},
        "toy_b": {"acc": True, "acc_norm": True}, "toy_gen": {"exact_match": True},
    },
    "n-samples": {task: {"original": 40, "effective": 25} for task in ("toy_a", "toy_b", "toy_gen")},
    "config": {"model": "dummy", "model_args": {}, "batch_size": 1, "limit": 25.0, "bootstrap_iters": 100000},
    "git_hash": None, "date": 1795270864.2322025, "lm_eval_version": "0.4.13", "transformers_version": "5.23.0",
    "task_hashes": {}, "model_source": "dummy", "model_name": "dummy", "total_evaluation_time_seconds": "8.76",
}  # fmt: skip

CHECKPOINTS = {20: b"weights of step 20", 50: b"weights of step 50"}


def harness(**tasks: dict[str, Any]) -> dict[str, Any]:
    """Return a results file of these tasks, each evaluated on 100 documents."""
    counts = {task: {"original": 100, "effective": 100} for task in tasks}
    return {"results": tasks, "versions": dict.fromkeys(tasks, 1.0), "n-samples": counts, "lm_eval_version": "0.4.13"}


def written(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def run_with_checkpoints(folder: Path, *, digests: bool = True) -> Path:
    """Write a judged run that kept `<step>.ckpt` beside it for each of `CHECKPOINTS`."""
    run = open_folder(folder / "run")
    run.write(NAME, run_file().text())
    recorder = Recorder(run, attempt=1, rank=0)
    write_steps(recorder, range(1, 51))
    for step, content in CHECKPOINTS.items():
        path = folder / f"{step}.ckpt"
        path.write_bytes(content)
        digest = {"file_sha256": hashlib.sha256(content).hexdigest()} if digests else {}
        recorder.event("checkpoint", path=str(path), at_step=step, **digest)
    recorder.flush_events()
    close_run(run, recorder, 50)
    run.write("audit.json", dump(judge(Record.open(run.url))).encode())
    return folder / "run"
