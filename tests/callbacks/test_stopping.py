"""EarlyStoppingByGap stops where the paper's criterion says so, and says why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from groundwire.audit.errors import UsageError
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, EarlyStoppingByGap
from lightning.pytorch.callbacks import ModelCheckpoint
from material import Adversarial, Classifier, audit_of, fit, loader, trainer

STEPS = 12  # in an epoch


class Scripted(Classifier):
    """Logs the validation losses of a script, one an epoch, and returns the training losses of another."""

    def __init__(self, validation: list[float], training: list[float] | None = None) -> None:
        super().__init__()
        self.script, self.training_script = validation, training

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = self.loss(batch)
        known = self.training_script
        if known is None:
            return loss
        return loss * 0 + known[self.current_epoch] + (0.5 if batch_idx % 2 else -0.5)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.script[self.current_epoch])


def stopped_at(tmp_path: Path, module: L.LightningModule, callback: EarlyStoppingByGap, **options: Any) -> int:
    runner = trainer(tmp_path, callback, **{"max_epochs": len(getattr(module, "script", ())) or 3} | options)
    fit(runner, module)
    return runner.global_step // STEPS


def test_gl_stops_above_its_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callback = EarlyStoppingByGap(criterion="gl", threshold=10)
    losses = [2.0, 1.0, 1.09, 1.1001, 0.5, 0.5]
    assert stopped_at(tmp_path, Scripted(losses), callback) == 4
    assert callback.reason == "GL 10 %, limit 10 %: the validation loss stands 10 % above its lowest"
    assert f"stopped the training at step 48: {callback.reason}" in capsys.readouterr().err


def test_a_falling_loss_is_never_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for criterion in ("gl", "pq", "up"):
        callback = EarlyStoppingByGap(criterion=criterion, threshold=1, strip=2)
        assert stopped_at(tmp_path, Scripted([1 / (1 + i) for i in range(6)]), callback) == 6
        assert callback.reason == ""
    assert "EarlyStoppingByGap" not in capsys.readouterr().err


def test_pq_waits_while_training_still_gains(tmp_path: Path) -> None:
    validation = [1.0, 1.0, 1.05, 1.05, 1.05, 1.05, 1.05, 1.05]
    # By the mean of the returned losses: P₂ is 500, 500, 500 and then 0 in the last strip.
    training = [4.0, 2.0, 4.0, 2.0, 4.0, 2.0, 2.0, 2.0]
    callback = EarlyStoppingByGap(criterion="pq", threshold=0.1, strip=2)
    assert stopped_at(tmp_path, Scripted(validation, training), callback) == 8
    assert callback.reason.startswith("PQ inf, limit 0.1")
    eager = EarlyStoppingByGap(criterion="pq", threshold=0.009, strip=2)
    assert stopped_at(tmp_path, Scripted(validation, training), eager) == 4


def test_pq_takes_the_same_training_loss_under_accumulation(tmp_path: Path) -> None:
    validation = [1.0, 1.0, 1.05, 1.05, 1.05]
    training = [4.0, 2.0, 4.0, 2.0, 2.0]
    values = []
    for accumulate in (1, 3):
        callback = EarlyStoppingByGap(criterion="pq", threshold=0.009, strip=2)
        fit(
            trainer(tmp_path, callback, max_epochs=5, accumulate_grad_batches=accumulate),
            Scripted(validation, training),
        )
        values.append(callback.reason)
    assert values[0] == values[1] != ""


def test_up_counts_strips_end_to_end_and_only_whole_ones(tmp_path: Path) -> None:
    # Ends of strips: 1.0, 1.1, 1.2; within strips the loss falls.
    losses = [2.0, 1.0, 0.9, 1.1, 0.8, 1.2, 0.1, 0.1]
    assert stopped_at(tmp_path, Scripted(losses), EarlyStoppingByGap(criterion="up", threshold=2, strip=2)) == 6
    assert stopped_at(tmp_path, Scripted(losses), EarlyStoppingByGap(criterion="up", threshold=3, strip=2)) == 8
    assert stopped_at(tmp_path, Scripted([-3.0, -2.0, -1.0, 0.0]),
                      EarlyStoppingByGap(criterion="up", threshold=2, strip=1)) == 3  # fmt: skip


def test_min_epochs_are_kept_and_only_the_end_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callback = EarlyStoppingByGap(threshold=10)
    assert stopped_at(tmp_path, Scripted([1.0, 2.0, 2.0, 3.0, 3.0]), callback, min_epochs=4) == 4
    assert callback.reason.startswith("GL 200 %")
    assert capsys.readouterr().err.count("EarlyStoppingByGap") == 1


def test_the_sanity_check_counts_for_nothing(tmp_path: Path) -> None:
    class Sanity(Scripted):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", 0.001 if self.trainer.sanity_checking else self.script[self.current_epoch])

    assert stopped_at(tmp_path, Sanity([1.0, 1.0]), EarlyStoppingByGap(), num_sanity_val_steps=2) == 2


def test_losses_that_are_not_positive_switch_ratios_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    audit = AuditCallback()
    runner = trainer(tmp_path, EarlyStoppingByGap(), audit, max_epochs=4)
    fit(runner, Scripted([1.0, -1.0, 5.0, 9.0]))
    assert runner.global_step == 48
    assert sum("take criterion='up'" in record.message for record in caplog.records) == 1
    told = [item for item in audit_of(audit.folder)["not_checked"] if item["what"] == "EarlyStoppingByGap"]
    assert "not positive" in told[0]["reason"]


def test_a_loss_that_is_not_finite_is_left_out(tmp_path: Path) -> None:
    assert stopped_at(tmp_path, Scripted([1.0, float("nan"), 1.0, 1.2, 1.2]), EarlyStoppingByGap()) == 4


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 1])
def test_the_record_notes_it(tmp_path: Path, place: int) -> None:
    audit = AuditCallback()
    callbacks: list[L.Callback] = [EarlyStoppingByGap(threshold=10)]
    callbacks.insert(place, audit)
    fit(trainer(tmp_path, *callbacks, max_epochs=5), Scripted([1.0, 1.0, 2.0, 2.0, 2.0]))
    (event,) = Record.open(audit.folder or "").events("stopped")
    assert (event["name"], event["criterion"], event["at_step"]) == ("EarlyStoppingByGap", "gl", 36)
    assert (event["value"], event["limit"]) == (pytest.approx(100), 10)
    assert event["reason"].startswith("GL 100 %, limit 10 %")
    assert "stopped at step 36" in audit_of(audit.folder)["run"]["notes"][0]


@pytest.mark.slow
@pytest.mark.parametrize("kept", [2, 3, 5])
def test_a_resumed_run_stops_where_the_whole_one_does(tmp_path: Path, kept: int) -> None:
    validation = [1.0, 1.0, 1.02, 1.02, 1.02, 1.05, 1.1, 1.1, 1.1, 1.1]
    training = [4.0, 2.0, 4.0, 2.0, 4.0, 3.0, 3.0, 2.9, 2.9, 2.9]

    def run(epochs: int, path: str | None = None) -> tuple[int, str]:
        callback = EarlyStoppingByGap(criterion="pq", threshold=0.2, strip=2)
        checkpoint = ModelCheckpoint(tmp_path / "kept", save_top_k=-1, filename="{step}")
        runner = trainer(tmp_path, checkpoint, callback, max_epochs=epochs, enable_checkpointing=True)
        fit(runner, Scripted(validation, training), ckpt_path=path)
        return runner.global_step, callback.reason

    whole = run(10)
    assert whole[0] == 8 * STEPS
    assert run(10, str(tmp_path / "kept" / f"step={kept * STEPS}.ckpt")) == whole


def test_its_state_is_plain_and_its_own(tmp_path: Path) -> None:
    callback = EarlyStoppingByGap(criterion="pq", threshold=50, strip=2)
    fit(trainer(tmp_path, callback), Scripted([1.0, 1.1, 1.2], [3.0, 2.0, 1.0]))
    state = callback.state_dict()
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    assert state["course"]["training"] == [3.0, 2.0, 1.0]
    keys = {EarlyStoppingByGap(criterion=c).state_key for c in ("gl", "pq", "up")}
    assert len(keys) == 3
    fit(trainer(tmp_path, callback), Scripted([1.0, 1.1, 1.2], [3.0, 2.0, 1.0]))
    assert len(callback.state_dict()["course"]["steps"]) == 3  # a second fit begins anew


def test_a_name_that_is_not_logged_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no 'valid_loss' is logged .* but train_loss, val_loss: set monitor="):
        fit(trainer(tmp_path, EarlyStoppingByGap(monitor="valid_loss")), Classifier())

    class Playing(Adversarial):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", 1.0)

    with pytest.raises(UsageError, match=r"training_step returns no loss; .* train_monitor="):
        fit(trainer(tmp_path, EarlyStoppingByGap(criterion="pq")), Playing())


def test_a_logged_training_loss_can_be_taken(tmp_path: Path) -> None:
    class Logging(Scripted):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            self.log("level", [4.0, 2.0, 2.0, 2.0][self.current_epoch])
            return self.loss(batch)

    callback = EarlyStoppingByGap(criterion="pq", train_monitor="level", strip=2, threshold=1000)
    assert stopped_at(tmp_path, Logging([1.0, 1.0, 1.1, 1.1]), callback) == 4
    assert callback.state_dict()["course"]["training"] == [4.0, 2.0, 2.0, 2.0]
    assert "PQ inf" in callback.reason


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"criterion": "gap"}, "criterion must be one of gl, pq, up"),
        ({"threshold": 0}, "threshold must be a positive number"),
        ({"threshold": True}, "threshold must be a positive number"),
        ({"criterion": "up", "threshold": 2.5}, "threshold must be a whole number"),
        ({"criterion": "pq", "strip": 1}, "strip must be a whole number of at least 2"),
        ({"strip": 0}, "strip must be a whole number of at least 1"),
        ({"monitor": ""}, "monitor must be the name"),
        ({"train_monitor": 3}, "train_monitor must be the name"),
    ],
)
def test_wrong_stopping_options_are_named(option: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        EarlyStoppingByGap(**option)


def test_nothing_but_the_end_changes(tmp_path: Path) -> None:
    def run(*callbacks: L.Callback) -> tuple[dict[str, Any], Any]:
        L.seed_everything(3, verbose=False)
        module = Classifier()
        fit(trainer(tmp_path, *callbacks), module, loader(shuffle=True), loader(24, seed=1))
        return {name: value.clone() for name, value in module.state_dict().items()}, torch.get_rng_state()

    plain, state = run()
    watched, watched_state = run(*[EarlyStoppingByGap(criterion=c, threshold=1e6) for c in ("gl", "pq", "up")])
    assert all(torch.equal(value, watched[name]) for name, value in plain.items())
    assert torch.equal(state, watched_state)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import lightning as L
from lightning.pytorch.strategies import DDPStrategy
from groundwire.callbacks import AuditCallback, EarlyStoppingByGap
from material import Classifier, fit, trainer

class Ranked(Classifier):
    def validation_step(self, batch, batch_idx):
        # Rank 0 alone would stop after epoch 2, rank 1 never; their mean passes 10 % after epoch 4.
        rise = [0.0, 0.11, 0.11, 0.3, 0.3, 0.3][self.current_epoch]
        self.log("val_loss", 1.0 + (rise if self.global_rank == 0 else 0.0))

L.seed_everything(1, verbose=False)
strategy = DDPStrategy(process_group_backend="gloo")
stopping = EarlyStoppingByGap(threshold=10)
runner = trainer(Path({folder!r}), stopping, AuditCallback(carbon=None), strategy=strategy, devices=2, max_epochs=6)
fit(runner, Ranked())
assert runner.global_step == 24, runner.global_step
assert stopping.reason.startswith("GL 15 %"), stopping.reason
"""


@pytest.mark.slow
def test_ranks_stop_together_by_the_mean_of_their_losses(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    done = subprocess.run([sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.count("EarlyStoppingByGap stopped") == 1
    (folder,) = (tmp_path / "groundwire").iterdir()
    assert len(Record.open(folder).events("stopped")) == 1
