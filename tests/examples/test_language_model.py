from __future__ import annotations

import pytest
import torch

from examples.language_model.data import Reference, paragraphs
from examples.language_model.gpt import GPT, rotate
from examples.language_model.train import part


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return GPT().eval()


def test_model_has_about_a_million_parameters(model):
    assert 0.9e6 < sum(p.numel() for p in model.parameters()) < 1.1e6


@torch.no_grad()
def test_what_follows_does_not_change_what_came_before(model):
    tokens = torch.randint(256, (2, 64))
    changed = tokens.clone()
    changed[:, 40:] = torch.randint(256, (2, 24))
    torch.testing.assert_close(model(tokens)[:, :40], model(changed)[:, :40])


def test_rotated_products_depend_on_distance_alone():
    q, k = torch.randn(32).expand(8, 32), torch.randn(32).expand(8, 32)
    products = rotate(q) @ rotate(k).T
    for distance in range(-7, 8):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=1e-3, atol=1e-3)


def test_gradients_reach_every_parameter(model):
    tokens = torch.randint(256, (2, 65))
    loss = model.loss((tokens[:, :-1], tokens[:, 1:]))
    assert all(grad.abs().sum() > 0 for grad in torch.autograd.grad(loss, list(model.parameters())))


@pytest.mark.parametrize("prompt", ["", "The value of", "naïve — ", "x" * 500])
def test_each_prompt_is_continued(model, prompt):
    (text,) = model.generate([prompt], length=8)
    assert 1 <= len(text) <= 8
    assert not text.startswith(prompt or "\0")


def test_held_out_paragraphs_are_not_trained_on():
    data = Reference(train_bytes=10**9, val_bytes=10**9)
    train, val = bytes(data.train_tokens.tolist()).decode(), bytes(data.val_tokens.tolist()).decode()
    assert len(train) > 8 * len(val) > 8 * 16_000
    seen = set(train.split("\n\n"))
    assert not seen & set(val.split("\n\n"))
    assert seen | set(val.split("\n\n")) == set(paragraphs())


def test_targets_are_the_inputs_one_byte_later():
    for tokens, targets in (next(iter(loader)) for loader in both(Reference())):
        assert torch.equal(tokens[:, 1:], targets[:, :-1])


def both(data):
    return data.train_dataloader(), data.val_dataloader()


def test_settings_are_split_by_group():
    settings = {"model.dropout": 0.1, "trainer.max_steps": 5, "model.depth": 3}
    assert part(settings, "model") == {"dropout": 0.1, "depth": 3}
    assert part(settings, "optimizer") == {}
