"""The faults by name: on which runs they are injected, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import broken_code, wrong_data, wrong_losses, wrong_models, wrong_representations, wrong_settings, wrong_steps
from .plan import Plan

ADAPTIVE = ("adam", "adamw")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A fault and the runs that it is injected into.

    Attributes:
        name: As the audit's rules name it.
        inject: Changes a plan.
        on: Architectures, each with the optimizers that the seeds take in turn.
        common: What the recipes of faulty run and clean twin share; seeds take the items of a tuple in turn.
        late: Architectures on which it begins in the middle of the run.
        quiet: Whether its finding weighs little by design: it counts from severity low on, of others from medium on.
    """

    name: str
    inject: Callable[[Plan], None]
    on: Mapping[str, tuple[str, ...]]
    common: Mapping[str, Any] = field(default_factory=dict)
    late: tuple[str, ...] = ()
    quiet: bool = False


STEADY = {"schedule": "constant"}
OPEN = {"schedule": "constant", "clip": None}

FAULTS: tuple[Fault, ...] = (
    Fault(name="non-finite", inject=broken_code.non_finite, late=("mlp", "autoencoder", "transformer"), common=STEADY,
          on={"mlp": ("sgd", "adam", "lion"), "autoencoder": ADAPTIVE, "transformer": ADAPTIVE}),
    Fault(name="skipped-steps", inject=wrong_settings.skipped_steps, common=STEADY,
          on={"mlp": ADAPTIVE, "autoencoder": ADAPTIVE}),
    Fault(name="exploding-gradient", inject=wrong_models.exploding_gradient, late=("mlp",),
          common={"cell": "rnn", "activation": "relu", "depth": 6, "data": "digits", "dropout": 0.0, **OPEN},
          on={"lstm": ADAPTIVE, "mlp": ADAPTIVE}),
    Fault(name="vanishing-gradient", inject=wrong_models.vanishing_gradient, common={"data": "digits", **STEADY},
          on={"mlp": ("sgd", "momentum", "adam"), "autoencoder": ("sgd", "momentum")}),
    Fault(name="dead-units", inject=wrong_models.dead_units, common={"activation": "relu", "dropout": 0.0, **STEADY},
          on={"mlp": ("sgd", "adam"), "autoencoder": ADAPTIVE, "cnn": ("momentum", "adamw")}),
    Fault(name="saturated-units", inject=wrong_models.saturated_units, common={"activation": "tanh", **STEADY},
          on={"mlp": ("sgd", "adam"), "autoencoder": ("momentum", "adamw")}),
    Fault(name="stagnant-loss", inject=broken_code.stagnant_loss, common=STEADY,
          on={"mlp": ("sgd", "adam"), "cnn": ("momentum", "adamw"), "lstm": ADAPTIVE}),
    Fault(name="divergence", inject=wrong_settings.divergence, late=("mlp", "autoencoder", "transformer"),
          common={"data": "digits", **OPEN},
          on={"mlp": ADAPTIVE, "autoencoder": ADAPTIVE, "transformer": ("lion",)}),
    # Behind tanh the loss would not spike: the first layer is saturated, and that is all.
    Fault(name="loss-spike", inject=broken_code.loss_spike,
          common={**STEADY, "clip": 1.0, "activation": ("relu", "gelu", "silu")},
          late=("mlp", "autoencoder", "regression"),
          on={"mlp": ("sgd", "adam"), "autoencoder": ADAPTIVE, "regression": ("momentum", "adamw")}),
    Fault(name="oscillation", inject=wrong_settings.oscillation,
          common={"data": "digits", "batch_size": (24, 32, 48), "lr": (0.08, 0.1, 0.12), **OPEN},
          on={"mlp": ("sgd",), "cnn": ("sgd",)}),
    Fault(name="updates-too-large", inject=wrong_settings.updates_too_large,
          common={"data": "digits", **OPEN},
          on={"mlp": ADAPTIVE, "transformer": ADAPTIVE, "lstm": ADAPTIVE}),
    Fault(name="updates-too-small", inject=wrong_settings.updates_too_small, common=STEADY,
          on={"mlp": ("sgd", "adam"), "transformer": ("momentum", "adamw"), "cnn": ("adamw", "lion")}),
    Fault(name="parameter-never-updated", inject=broken_code.parameter_never_updated,
          on={"mlp": ("sgd", "adam"), "autoencoder": ("momentum", "adamw"), "lstm": ADAPTIVE,
              "transformer": ("adamw", "lion")}),
    Fault(name="missing-zero-grad", inject=broken_code.missing_zero_grad, common=OPEN,
          on={"mlp": ("sgd", "momentum"), "cnn": ("adam", "adamw"), "transformer": ADAPTIVE}),
    Fault(name="symmetric-init", inject=wrong_models.symmetric_init, common={"dropout": 0.0, **STEADY},
          on={"mlp": ("sgd", "adam"), "autoencoder": ADAPTIVE, "contrastive": ("momentum", "adam")}),
    Fault(name="bad-init-scale", inject=wrong_models.bad_init_scale,
          # Behind tanh it would be saturated-units, as well and at once.
          common={"clip": None, "activation": ("relu", "gelu", "silu")},
          on={"mlp": ("momentum", "adam"), "transformer": ADAPTIVE, "autoencoder": ADAPTIVE}),
    Fault(name="no-nonlinearity", inject=wrong_models.no_nonlinearity, common={"depth": 2},
          on={"mlp": ("sgd", "adam"), "autoencoder": ADAPTIVE, "regression": ("momentum", "adamw")}),
    Fault(name="unscaled-input", inject=wrong_settings.unscaled_input,
          on={"mlp": ("sgd", "adam"), "autoencoder": ADAPTIVE, "regression": ("adam", "lion")}),
    Fault(name="eval-mode", inject=broken_code.eval_mode, common={"dropout": 0.3, "data": "digits", "depth": 2},
          on={"mlp": ("sgd", "adam"), "cnn": ("momentum", "adamw")}),
    Fault(name="scheduler-mistake", inject=wrong_settings.scheduler_mistake,
          common={"schedule": ("epoch-exponential", "epoch-halving", "epoch-linear")},
          on={"mlp": ("sgd", "adam"), "cnn": ("momentum", "adamw"), "transformer": ADAPTIVE}),
    Fault(name="over-regularised", inject=wrong_settings.over_regularised, common={**STEADY, "depth": 2},
          on={"mlp": ("momentum", "adamw"), "cnn": ("sgd", "adamw"), "transformer": ("adamw",)}),
    Fault(name="clip-saturation", inject=wrong_settings.clip_saturation, common=STEADY,
          on={"mlp": ("sgd", "momentum"), "transformer": ("sgd", "momentum"), "lstm": ("sgd", "momentum")}),
    Fault(name="batch-norm-mismatch", inject=wrong_representations.batch_norm_mismatch,
          common={"data": "digits", "norm": True, **STEADY}, on={"mlp": ("momentum", "adam"), "cnn": ADAPTIVE}),
    Fault(name="representation-collapse", inject=wrong_representations.representation_collapse, common=STEADY,
          on={"contrastive": ADAPTIVE, "autoencoder": ADAPTIVE}),
    Fault(name="label-noise", inject=wrong_representations.label_noise, common={"data": "digits"},
          on={"mlp": ("momentum", "adam"), "cnn": ("momentum", "adamw")}),
    Fault(name="underfitting", inject=wrong_representations.underfitting,
          # Two rectifiers are likely to be dead: that would be another fault.
          common={"data": "digits", "steps": 1000, "depth": 2, "activation": ("tanh", "gelu", "silu"), **STEADY},
          on={"mlp": ADAPTIVE, "cnn": ADAPTIVE}),
    Fault(name="no-op-step", inject=wrong_steps.no_op_step, common=STEADY, late=("autoencoder",),
          on={"mlp": ("sgd", "adam"), "transformer": ADAPTIVE, "autoencoder": ("momentum", "adamw")}),
    Fault(name="bad-optimizer-epsilon", inject=wrong_steps.bad_optimizer_epsilon, common=STEADY,
          on={"mlp": ADAPTIVE, "cnn": ADAPTIVE, "transformer": ADAPTIVE}),
    # At these rates weights in float32 learn, and most steps are smaller than bfloat16 can add.
    Fault(name="lost-updates", inject=wrong_steps.lost_updates,
          common={"data": "digits", "lr": (7e-5, 1e-4, 1.3e-4), "steps": 600, **STEADY},
          on={"mlp": ADAPTIVE, "transformer": ADAPTIVE, "cnn": ADAPTIVE}),
    Fault(name="stall", inject=wrong_steps.stall, quiet=True,
          on={"mlp": ("sgd", "adam"), "cnn": ("momentum", "adamw")}),
    Fault(name="constant-features", inject=wrong_data.constant_features, common=STEADY,
          on={"mlp": ("sgd", "adam"), "regression": ("momentum", "adamw"), "autoencoder": ADAPTIVE}),
    Fault(name="input-ignored", inject=wrong_data.input_ignored, common=STEADY,
          on={"mlp": ("sgd", "adam"), "cnn": ("momentum", "adamw"), "lstm": ADAPTIVE}),
    Fault(name="duplicate-augmentation", inject=wrong_data.duplicate_augmentation,
          on={"mlp": ("sgd", "adam"), "cnn": ("momentum", "adamw")}),
    Fault(name="train-validation-leakage", inject=wrong_data.train_validation_leakage,
          on={"mlp": ("sgd", "adam"), "regression": ("momentum", "adamw"), "transformer": ADAPTIVE}),
    Fault(name="double-softmax", inject=wrong_losses.double_softmax, common={"data": "digits", **STEADY},
          on={"mlp": ("sgd", "adam"), "cnn": ("momentum", "adamw"), "transformer": ADAPTIVE}),
    Fault(name="sign-flip", inject=wrong_losses.sign_flip, common=STEADY,
          on={"mlp": ("sgd", "adam"), "cnn": ("momentum", "adamw"), "autoencoder": ADAPTIVE}),
    Fault(name="wrong-loss", inject=wrong_losses.wrong_loss, common=STEADY,
          on={"mlp": ("momentum", "adam"), "cnn": ("momentum", "adamw"), "regression": ("momentum", "adamw")}),
    Fault(name="class-imbalance", inject=wrong_losses.class_imbalance, common={"data": "digits", **STEADY},
          on={"mlp": ("momentum", "adam"), "cnn": ("momentum", "adamw")}),
    Fault(name="logit-growth", inject=wrong_losses.logit_growth,
          common={"data": "digits", "depth": 2, "lr": (0.003, 0.004), **STEADY},
          on={"transformer": ADAPTIVE, "cnn": ADAPTIVE}),
)  # fmt: skip

BY_NAME = {fault.name: fault for fault in FAULTS}
QUIET = frozenset(fault.name for fault in FAULTS if fault.quiet)
