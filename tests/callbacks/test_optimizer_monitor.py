"""Facts about optimizers and weights, and gradients that stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, OptimizerMonitor
from material import Adversarial, Classifier, audit_of, fit, loader, trainer
from torch import nn


def names_of(callback: AuditCallback) -> list[str]:
    return [finding["name"] for finding in audit_of(callback.folder)["findings"]]


def test_facts_name_parameters_schedules_and_equal_rows(tmp_path: Path) -> None:
    class Odd(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.extra = nn.Linear(4, 4)
            self.frozen = nn.Linear(4, 4).requires_grad_(False)
            nn.init.constant_(self.net[0].weight, 0.3)

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.net.parameters(), lr=1e-3, weight_decay=0.2)
            return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]

    monitor = OptimizerMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=2), Odd())
    (event,) = Record.open(monitor.folder or "").events("optimizer.facts")
    assert event["unoptimised"] == ["extra.weight", "extra.bias"]
    assert [item["name"] for item in event["alike"]] == ["net.0.weight"]
    assert event["schedules"] == [{"name": "ExponentialLR", "interval": "epoch", "frequency": 1}]


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("clears", [True, False])
def test_gradients_that_nobody_clears_are_noticed(tmp_path: Path, accumulate: int, clears: bool) -> None:
    class Forgetful(Classifier):
        def optimizer_zero_grad(self, *arguments: Any) -> None:
            if clears:
                super().optimizer_zero_grad(*arguments)

    callback = AuditCallback(carbon=None, overfitting=None)
    fit(trainer(tmp_path, callback, accumulate_grad_batches=accumulate), Forgetful(lr=1e-3))
    left = Record.open(callback.folder or "").series("optimizer.stale_norm").value
    assert (left > 0).mean() == 0 if clears else (left > 0).mean() > 0.6  # a validation clears them as well
    if accumulate == 1:
        assert ("missing-zero-grad" in names_of(callback)) == (not clears)


@pytest.mark.slow
def test_parameters_that_no_gradient_reaches_are_named(tmp_path: Path) -> None:
    class Cut(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.side = nn.Linear(8, 2)

        def loss(self, batch: Any) -> torch.Tensor:
            out = self.net(batch[0]) + self.side(batch[0]).detach()
            return nn.functional.cross_entropy(out, batch[1])

    callback = AuditCallback(carbon=None)
    fit(trainer(tmp_path, callback), Cut())
    (event,) = Record.open(callback.folder or "").events("gradient.reach")
    assert event["never"] == ["side.weight", "side.bias"]
    assert "parameter-never-updated" in names_of(callback)


@pytest.mark.slow
def test_what_clipping_left_is_measured(tmp_path: Path) -> None:
    callback = AuditCallback(carbon=None, overfitting=None)
    fit(trainer(tmp_path, callback, gradient_clip_val=0.01), Classifier())
    record = Record.open(callback.folder or "")
    ratio, norm = record.series("gradient.clip_ratio"), record.series("gradient.norm")
    before = norm.value[ratio.step - 1]
    assert (ratio.value * before).tolist() == pytest.approx([0.01] * len(before), rel=1e-3)


def test_by_hand_leftovers_are_not_judged(tmp_path: Path) -> None:
    monitor = OptimizerMonitor()
    trainer(tmp_path, monitor).fit(Adversarial(), loader())
    record = Record.open(monitor.folder or "")
    assert len(record.series("optimizer.stale_norm")) == 0
    assert record.events("optimizer.facts")[0]["automatic"] is False


def test_samples_stop_where_the_budget_is_spent_and_norms_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwire.callbacks import purse

    monkeypatch.setattr(purse, "GRACE_S", 0.0)
    few = AuditCallback(carbon=None, overhead_budget=1e-9)
    fit(trainer(tmp_path, few), Classifier())
    record = Record.open(few.folder or "")
    assert len(record.series("gradient.norm")) == 36
    assert record.series("gradient.clip_ratio").step.tolist() == list(range(1, 21))


@pytest.mark.parametrize("budget", [0, 1.5, "a lot"])
def test_a_budget_is_a_share(budget: Any) -> None:
    with pytest.raises(ValueError, match="overhead_budget"):
        AuditCallback(overhead_budget=budget)
