"""A policy enforced with two ranks: both raise, none waits for the other, and the script ends with an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy
from groundwire.callbacks import AuditCallback, PolicyNotMetError
from groundwire.audit.gating import Inputs
from material import Classifier, fit, trainer

torch.set_num_threads(1)
L.seed_everything(1, verbose=False)
folder, how = Path({folder!r}), {how!r}

def broken(self, run):
    raise RuntimeError("judging broke")

if how == "breaks":
    Inputs.judged = broken  # called on rank zero only
strategy = DDPStrategy(process_group_backend="gloo")
callback = AuditCallback(policy=folder / "policy.toml", enforce=True, generation=None, carbon=None)
runner = trainer(folder, callback, strategy=strategy, devices=2, max_epochs=2)
try:
    fit(runner, Classifier())
except PolicyNotMetError as error:
    (folder / f"raised-{{runner.global_rank}}").write_text(f"{{error.exit_code}} {{error}}")
    raise
(folder / f"passed-{{runner.global_rank}}").write_text("")
"""
LIMIT = 'schema = 1\n[limits.it]\nmetric = "{metric}"\nmax = {most}\n'
POLICIES = {
    "met": LIMIT.format(metric="gradient.nonfinite_steps", most=0),
    "failed": LIMIT.format(metric="logged.val_loss", most=0.0001),
    "unknown": LIMIT.format(metric="generation.toxicity_probability", most=0.1),
    "breaks": LIMIT.format(metric="gradient.nonfinite_steps", most=0),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("met", ""),
        ("failed", "1 GATE: FAIL (1 failed)"),
        ("unknown", "3 GATE: UNKNOWN (1 unknown)"),
        ("breaks", "3 GATE: UNKNOWN (the run was not judged)"),
    ],
)
def test_every_rank_hears_the_verdict(tmp_path: Path, how: str, told: str) -> None:
    (tmp_path / "policy.toml").write_text(POLICIES[how])
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path), how=how))
    done = subprocess.run([sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, timeout=240)
    ranks = [tmp_path / f"{'raised' if told else 'passed'}-{rank}" for rank in (0, 1)]
    assert [path.read_text() for path in ranks if path.exists()] == [told, told], done.stderr[-2000:]
    assert (done.returncode != 0) is bool(told)
    (folder,) = (tmp_path / "groundwire").iterdir()
    assert (folder / "audit.json").exists()
    assert (folder / "report.html").exists()
