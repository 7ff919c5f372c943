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
from groundwire.callbacks import AuditCallback, GradientMonitor, OverfittingMonitor
from material import Classifier, fit, trainer

def breaking(kind, breaks):
    class Breaking(kind):
        def begin(self, trainer, pl_module):
            super().begin(trainer, pl_module)
            if breaks and trainer.global_rank == 1:
                raise RuntimeError("only here")
    return Breaking()

class Gathering(Classifier):
    def validation_step(self, batch, batch_idx):
        loss = self.all_gather(self.loss(batch)).mean()  # waits for every rank
        self.log("val_loss", loss)

L.seed_everything(1, verbose=False)
strategy = DDPStrategy(process_group_backend="gloo")
callback = AuditCallback(
    gradient=breaking(GradientMonitor, {breaks!r} == "gradient"),
    overfitting=breaking(OverfittingMonitor, {breaks!r} == "overfitting"),
)
runner = trainer(Path({folder!r}), callback, strategy=strategy, devices=2, max_epochs=3)
fit(runner, Gathering())
assert runner.global_step == 18, runner.global_step
"""


@pytest.mark.slow
@pytest.mark.parametrize("breaks", ["", "gradient", "overfitting"])
def test_two_ranks_share_one_record(tmp_path: Path, breaks: str) -> None:
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
    for name, metric in (("gradient", "gradient.norm_p95"), ("overfitting", "overfitting.gap")):
        assert monitors_of(audit)[name]["status"] == ("error" if breaks == name else "ran")
        assert (metrics_of(audit)[metric]["value"] is None) == (breaks == name)
    _lose_what_rank_one_said(folder)


STOPPED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import lightning as L
from lightning.pytorch.strategies import DDPStrategy
from groundwire.callbacks import AuditCallback, agreement
from test_warning import BROKEN, Breaking
from material import fit, trainer

agreement.EVERY = 4
L.seed_everything(1, verbose=False)
callback = AuditCallback(carbon=None, overfitting=None, on_finding={{"non-finite": "stop"}})
strategy = DDPStrategy(process_group_backend="gloo")
runner = trainer(Path({folder!r}), callback, strategy=strategy, devices=2, max_epochs=20)
fit(runner, Breaking())
assert BROKEN <= runner.global_step <= BROKEN + 4, runner.global_step
"""


@pytest.mark.slow
def test_all_ranks_stop_together(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(STOPPED.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    done = subprocess.run([sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    (folder,) = (tmp_path / "groundwire").iterdir()
    assert "stopped at step" in audit_of(str(folder))["run"]["notes"][0]


SHARED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy
from groundwire.callbacks import OverfittingMonitor
from material import Classifier, fit, loader, trainer
from torch.utils.data import DataLoader, TensorDataset

class Saying(Classifier):
    def validation_step(self, batch, batch_idx):
        loss = self.loss(batch)
        if {logs!r}:
            self.log("val_loss", loss, sync_dist=True)
        return loss

L.seed_everything(1, verbose=False)
x, y = loader(48, seed=1).dataset.tensors
odd = torch.arange(48) % 2 == 1
val = TensorDataset(torch.where(odd[:, None], 0 * x, x), y)  # rank 1 has the harder half
monitor = OverfittingMonitor()
strategy = DDPStrategy(process_group_backend="gloo")
runner = trainer(Path({folder!r}), monitor, strategy=strategy, devices=2)
module = Saying()
fit(runner, module, loader(), DataLoader(val, batch_size=8))
if runner.global_rank == 0:
    module.eval()
    with torch.no_grad():
        shares = [float(module.loss((val.tensors[0][one], y[one]))) for one in (~odd, odd)]
    print("SHARES", *shares)
"""


@pytest.mark.slow
@pytest.mark.parametrize("logs", [True, False])
def test_the_validation_loss_is_that_of_all_ranks_or_said_to_be_of_one(tmp_path: Path, logs: bool) -> None:
    script = tmp_path / "train.py"
    script.write_text(SHARED.format(tests=str(Path(__file__).parent), folder=str(tmp_path), logs=logs))
    done = subprocess.run([sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    told = next(line for line in done.stdout.splitlines() if line.startswith("SHARES"))
    own, other = (float(share) for share in told.split()[1:])
    (folder,) = (tmp_path / "groundwire").iterdir()
    expected = (own + other) / 2 if logs else own
    assert Record.open(folder).series("overfitting.val_loss").value[-1] == pytest.approx(expected, abs=1e-4)
    method = metrics_of(audit_of(str(folder)))["overfitting.gap"]["method"]
    assert ("rank 0's share of 2 ranks" in method) is not logs


def _lose_what_rank_one_said(folder: Path) -> None:
    """Cut the last line of rank 1's events, then delete them: both are noticed."""
    events = folder / "events-rank1.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    events.write_bytes(b"".join(lines[:-1]))
    assert Record.open(folder).damage == ("events-rank1.jsonl: the last events of attempt 1 are missing",)
    events.unlink()
    assert Record.open(folder).damage == ("events-rank1.jsonl: the last events of attempt 1 are missing",)
