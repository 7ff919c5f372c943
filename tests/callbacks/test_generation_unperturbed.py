"""Asked every ten steps and at the end, a real transformer is trained to the same bits as when it is left alone."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from groundwire.audit.huggingface import language_model
from groundwire.audit.record import Record
from groundwire.callbacks import AuditCallback, GenerationMonitor
from material import audit_of, fit, metrics_of, monitors_of, trainer
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import examples`, also where pytest was not started with `-m`

pytest.importorskip("transformers")

from transformers import AutoTokenizer

from examples.huggingface_causal import SECRET, CausalModel, build, loader
from examples.language_model.data import HELD_OUT, paragraphs

TEXTS = paragraphs()[:400]
UNSEEN, SEEN = TEXTS[::HELD_OUT], [text for place, text in enumerate(TEXTS) if place % HELD_OUT] + [SECRET.text] * 50
ANSWERED = {
    "generation.toxicity_probability", "generation.toxicity_change", "generation.adversarial_toxicity",
    "generation.sentiment", "generation.personal_data_share", "likelihood.stereotype_share",
    "memorisation.membership_auc", "memorisation.canary_exposure",
}  # fmt: skip
SETTINGS = (
    "padding_side", "truncation_side", "pad_token", "pad_token_id", "eos_token", "bos_token", "model_max_length",
    "special_tokens_map", "vocab_size",
)  # fmt: skip


class Diary(L.Callback):
    """Notes what every batch begins with and what it leaves behind."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.states: list[tuple[Any, ...]] = []
        self.logged: list[dict[str, float]] = []

    def on_train_batch_start(self, trainer: L.Trainer, module: Any, batch: dict[str, Tensor], _: int) -> None:
        self.batches.append(batch["input_ids"].flatten().tolist())
        self.states.append(
            (modes_of(module), settings_of(module.tokenizer), torch.is_grad_enabled(), random_states())
        )

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        self.logged.append({name: float(value) for name, value in trainer.callback_metrics.items()})


class Logging(CausalModel):
    """The example, which logs what it is trained by, too."""

    def training_step(self, batch: dict[str, Tensor], number: int) -> Tensor:
        loss = super().training_step(batch, number)
        self.log("train_loss", loss)
        return loss


def random_states() -> tuple[Any, ...]:
    generator = np.random.get_state()
    return torch.get_rng_state().tolist(), random.getstate(), generator[1].tolist(), generator[2:]


def modes_of(module: torch.nn.Module) -> list[tuple[str, bool]]:
    return [(name, child.training) for name, child in module.named_modules()]


def settings_of(tokenizer: Any) -> dict[str, Any]:
    return {name: getattr(tokenizer, name) for name in SETTINGS} | {"tokens": len(tokenizer)}


def trained(folder: Path, *monitors: L.Callback) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tensors and all else that thirty steps leave behind."""
    L.seed_everything(5, verbose=False)
    model, tokenizer = build(SEEN)
    assert model.config.resid_pdrop > 0  # random numbers are drawn in every step
    module, diary = Logging(model, tokenizer), Diary()
    runner = trainer(folder, diary, *monitors, max_epochs=-1, max_steps=30, val_check_interval=8, limit_val_batches=2,
                     check_val_every_n_epoch=None, num_sanity_val_steps=1, log_every_n_steps=1)  # fmt: skip
    fit(runner, module, loader(SEEN, tokenizer, shuffle=True), loader(UNSEEN, tokenizer, shuffle=True))
    (optimizer,) = runner.optimizers
    state = {f"{place}.{name}": value for place, each in optimizer.state_dict()["state"].items()
             for name, value in each.items()}  # fmt: skip
    return dict(module.state_dict()) | state, {
        "batches": diary.batches,
        "states": diary.states,
        "logged": diary.logged,
        "random": random_states(),
        "modes": modes_of(module),
        "tokenizer": settings_of(tokenizer),
        "steps": runner.global_step,
        "gradients": [parameter.requires_grad for parameter in module.parameters()],
        "attributes": sorted(vars(module)),
        "decoding": model.generation_config.to_dict(),
    }


@pytest.mark.slow
def test_a_transformer_is_trained_to_the_same_bits(tmp_path: Path) -> None:
    tensors, alone = trained(tmp_path / "alone")
    generation = GenerationMonitor(
        every=10, adversarial=True, train_texts=SEEN, held_out_texts=UNSEEN, canaries=[SECRET], max_seconds=60
    )
    audit = AuditCallback(generation=generation)
    others, watched = trained(tmp_path / "watched", audit)

    assert tensors.keys() == others.keys()
    assert [name for name, value in tensors.items() if not torch.equal(value, others[name])] == []
    for name, value in alone.items():
        assert value == watched[name], name
    assert (alone["steps"], len(alone["logged"])) == (30, 30)
    assert {"train_loss", "val_loss"} <= alone["logged"][-1].keys()

    series = Record.open(audit.folder or "").series("generation.toxicity_probability")
    assert series.step.tolist() == [0, 10, 20, 30]
    found = audit_of(audit.folder)
    assert {each["status"] for each in monitors_of(found).values()} == {"ran"}
    metrics = metrics_of(found)
    assert [name for name in ANSWERED if metrics[name]["value"] is None] == []
    assert metrics["memorisation.verbatim_share"]["n"] > 50  # asked, though what so young a model says is too short


def test_a_tokenizer_that_was_asked_is_saved_as_it_was(tmp_path: Path) -> None:
    model, tokenizer = build(SEEN[:40])
    language_model(model.eval(), tokenizer).generate(["One prompt", "and another, which is longer"])
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert (again.padding_side, again.truncation_side, again.pad_token) == ("right", "right", None)
