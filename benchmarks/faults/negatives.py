"""Healthy runs that look like faulty ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .data import Data, Pair, load
from .injecting import half_precision
from .layers import pretrained, turned
from .plan import Plan
from .wrong_data import seeded_workers
from .wrong_losses import change_criterion, without

STRONG, WEAK, SEEN = 100, 4, 200  # features of either scale, and examples, of the double descent


@dataclass(frozen=True, kw_only=True, slots=True)
class Negative:
    """A healthy run on which an alarm is false.

    Attributes:
        name: What is peculiar about it.
        on: Architectures, each with the optimizers that the seeds take in turn.
        common: What all its recipes share.
        arrange: Changes a plan further.
    """

    name: str
    on: Mapping[str, tuple[str, ...]]
    common: Mapping[str, Any] = field(default_factory=dict)
    arrange: Callable[[Plan], None] = lambda _: None


def noisy_training(plan: Plan) -> None:
    """Train on noisy images of which a third of the pixels is gone; validate on clean ones."""
    module = plan.module
    right = module.loss

    def loss(batch: Pair) -> Tensor:
        images, targets = batch
        noisy = (images + 0.5 * torch.randn_like(images)) * (torch.rand_like(images) > 0.33)
        return right((noisy, targets)) if module.training else right(batch)

    module.loss = loss  # type: ignore[method-assign]


def frozen_backbone(plan: Plan) -> None:
    """Train only the head, on layers that keep their weights."""
    plan.module.net.requires_grad_(False)


def accumulation(plan: Plan) -> None:
    """Accumulate four batches, whose number in an epoch four does not divide."""
    plan.options["accumulate_grad_batches"] = 4
    size, amount = plan.recipe.batch_size, len(plan.data.train[0])
    while -(-amount // size) % 4 == 0:
        size += 1
    plan.change(batch_size=size, drop_last=False, steps=200)


def half_precision_start(plan: Plan) -> None:
    """Begin in float16 with a scale far too high, which the scaler halves until it fits."""
    half_precision(plan, init_scale=2.0**34)


def double_descent(plan: Plan) -> None:
    """Learn noise in strong features before weak features, so that the validation loss falls, rises and falls.

    The features are synthetic: a linear model whose two groups of features have different scales shows the
    effect in few steps (Heckel and Yilmaz 2021, Early Stopping in Deep Networks: Double Descent and How to
    Eliminate it).
    """
    plan.data = _two_scales(plan.draw)
    plan.change(depth=0, batch_size=SEEN, lr=0.08, weight_decay=0.0, clip=None, schedule="constant", steps=600)
    plan.options["val_check_interval"] = 10


def _two_scales(draw: torch.Generator) -> Data:
    inputs = torch.randn(SEEN + 500, STRONG + WEAK, generator=draw)
    inputs[:, STRONG:] *= 0.1
    weights = torch.randn(STRONG + WEAK, 1, generator=draw) * STRONG**-0.5
    weights *= torch.tensor([3.0] * STRONG + [100.0] * WEAK)[:, None]
    targets = inputs @ weights
    noisy = targets[:SEEN] + 1.5 * torch.randn(SEEN, 1, generator=draw)
    return Data(train=(inputs[:SEEN], noisy), val=(inputs[SEEN:], targets[SEEN:]), classes=1)


def small_validation(plan: Plan) -> None:
    """Hold out fifty examples."""
    inputs, targets = plan.data.val
    plan.data = replace(plan.data, val=(inputs[:50], targets[:50]))


def by_heart(plan: Plan) -> None:
    """Train on 64 examples until the loss is next to nothing."""
    inputs, targets = plan.data.train
    plan.data = replace(plan.data, train=(inputs[:64], targets[:64]))
    plan.change(batch_size=16, weight_decay=0.0, dropout=0.0, lr=2 * plan.recipe.lr)


def fine_tuning(plan: Plan) -> None:
    """Go on with a pretrained classifier, on upright digits with a fifth turned, at a low rate."""
    inputs, targets = load("digits").train
    mixed = inputs.clone()
    mixed[::5] = turned(inputs[::5])
    plan.data = replace(plan.data, train=(mixed, targets))
    plan.change(lr=plan.recipe.lr / 5)
    plan.module.net.load_state_dict(pretrained(plan.recipe.width, plan.recipe.depth).state_dict())


def imbalanced_but_learned(plan: Plan) -> None:
    """Leave ten training examples of each of two classes, shown as often as the others make up their loss."""
    plan.data = replace(plan.data, train=without(plan.data.train, 10, plan.draw))
    counts = torch.bincount(plan.data.train[1]).float()
    weights = counts.sum() / (len(counts) * counts)
    change_criterion(plan, lambda outputs, targets: F.cross_entropy(outputs, targets, weight=weights))


def distillation(plan: Plan) -> None:
    """Learn from the probabilities of a pretrained classifier as well, at a temperature of 2."""
    teacher = pretrained(plan.recipe.width, plan.recipe.depth).requires_grad_(False)

    def criterion(outputs: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        taught = F.kl_div((outputs / 2).log_softmax(1), (teacher(inputs) / 2).softmax(1), reduction="batchmean")
        return 0.5 * F.cross_entropy(outputs, targets) + 2 * taught

    module = plan.module
    module.loss = lambda batch: criterion(module(batch[0]), *batch)  # type: ignore[method-assign]


def entropy_bonus(plan: Plan) -> None:
    """Reward unsure answers, as policies are: the loss becomes negative at times."""

    def criterion(outputs: Tensor, targets: Tensor) -> Tensor:
        entropy = -(outputs.softmax(1) * outputs.log_softmax(1)).sum(1).mean()
        return F.cross_entropy(outputs, targets) - 0.3 * entropy

    change_criterion(plan, criterion)


def log_softmax_twice(plan: Plan) -> None:
    """End the model in a log-softmax, of which cross-entropy takes another one: nothing changes."""
    plan.module.register_forward_hook(lambda _, __, outputs: outputs.log_softmax(dim=1))


def whole_bfloat16(plan: Plan) -> None:
    """Keep weights in bfloat16, at a rate whose steps they can hold."""
    plan.options["precision"] = "bf16-true"


ADAPTIVE = ("adam", "adamw", "adafactor")
NEGATIVES: tuple[Negative, ...] = (
    Negative(name="warm-up", on={"transformer": ADAPTIVE}, common={"schedule": "long-warm-up"}),
    Negative(name="dropout-half", on={"mlp": ("adam", "sgd")}, common={"dropout": 0.5, "width": 96}),
    Negative(name="augmentation", on={"cnn": ("momentum", "adamw")}, arrange=noisy_training),
    Negative(name="cosine-tail", on={"mlp": ("momentum", "adamw", "lion")}, common={"schedule": "cosine"}),
    Negative(name="frozen-backbone", on={"cnn": ("momentum", "adam")}, arrange=frozen_backbone),
    Negative(name="accumulation", on={"mlp": ("sgd", "adamw"), "transformer": ("adamw",)}, arrange=accumulation,
             common={"schedule": ("constant", "cosine", "warm-cosine")}),
    Negative(name="half-precision-start", on={"mlp": ("momentum", "adam")}, arrange=half_precision_start),
    Negative(name="gan", on={"gan": ADAPTIVE}),
    Negative(name="lora", on={"lora": ADAPTIVE}),
    Negative(name="double-descent", on={"regression": ("sgd",)}, arrange=double_descent),
    Negative(name="validation-of-fifty", on={"mlp": ("adam", "momentum")}, arrange=small_validation),
    Negative(name="warm-restarts", on={"cnn": ("momentum", "adamw")}, common={"schedule": "restarts"}),
    Negative(name="fine-tuning", on={"mlp": ("momentum", "adamw")}, arrange=fine_tuning,
             common={"data": "digits", "activation": "relu", "dropout": 0.0}),
    Negative(name="by-heart", on={"mlp": ("adam", "momentum")}, arrange=by_heart,
             common={"data": "digits", "schedule": "constant"}),
    Negative(name="imbalanced-but-learned", on={"mlp": ("adam",)}, arrange=imbalanced_but_learned,
             common={"data": "digits", "schedule": "constant", "dropout": 0.0}),
    Negative(name="distillation", on={"mlp": ("adam", "momentum")}, arrange=distillation, common={"data": "digits"}),
    Negative(name="entropy-bonus", on={"mlp": ("adam", "momentum")}, arrange=entropy_bonus),
    Negative(name="log-softmax-twice", on={"mlp": ("adam",), "cnn": ("adamw",)}, arrange=log_softmax_twice),
    Negative(name="seeded-workers", on={"mlp": ("adam", "momentum")}, arrange=seeded_workers),
    Negative(name="bfloat16", on={"mlp": ("adam",), "transformer": ("adamw",)}, arrange=whole_bfloat16,
             common={"data": "digits", "schedule": "cosine"}),
)  # fmt: skip
BY_NAME = {negative.name: negative for negative in NEGATIVES}
