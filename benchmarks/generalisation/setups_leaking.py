"""Trainings whose validation set was seen (GEN005), and healthy ones in which validation is as good or better."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..faults.data import Pair
from .data import Data
from .setups import Setup
from .trials import Trial

OFTEN = 20  # copies of what is frequent


def _frequent(data: Data, draw: torch.Generator, *, share: float, spread: float) -> Data:
    """Repeat some training examples and put copies of them into a share of the validation set."""
    inputs, targets = data.train
    count = max(8, len(targets) // 20)
    often = (inputs[:count], targets[:count])
    train = (torch.cat([inputs, often[0].repeat(OFTEN, 1)]), torch.cat([targets, _repeat(often[1], OFTEN)]))
    leaked = round(share * len(data.val[1]))
    chosen = torch.randint(count, (leaked,), generator=draw)
    copies = often[0][chosen]
    copies = copies + spread * torch.randn(copies.shape, generator=draw) if spread else copies
    val = (torch.cat([copies, data.val[0][leaked:]]), torch.cat([often[1][chosen], data.val[1][leaked:]]))
    return replace(data, train=train, val=_mixed(val, draw))


def _repeat(targets: torch.Tensor, times: int) -> torch.Tensor:
    return targets.repeat(times, *[1] * (targets.dim() - 1))


def _mixed(pair: Pair, draw: torch.Generator) -> Pair:
    order = torch.randperm(len(pair[1]), generator=draw)
    return pair[0][order], pair[1][order]


def frequent(data: Data, draw: torch.Generator) -> Data:
    """Validate on copies of frequent training examples."""
    return _frequent(data, draw, share=1.0, spread=0.0)


def half_frequent(data: Data, draw: torch.Generator) -> Data:
    """Validate on such copies in one half."""
    return _frequent(data, draw, share=0.5, spread=0.0)


def near_copies(data: Data, draw: torch.Generator) -> Data:
    """Validate on such copies with a little noise on the inputs."""
    return _frequent(data, draw, share=1.0, spread=0.05)


def plain_copies(data: Data, draw: torch.Generator) -> Data:
    """Validate on copies of any training examples."""
    chosen = torch.randperm(len(data.train[1]), generator=draw)[: len(data.val[1])]
    return replace(data, val=(data.train[0][chosen], data.train[1][chosen]))


def told_target(data: Data, draw: torch.Generator) -> Data:
    """Let a feature tell the class: nearly always in validation, where it was computed later, and else at times."""

    def marked(pair: Pair, share: float) -> Pair:
        inputs, targets = pair[0].clone(), pair[1]
        inputs[:, 0] = torch.where(torch.rand(len(targets), generator=draw) < share, 3.0 * targets, -3.0)
        return inputs, targets

    return replace(data, train=marked(data.train, 0.5), val=marked(data.val, 0.95), test=marked(data.test, 0.5))


def clean_validation(data: Data, draw: torch.Generator) -> Data:
    """Let labels of a fifth of the training examples be wrong: those of validation and test were checked."""
    inputs, targets = data.train
    anew = torch.randint(data.classes, targets.shape, generator=draw)
    wrong = torch.rand(len(targets), generator=draw) < 0.2
    return replace(data, train=(inputs, torch.where(wrong, anew, targets)))


LABELS = Setup(name="frequent-noisy-labels", data="teacher", train=2000, noise=0.2, dropout=0.2, steps=900)

FAULTY = (
    Trial(setup=LABELS, arrange=frequent, reference=True),
    Trial(setup=replace(LABELS, name="half-frequent"), arrange=half_frequent, reference=True),
    Trial(setup=Setup(name="near-copies-regression", data="numbers", train=2000, noise=0.5, steps=900),
          arrange=near_copies, reference=True),
    Trial(setup=Setup(name="frequent-text", data="text", train=2000, val=300, net="transformer", width=32, depth=1,
                      lr=2e-3, steps=600), arrange=frequent, reference=True),
    Trial(setup=Setup(name="target-told", data="teacher", train=2000, noise=0.1, width=64, steps=900),
          arrange=told_target, reference=True),
    Trial(setup=Setup(name="plain-copies", data="digits", train=1000, val=300, steps=600), arrange=plain_copies,
          reference=True),
)  # fmt: skip
HEALTHY = (
    Trial(setup=Setup(name="strong-dropout-seen", data="digits", train=1000, val=300, dropout=0.6, steps=600),
          reference=True),
    Trial(setup=Setup(name="augmented-with-reference", data="teacher", train=3000, augment=1.0, steps=900),
          reference=True),
    Trial(setup=Setup(name="augmented-without-reference", data="digits", train=1000, val=300, augment=1.5,
                      steps=600)),
    Trial(setup=Setup(name="easy-by-chance", data="teacher", train=3000, val=16, noise=0.2, width=32, steps=600,
                      per_example=True), reference=True),
    Trial(setup=Setup(name="one-pass", data="numbers", train=24_000, noise=0.3, width=64, steps=750), reference=True),
    Trial(setup=Setup(name="checked-validation-labels", data="teacher", train=3000, width=64, dropout=0.1, steps=900),
          arrange=clean_validation, reference=True),
)  # fmt: skip
