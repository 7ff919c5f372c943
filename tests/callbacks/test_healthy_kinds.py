"""Runs that go well and look unlike classification: nothing is found in them that asks for a change."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from groundwire.audit.judge import judge
from groundwire.audit.model import Finding, Severity
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

pytestmark = pytest.mark.slow
AFTER = ("overfitting", "overtraining")  # what has its own tests, and small data call forth


class Task(L.LightningModule):
    """Learns from batches by a loss of its own."""

    def __init__(self, net: nn.Module, loss: Callable[[Task, Any], Tensor], rate: float = 1e-3) -> None:
        super().__init__()
        self.net, self.criterion, self.rate = net, loss, rate

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.criterion(self, batch)

    def validation_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.criterion(self, batch)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam([p for p in self.parameters() if p.requires_grad], self.rate)


def found_in(folder: Path, module: L.LightningModule, data: list[Tensor], *, steps: int = 300) -> Record:
    """Train on nine tenths of the data, validate on the rest, and return the record."""
    size = len(data[0]) * 9 // 10
    train, rest = (TensorDataset(*(part[span] for part in data)) for span in (slice(size), slice(size, None)))
    audit = AuditCallback(carbon=None, generation=None, report=False, dirpath=folder, overhead_budget=1.0)
    options: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = L.Trainer(max_steps=steps, callbacks=[audit], enable_checkpointing=False, accelerator="cpu", **options)
    trainer.fit(module, DataLoader(train, 32, shuffle=True), DataLoader(rest, 32))
    return Record.open(audit.folder or "")


def alarms(record: Record) -> list[Finding]:
    audit = judge(record)
    assert all(monitor.status != "error" for monitor in audit.monitors)
    found = [f for f in audit.findings if f.severity.rank <= Severity.MEDIUM.rank]
    return [f for f in found if f.name not in AFTER]


def learned(record: Record) -> bool:
    loss = record.series("train.loss").value
    return bool(loss[-20:].mean() < 0.6 * loss[:5].mean())


def layers(*sizes: int) -> nn.Sequential:
    steps = [step for pair in pairwise(sizes) for step in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*steps[:-1])


def squares(task: Task, batch: Any) -> Tensor:
    return ((task.net(batch[0]) - batch[1]) ** 2).mean()


def test_numbers_around_a_large_mean(tmp_path: Path) -> None:
    """Temperatures of about 19 degrees: outputs are alike, as the truth is."""
    x = torch.randn(2000, 24)
    y = 19 + torch.tanh(x @ torch.randn(24, 12) / 3)
    net = layers(24, 64, 64, 12)
    nn.init.constant_(net[-1].bias, 19.0)
    record = found_in(tmp_path, Task(net, squares), [x, y], steps=400)
    assert learned(record)
    assert alarms(record) == []


def test_maps_of_images(tmp_path: Path) -> None:
    """Grey images without their noise: the mean over places is nearly the same for all."""
    clean = torch.rand(1000, 1, 6, 6).repeat_interleave(2, 2).repeat_interleave(2, 3).repeat(1, 3, 1, 1)
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 3, padding=1))
    record = found_in(tmp_path, Task(net, squares, 3e-3), [clean + 0.1 * torch.randn_like(clean), clean])
    assert learned(record)
    assert alarms(record) == []


def test_sines_with_their_own_first_weights(tmp_path: Path) -> None:
    """Sitzmann et al. 2020, SIREN: the sine makes up for small weights."""

    class Sine(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(30 * x)

    net = nn.Sequential(
        nn.Linear(1, 64), Sine(), nn.Linear(64, 64), Sine(), nn.Linear(64, 64), Sine(), nn.Linear(64, 1)
    )
    with torch.no_grad():
        net[0].weight.uniform_(-1, 1)
        for place in (2, 4, 6):
            net[place].weight.uniform_(-((6 / 64) ** 0.5) / 30, (6 / 64) ** 0.5 / 30)
    x = torch.linspace(-1, 1, 2000)[torch.randperm(2000), None]
    record = found_in(tmp_path, Task(net, squares, 1e-4), [x, torch.sin(12 * x)])
    assert alarms(record) == []


def test_a_frozen_judge_of_what_is_made(tmp_path: Path) -> None:
    judge_net = layers(16, 32, 8).requires_grad_(False)

    def perceptual(task: Task, batch: Any) -> Tensor:
        out = task.net(batch[0])
        return ((out - batch[0]) ** 2).mean() + ((task.judge(out) - task.judge(batch[0])) ** 2).mean()

    task = Task(layers(16, 32, 4, 32, 16), perceptual, 3e-3)
    task.judge = judge_net
    with torch.no_grad():
        judge_net[0].weight.mul_(30)  # as it was trained
    data = torch.randn(2000, 4) @ torch.randn(4, 16) / 2
    record = found_in(tmp_path, task, [data], steps=400)
    assert learned(record)
    assert alarms(record) == []


def test_states_of_a_rollout(tmp_path: Path) -> None:
    def rolled(task: Task, batch: Any) -> Tensor:
        with torch.no_grad():
            task.net(0.01 * batch[0][:1])  # where an episode begins
        return functional.cross_entropy(task.net(batch[0]), batch[1])

    x = torch.randn(2000, 8)
    record = found_in(tmp_path, Task(layers(8, 32, 32, 2), rolled, 3e-3), [x, (x[:, 0] > 0).long()])
    assert alarms(record) == []


def test_a_term_whose_weight_grows(tmp_path: Path) -> None:
    """As the divergence of a VAE that is annealed: the loss rises, and the model does not get worse."""

    def annealed(task: Task, batch: Any) -> Tensor:
        out = task.net(batch[0])
        term = 0.5 + (out**2).mean()
        return ((out - batch[1]) ** 2).mean() + min(1.0, max(0.0, (task.global_step - 150) / 100)) * term

    x = torch.randn(2000, 8)
    record = found_in(tmp_path, Task(layers(8, 32, 4), annealed, 3e-3), [x, torch.tanh(x[:, :4])], steps=400)
    loss = record.series("train.loss").value
    assert loss[-50:].mean() > 2 * loss[130:150].mean()
    assert alarms(record) == []


def test_vectors_of_words_that_begin_small(tmp_path: Path) -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.given, self.context = nn.Embedding(200, 32), nn.Linear(32, 200, bias=False)
            nn.init.uniform_(self.given.weight, -0.5 / 32, 0.5 / 32)
            nn.init.zeros_(self.context.weight)

        def forward(self, x: Tensor) -> Tensor:
            return self.context(self.given(x[:, 0]))

    def next_word(task: Task, batch: Any) -> Tensor:
        return functional.cross_entropy(task.net(batch[0]), batch[1])

    x = torch.randint(200, (4000, 1))
    task = Task(Words(), next_word, 1e-2)
    record = found_in(tmp_path, task, [x, (x[:, 0] * 7 + torch.randint(3, (4000,))) % 200], steps=500)
    assert learned(record)
    assert alarms(record) == []


def test_several_labels_an_example(tmp_path: Path) -> None:
    x = torch.randn(2000, 16)
    y = (x @ torch.randn(16, 12) > 3).float()

    def labelled(task: Task, batch: Any) -> Tensor:
        return functional.binary_cross_entropy_with_logits(task.net(batch[0]), batch[1])

    record = found_in(tmp_path, Task(layers(16, 64, 12), labelled, 3e-3), [x, y], steps=400)
    assert learned(record)
    assert alarms(record) == []
    assert record.events("reference") == []


def test_one_number_an_example_without_a_dimension(tmp_path: Path) -> None:
    x = torch.randn(2000, 8)

    def flat(task: Task, batch: Any) -> Tensor:
        return functional.mse_loss(task.net(batch[0]).squeeze(-1), batch[1])

    record = found_in(tmp_path, Task(layers(8, 32, 1), flat, 3e-3), [x, x[:, 0] * x[:, 1]], steps=400)
    assert alarms(record) == []
    assert record.events("reference")


def test_a_search_along_lines(tmp_path: Path) -> None:
    class Searched(Task):
        def configure_optimizers(self) -> Any:
            return torch.optim.LBFGS(self.parameters(), max_iter=5, line_search_fn="strong_wolfe")

    x = torch.randn(200, 4)
    record = found_in(tmp_path, Searched(layers(4, 16, 1), squares), [x, x[:, :1] ** 2], steps=60)
    assert learned(record)
    assert alarms(record) == []
