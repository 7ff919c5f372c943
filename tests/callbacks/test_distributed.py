"""Two ranks on the CPU: one record, no hang, whatever one of them does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from groundwire.audit.record import Record
from material import audit_of, metrics_of, monitors_of

SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import lightning as L
from lightning.pytorch.strategies import DDPStrategy
from groundwire.callbacks import AuditCallback, GradientMonitor
from material import Classifier, fit, trainer

class Breaking(GradientMonitor):
    def begin(self, trainer, pl_module):
        super().begin(trainer, pl_module)
        if {breaks} and trainer.global_rank == 1:
            raise RuntimeError("only here")

L.seed_everything(1, verbose=False)
strategy = DDPStrategy(process_group_backend="gloo")
callback = AuditCallback(gradient=Breaking())
runner = trainer(Path({folder!r}), callback, strategy=strategy, devices=2, max_epochs=3)
fit(runner, Classifier())
assert runner.global_step == 18, runner.global_step
"""


@pytest.mark.slow
@pytest.mark.parametrize("breaks", [False, True])
def test_two_ranks_share_one_record(tmp_path: Path, breaks: bool) -> None:
    code = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path), breaks=breaks)
    script = tmp_path / "train.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    (folder,) = (tmp_path / "groundwire").iterdir()
    record = Record.open(folder)
    assert record.run.world_size == 2
    assert record.series("train.loss").step.tolist() == list(range(1, 19))
    assert not record.damage
    assert {event["rank"] for event in record.events("monitor")} == {0, 1}
    audit = audit_of(str(folder))
    assert audit["run"]["status"] == "finished"
    assert monitors_of(audit)["gradient"]["status"] == ("error" if breaks else "ran")
    assert metrics_of(audit)["overfitting.gap"]["value"] is not None
