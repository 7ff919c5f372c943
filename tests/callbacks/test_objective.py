"""What is seen of the loss functions that a step calls, and what a run keeps of it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from groundwire.audit.record import Record
from groundwire.callbacks import ActivationMonitor, AuditCallback
from groundwire.callbacks.criteria import FACTS, MOST_CALLS, Criterion
from groundwire.callbacks.observer import LossWatch, Observer
from material import Adversarial, Classifier, Returning, fit, loader, trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import _get_current_function_mode_stack

LABELS = torch.tensor([0, 2, 1, 2, 0, 1])
LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)) * 3
ONE_HOT = F.one_hot(LABELS, 3).float()


def noted(call: Callable[[Tensor], Tensor], given: Tensor = LOGITS) -> tuple[Criterion, dict[str, float]]:
    """Return what is seen of a loss of outputs that can be differentiated, and its facts by name."""
    observer = Observer({}, whole=False)
    outputs = given.clone().requires_grad_()
    with observer:
        call(outputs)
    assert observer.problem is None
    (criterion,) = observer.seen.criteria
    return criterion, dict(zip(FACTS, criterion.numbers.tolist(), strict=True))


@pytest.mark.parametrize(
    ("call", "probable"),
    [
        (lambda x: F.cross_entropy(x, LABELS), 0),
        (lambda x: F.cross_entropy(x.softmax(1), LABELS), 1),
        (lambda x: nn.CrossEntropyLoss(reduction="none")(input=x.softmax(1), target=LABELS), 1),
        (lambda x: F.cross_entropy(x.softmax(1).half().float(), LABELS), 1),
        (lambda x: F.cross_entropy(x.log_softmax(1), LABELS), 0),  # the same as once
        (lambda x: F.nll_loss(x.softmax(1), LABELS), 1),
        (lambda x: F.nll_loss(x.log_softmax(1), LABELS), 0),
        (lambda x: F.kl_div(x.log_softmax(1), LOGITS.softmax(1)), 0),  # distillation
        (lambda x: F.kl_div(x.softmax(1), LOGITS.softmax(1)), 1),
        (lambda x: F.cross_entropy(x, LOGITS.softmax(1)), 0),  # targets may be probabilities
        (lambda x: F.cross_entropy(x.softmax(1).T[None], LABELS[None]), 1),  # of positions
        (lambda x: F.binary_cross_entropy_with_logits(x.sigmoid(), ONE_HOT), 1),
        (lambda x: F.binary_cross_entropy_with_logits(x, ONE_HOT), 0),
        (lambda x: F.binary_cross_entropy(x.sigmoid(), ONE_HOT), 0),
    ],
)
@pytest.mark.filterwarnings("ignore:reduction")
def test_probabilities_where_logits_belong_are_seen(call: Callable[[Tensor], Tensor], probable: int) -> None:
    assert noted(call)[1]["probabilities"] == probable


@pytest.mark.parametrize(
    ("call", "given", "fact"),
    [
        (lambda x: F.mse_loss(x, ONE_HOT), LOGITS, "one_hot"),
        (lambda x: F.smooth_l1_loss(x, ONE_HOT), LOGITS, "one_hot"),
        (lambda x: F.mse_loss(x, ONE_HOT + 0.01), LOGITS, ""),
        (lambda x: F.mse_loss(x @ x.T, torch.eye(6)), LOGITS, ""),  # views of one example agree
        (lambda x: F.mse_loss(x, torch.tensor([[1.0, 0.0, 0.0]]).expand(6, 3)), LOGITS, ""),  # one constant
        (lambda x: F.mse_loss(x, torch.zeros(6)), LOGITS[:, :1], "broadcast"),
        (lambda x: F.l1_loss(x[:, 0], torch.zeros(6, 1)), LOGITS, "broadcast"),
        (lambda x: F.mse_loss(x, torch.zeros(())), LOGITS, ""),
        (lambda x: F.mse_loss(x, torch.zeros(1, 3)), LOGITS, ""),
        (lambda x: F.mse_loss(x[:1, :1], torch.zeros(1)), LOGITS, ""),  # one example, last of an epoch
        (lambda x: F.cross_entropy(x, torch.randn(6, 1)), LOGITS[:, :1], "improper"),
        (lambda x: F.cross_entropy(x, LOGITS), LOGITS, "improper"),
        (lambda x: F.cross_entropy(x, ONE_HOT * -2.0), LOGITS, ""),  # one class, weighed by a reward
        (lambda x: F.nll_loss(x, LABELS), LOGITS, "improper"),
        (lambda x: F.binary_cross_entropy_with_logits(x, 2 * ONE_HOT - 1), LOGITS, "improper"),
        (lambda x: F.binary_cross_entropy_with_logits(x, 1.2 * ONE_HOT), LOGITS, ""),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_wrong_losses_are_seen(call: Callable[[Tensor], Tensor], given: Tensor, fact: str) -> None:
    facts = noted(call, given)[1]
    assert {name for name in ("one_hot", "broadcast", "improper") if facts[name]} == ({fact} if fact else set())


def test_targets_that_are_also_inputs_are_an_autoencoder() -> None:
    weight = torch.randn(3, 3, requires_grad=True)
    observer = Observer({}, whole=False)
    with observer:
        F.mse_loss(F.linear(ONE_HOT, weight), ONE_HOT)
        F.mse_loss(F.linear(LOGITS, weight), ONE_HOT.clone())
    assert [float(c.numbers[FACTS.index("one_hot")]) for c in observer.seen.criteria] == [0.0, 1.0]


def test_classes_are_counted_and_ignored_ones_left_out() -> None:
    labels = torch.tensor([0, 2, -100, 2, 0, 1])
    criterion, facts = noted(lambda x: F.cross_entropy(x, labels, weight=torch.ones(3)))
    kept = labels >= 0
    hits = [int(((LOGITS.argmax(1) == k) & (labels == k)).sum()) for k in range(3)]
    assert criterion.counts is not None
    assert criterion.counts.tolist() == [[2, 1, 2], hits]
    assert (criterion.weighted, criterion.classes, criterion.rows) == (True, 3, 6)
    assert facts["value"] == pytest.approx(float(F.cross_entropy(LOGITS[kept], labels[kept])))
    assert facts["logit_max"] == pytest.approx(float((LOGITS - LOGITS.mean(1, keepdim=True)).abs().max()))


def test_one_logit_an_example_is_two_classes_and_vocabularies_are_none() -> None:
    criterion, _ = noted(
        lambda x: F.binary_cross_entropy_with_logits(x, (LABELS > 0).float()[:, None]), LOGITS[:, :1]
    )
    assert criterion.counts is not None
    assert criterion.counts[0].tolist() == [2, 4]
    assert noted(lambda x: F.cross_entropy(x, LABELS), torch.randn(6, 101))[0].counts is None
    assert noted(lambda x: F.binary_cross_entropy_with_logits(x, ONE_HOT))[0].counts is None


def test_masks_and_what_rows_have_in_common_are_no_large_logits() -> None:
    masked = LOGITS.clone()
    masked[:, 0] = -1e9
    assert noted(lambda x: F.cross_entropy(x, LABELS.clamp_min(1)), masked)[1]["logit_max"] < 10
    assert noted(lambda x: F.cross_entropy(x, LABELS), LOGITS - 200)[1]["logit_max"] < 10


def test_losses_that_teach_nothing_are_not_of_a_step_but_of_a_validation() -> None:
    observer, watch = Observer({}, whole=False), LossWatch()
    for mode in (observer, watch):
        with mode:
            for _ in range(2 * MOST_CALLS):
                F.cross_entropy(LOGITS, LABELS)
    assert observer.seen.criteria == []
    assert len(watch.criteria) == MOST_CALLS


def facts_of(folder: str | None, name: str, column: str = "cross_entropy") -> Any:
    return Record.open(folder or "").series(f"objective.{name}", column).value


def test_a_run_keeps_losses_classes_and_what_was_returned(tmp_path: Path) -> None:
    class Minus(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return -2 * self.loss(batch)

    monitor = ActivationMonitor()
    fit(trainer(tmp_path, monitor, max_epochs=4), Minus(lr=1e-4))
    record = Record.open(monitor.folder or "")
    value, returned = facts_of(monitor.folder, "value"), record.series("objective.returned").value
    assert returned == pytest.approx(-2 * value)
    seen = sum(facts_of(monitor.folder, "class_count", f"cross_entropy {place}").sum() for place in range(2))
    assert seen == 8 * len(value)
    asked = [facts_of(monitor.folder, "val_count", f"cross_entropy {place}") for place in range(2)]
    assert (asked[0] + asked[1]).tolist() == [24.0] * 4  # three batches of eight, four times
    (facts,) = record.events("objective.facts")
    assert (facts["function"], facts["classes"], facts["examples"]) == ("cross_entropy", 2, True)


def test_tokens_are_not_examples(tmp_path: Path) -> None:
    class Tokens(Returning):
        def loss(self, batch: Any) -> Tensor:
            return F.cross_entropy(self.net(batch[0]).repeat(3, 1), batch[1].repeat(3))

    monitor = ActivationMonitor()
    fit(trainer(tmp_path, monitor), Tokens())
    assert len(facts_of(monitor.folder, "value"))
    assert Record.open(monitor.folder or "").columns("objective.class_count") == ()


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_loss_that_was_turned_around_is_found_in_a_run(tmp_path: Path, accumulate: int) -> None:
    class Minus(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return {"loss": -self.loss(batch)}

    from groundwire.audit.judge import judge

    callback = AuditCallback(carbon=None, overfitting=None)
    fit(trainer(tmp_path, callback, max_epochs=8, accumulate_grad_batches=accumulate), Minus())
    assert "sign-flip" in {finding.name for finding in judge(Record.open(callback.folder or "")).findings}


def test_a_game_by_hand_returns_nothing_to_compare(tmp_path: Path) -> None:
    class Judged(Adversarial):
        def training_step(self, batch: Any, batch_idx: int) -> None:
            super().training_step(batch, batch_idx)
            F.binary_cross_entropy_with_logits(self.critic(batch[0]), torch.ones(len(batch[0]), 1))

    class Wide(Judged):
        def __init__(self) -> None:
            super().__init__()
            self.critic = nn.Linear(8, 1)

    monitor = ActivationMonitor()
    trainer(tmp_path, monitor).fit(Wide(), loader())
    returned = Record.open(monitor.folder or "").series("objective.returned").value
    assert returned.size
    assert np.isnan(returned).all()
    assert _get_current_function_mode_stack() == []  # type: ignore[no-untyped-call]


def test_watching_losses_changes_no_weight_and_a_used_monitor_can_be_pickled(tmp_path: Path) -> None:
    def weights(*callbacks: Any) -> list[Any]:
        torch.manual_seed(3)
        module = Classifier()
        fit(trainer(tmp_path, *callbacks), module, loader(), loader(24, seed=1))
        return [p.tolist() for p in module.parameters()] + [torch.get_rng_state().tolist()]

    monitor = ActivationMonitor()
    assert weights(monitor) == weights()
    pickle.loads(pickle.dumps(monitor))
