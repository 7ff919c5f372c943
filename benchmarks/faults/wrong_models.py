"""Faults of architecture and initial weights."""

from __future__ import annotations

import torch
from torch import nn

from .injecting import at_injection, hidden_biases, linear_layers, matrices, without_activations
from .plan import Plan


def exploding_gradient(plan: Plan) -> None:
    """Begin a recurrent layer with a gain of 5; amplify every hidden layer at the step of injection."""
    if plan.recipe.architecture == "lstm":
        for name, weight in plan.module.named_parameters():
            if "weight_hh" in name:
                nn.init.orthogonal_(weight, gain=5.0)
    else:
        at_injection(plan, lambda _: _amplify(plan.module))


@torch.no_grad()
def _amplify(module: nn.Module) -> None:
    for layer in linear_layers(module)[1:-1]:
        layer.weight.mul_(4)


def vanishing_gradient(plan: Plan) -> None:
    """Stack twenty layers with sigmoids."""
    plan.change(depth=20 if plan.recipe.architecture == "mlp" else 10, activation="sigmoid", dropout=0.0)


@torch.no_grad()
def dead_units(plan: Plan) -> None:
    """Shift three quarters of the units of every hidden layer far below zero."""
    for bias in hidden_biases(plan):
        bias[: len(bias) * 3 // 4] = -10.0


@torch.no_grad()
def saturated_units(plan: Plan) -> None:
    """Begin with hidden weights fifty times too large."""
    for layer in linear_layers(plan.module)[:-1]:
        layer.weight.mul_(50)


@torch.no_grad()
def symmetric_init(plan: Plan) -> None:
    """Begin with all weights of a layer alike, or with all units like the first."""
    for layer in linear_layers(plan.module):
        alike = layer.weight[:1].clone() if plan.variant % 2 else 1 / layer.weight[0].numel()
        layer.weight.copy_(torch.as_tensor(alike).expand_as(layer.weight))


@torch.no_grad()
def bad_init_scale(plan: Plan) -> None:
    """Draw weights with a standard deviation of 5."""
    for parameter in matrices(plan.module):
        nn.init.normal_(parameter, std=5.0)


def no_nonlinearity(plan: Plan) -> None:
    """Delete all activations."""
    without_activations(plan.module)
