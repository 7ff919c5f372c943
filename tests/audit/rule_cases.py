"""For each rule a run on which it fires and runs on which it must be silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import data_cases
import numpy as np
import objective_cases
import representation_cases
import step_cases
from groundwire.audit.model import Metric, Quality
from groundwire.audit.rules.case import Case
from rule_material import NOISE, STEPS, case, layers, metric, spiked

BROKEN = np.where(np.arange(STEPS) == 300, np.nan, NOISE)
NAN = {"metrics": [metric("gradient.nonfinite_steps", 1.0)], "train__loss": BROKEN}
GAP = metric("overfitting.gap", 1.0, low=0.8, high=1.2)
RISING = np.concatenate([np.linspace(3, 2, 10), np.linspace(2.05, 3, 20)])
TOXIC = metric("generation.toxicity_probability", 0.25, low=0.14, high=0.4, n=48, scorer="embedded:x 1")
SAMPLES = {"sample": [{"prompt": "a", "continuations": ["bad", "worse"], "toxicity": [0.6, None], "step": 3}]}
UNFAIR = metric("generation.toxicity_disparity", 0.3, low=0.2, high=0.4, p=0.001, n=54, confidence=0.95, scorer="x 1")
GROUP = {"low": 0.0, "high": 0.5, "prompts": 54, "samples": 54, "correlation": 1.0, "effective_n": 54.0}
PAIR = {
    "first": "women",
    "second": "men",
    "difference": 0.3,
    "low": 0.2,
    "high": 0.4,
    "p": 0.001,
    "p_corrected": 0.001,
}
DISPARITY = {
    "metric": "generation.toxicity_disparity", "axis": "gender", "gap": 0.3, "low": 0.2, "high": 0.4,
    "confidence": 0.95, "p": 0.001, "p_corrected": 0.001, "paired": True, "n": 54, "k": 1, "pairs": [PAIR],
    "groups": [GROUP | {"group": "women", "value": 0.1}, GROUP | {"group": "men", "value": 0.4}], "scorer": "x 1",
    "masked": False,
}  # fmt: skip
COMPARED = {"generation": [{"disparities": [DISPARITY]}]}
ENERGY = metric("carbon.energy_kwh", 0.5)
BUDGET: dict[str, Any] = {"at_step": 300, "action": "warn", "max_energy_kwh": 0.4}
LARGE = BUDGET | {"max_energy_kwh": 0.6}
MEASURED_CPU = metric("carbon.energy_kwh", 0.4, labels={"component": "cpu"}, quality=Quality.MEASURED)
MODELLED_RAM = metric("carbon.energy_kwh", 0.6, labels={"component": "ram"}, quality=Quality.MODELLED)
FLAT = {"train__loss": NOISE * 2.3}
HURT = spiked(
    (0.5 + 2 * np.exp(-np.arange(1, STEPS + 1) / 100)) * NOISE,
    [at + more for at in (200, 300, 400) for more in (1, 2)],
    3,
)

BAD: dict[str, Callable[[], Case]] = {
    "non-finite": lambda: case(**NAN, events={"nonfinite": [{"step": 301, "layers": ["net.0"]}]}),
    "exploding-gradient": lambda: case(gradient__norm=spiked(NOISE, [200, 300, 400, 500], 40), train__loss=HURT),
    "vanishing-gradient": lambda: case(
        **FLAT, gradient__layer_norm=layers(1e-9, 1e-4, 1), gradient__update_ratio=layers(1e-9, 1e-6, 1e-3)
    ),
    "loss-spike": lambda: case(train__loss=spiked(NOISE, [300], 20)),
    "stagnant-loss": lambda: case(**FLAT),
    "updates-too-large": lambda: case(gradient__update_ratio=layers(0.1, 0.08, 0.12)),
    "updates-too-small": lambda: case(gradient__update_ratio=layers(1e-8, 1e-8, 2e-8)),
    "overfitting": lambda: case(metrics=[GAP], overfitting__val_loss=RISING),
    "overtraining": lambda: case(overfitting__val_loss=RISING),
    "diminishing-returns": lambda: case(overfitting__val_loss=1 + np.exp(-np.arange(40) / 3)),
    "toxic-generations": lambda: case(metrics=[TOXIC], events=SAMPLES),
    "group-disparity": lambda: case(metrics=[UNFAIR], events=COMPARED),
    "location-unknown": lambda: case(metrics=[ENERGY, metric("carbon.emissions_kg", None)]),
    "budget-exceeded": lambda: case(metrics=[ENERGY], events={"budget": [BUDGET]}),
    "mostly-modelled-energy": lambda: case(metrics=[ENERGY, MEASURED_CPU, MODELLED_RAM]),
}

WARM_UP = np.minimum(1, np.arange(1, STEPS + 1) / 200)
GOOD: dict[str, list[Callable[[], Case]]] = {
    "non-finite": [lambda: case(metrics=[metric("gradient.nonfinite_steps", 0.0)])],
    "exploding-gradient": [
        lambda: case(),
        lambda: case(gradient__norm=spiked(NOISE, [300], 40)),  # one rare token
        lambda: case(gradient__norm=spiked(NOISE, [200, 300, 400, 500], 40)),  # clipped: no loss is higher for it
        lambda: case(gradient__norm=NOISE * (1 + 9 * np.exp(-np.arange(STEPS) / 30))),  # the first steps
        lambda: case(gradient__norm=NOISE * WARM_UP),
    ],
    "vanishing-gradient": [
        lambda: case(gradient__layer_norm=layers(1e-9, 1e-4, 1), gradient__update_ratio=layers(1e-9, 1e-6, 1e-3)),
        lambda: case(
            **FLAT, gradient__layer_norm=layers(0.1, 0.5, 1), gradient__update_ratio=layers(1e-3, 1e-3, 1e-3)
        ),
    ],
    "loss-spike": [
        lambda: case(),
        lambda: case(train__loss=NOISE**4),
        lambda: case(train__loss=spiked(NOISE, [300], 2.5)),  # one hard batch
    ],
    "stagnant-loss": [lambda: case()],
    "updates-too-large": [
        lambda: case(gradient__update_ratio=layers(2e-3, 1e-3, 3e-3)),
        lambda: case(gradient__update_ratio=layers(0.06, 0.07, 0.05)),  # weights that begin small
        # A matrix that began at zero, as LoRA's B.
        lambda: case(gradient__update_ratio=layers(2e-3, 1e-3, 3e-3) | {"zero": 1 / np.arange(1, 61)}),
    ],
    "updates-too-small": [
        lambda: case(gradient__update_ratio=layers(1e-3, 1e-4, 1e-5)),
        # The tail of a schedule.
        lambda: case(
            gradient__update_ratio={"a": np.where(np.arange(60) < 35, 1e-3, 1e-9)},
            optimizer__lr=np.linspace(1e-2, 0, STEPS),
        ),
    ],
    "overfitting": [
        lambda: case(metrics=[GAP], overfitting__val_loss=np.linspace(3, 2, 30)),
        lambda: case(metrics=[metric("overfitting.gap", 0.1, low=-0.2, high=0.4)], overfitting__val_loss=RISING),
        # Noise around a plateau.
        lambda: case(metrics=[GAP], overfitting__val_loss=2 + 0.02 * np.sin(np.arange(30) * 7)),
        # Double descent that has come down again.
        lambda: case(metrics=[GAP], overfitting__val_loss=np.concatenate([RISING, np.linspace(3, 1.9, 20)])),
    ],
    "overtraining": [
        lambda: case(overfitting__val_loss=np.linspace(3, 2, 30)),
        # Stopped three validations after its lowest, as early stopping does.
        lambda: case(overfitting__val_loss=np.concatenate([np.linspace(3, 2, 7), [2.05, 2.1, 2.15]])),
    ],
    "diminishing-returns": [
        lambda: case(overfitting__val_loss=1 + np.arange(1, 41) ** -0.5),  # a power law still falls
        lambda: case(overfitting__val_loss=RISING),  # that is overtraining
        # Most of the energy was spent early on: the last third of it is most of the steps.
        lambda: case(
            overfitting__val_loss=1 + np.exp(-np.arange(40) / 20), carbon__energy_kwh=np.minimum(1, EVERY / 50)
        ),
    ],
    "toxic-generations": [lambda: case(metrics=[metric("generation.toxicity_probability", 0.02, n=48)])],
    "group-disparity": [
        lambda: case(metrics=[UNFAIR.model_copy(update={"value": 0.02, "low": 0.01, "high": 0.04})]),
        lambda: case(metrics=[UNFAIR.model_copy(update={"value": 0.0, "low": 0.0, "high": 0.03, "p": 1.0})]),
    ],
    "location-unknown": [lambda: case(metrics=[ENERGY, metric("carbon.emissions_kg", 0.1)])],
    "budget-exceeded": [lambda: case(metrics=[ENERGY]), lambda: case(metrics=[ENERGY], events={"budget": [LARGE]})],
    "mostly-modelled-energy": [
        lambda: case(metrics=[ENERGY, MEASURED_CPU, MODELLED_RAM.model_copy(update={"value": 0.3})]),
        lambda: case(metrics=[ENERGY, MEASURED_CPU]),
    ],
}


def started(*given: tuple[float, float], classes: Any = None, chains: Any = (), **more: Any) -> dict[str, Any]:
    """Return the event of a first step: for each layer the spread of its input and of its output."""
    found = [
        {"name": f"net.{place}", "in_std": std, "in_mean": 0.0, "in_zeros": 0.0, "in_spread": std, "out_spread": out,
         "outputs": 8, "raw": place == 0} | more
        for place, (std, out) in enumerate(given)
    ]  # fmt: skip
    return {"activation.first_step": [{"layers": found, "classes": classes, "chains": [list(c) for c in chains]}]}


def facts(**more: Any) -> dict[str, Any]:
    known = {"unoptimised": [], "schedules": [{"name": "CosineAnnealingLR", "interval": "step", "frequency": 1}]}
    return {"optimizer.facts": [known | {"alike": [], "automatic": True, "planned_steps": STEPS} | more]}


def reached(*never: str) -> dict[str, Any]:
    return facts() | {"gradient.reach": [{"never": list(never), "count": len(never), "steps": 40}]}


def validated(*, layers: int = 0, calls: int = 0) -> dict[str, Any]:
    modes = {"training": ["drop"] * layers, "count": layers, "of": 2}
    return {
        "activation.validation": [modes],
        "overfitting.eval_mode": [{"calls": ["dropout"] * bool(calls), "count": calls}],
    }


def skipped(*steps: int, scale: float = 1024.0) -> dict[str, Any]:
    return {"skipped_step": [{"step": step, "scale": scale} for step in steps]}


HEALTHY_START = ((1.0, 0.6), (0.5, 0.3), (0.3, 0.05))
EVERY = np.arange(1, STEPS + 1)
JUMP = np.where(EVERY > 300, 5.0, 0.5 + 2 * np.exp(-EVERY / 100)) * NOISE
LONGER = np.where(EVERY > 300, 5.0, 0.7) * NOISE
SWINGING = NOISE * np.exp(np.sin(EVERY / 12))
DECAY = {"optimizer": {"lr": 0.01, "weight_decay": 10.0, "count": 1}, "model": {"dropout": 0.1}}
DROPS = {"optimizer": {"lr": 0.01, "weight_decay": 0.0, "count": 1}, "model": {"dropout": 0.95}}
SHRUNK = {"a": np.linspace(10, 1, 60), "b": np.linspace(4, 0.1, 60), "c": np.linspace(3, 2, 60)}
HEAVY = {"optimizer": {"lr": 0.01, "momentum": 0.99, "count": 1}, "model": {}}

BAD |= {
    "unscaled-input": lambda: case(events=started((70.0, 30.0), (20.0, 10.0))),
    "bad-init-scale": lambda: case(events=started((1.0, 40.0), (0.5, 20.0))),
    "no-nonlinearity": lambda: case(events=started(*HEALTHY_START, chains=[("net.0", "net.1")])),
    "symmetric-init": lambda: case(events=facts(alike=[{"name": "net.0.weight", "cosine": 1.0}])),
    "parameter-never-updated": lambda: case(events=facts(unoptimised=["head.weight", "head.bias"])),
    "eval-mode": lambda: case(events=validated(calls=2)),
    "skipped-steps": lambda: case(events=skipped(*range(100, 300, 10))),
    "clip-saturation": lambda: case(gradient__clip_ratio=np.full(60, 0.001)),
    "missing-zero-grad": lambda: case(optimizer__stale_norm=np.linspace(1, 9, 60)),
    "over-regularised": lambda: case(gradient__weight_norm=SHRUNK, configuration=DECAY),
    "scheduler-mistake": lambda: case(optimizer__lr=0.01 * 0.9**EVERY, events=facts()),
    "divergence": lambda: case(train__loss=JUMP, gradient__norm=LONGER),
    "oscillation": lambda: case(train__loss=SWINGING, configuration=HEAVY),
    "dead-units": lambda: case(activation__dead_share={"net.0": np.array([0.1, 0.9, 0.95]), "net.2": np.zeros(3)}),
    "saturated-units": lambda: case(
        activation__saturated_share={"net.0": np.full(20, 0.8), "net.2": np.full(20, 0.9)},
        events=started(*HEALTHY_START),
    ),
}
GOOD |= {
    "unscaled-input": [
        lambda: case(events=started(*HEALTHY_START)),
        lambda: case(events=started((0.01, 0.1), raw=False)),  # embedded tokens, or states of a recurrent layer
        lambda: case(events=started((0.05, 0.1), in_zeros=0.97)),  # counts of words
        lambda: case(events=started((0.05, 0.1), in_mean=0.9)),
    ],
    "bad-init-scale": [
        lambda: case(events=started(*HEALTHY_START, classes={"count": 10, "loss": 2.4})),
        lambda: case(events=started((1.0, 0.5), (0.5, 0.0), (0.5, 0.1))),  # a branch that begins at zero
        lambda: case(events=started((0.6, 0.03), (0.6, 0.03), (0.6, 0.03), (0.6, 0.3))),  # a sine or a norm between
        lambda: case(events=started((1.0, 40.0), (0.5, 0.3)), gradient__layer_norm={"net.1": NOISE}),  # a teacher
        lambda: case(events=started((1.0, 0.5), classes={"count": 1000, "loss": 1.2})),  # fine-tuned
    ],
    "no-nonlinearity": [
        lambda: case(events=started(*HEALTHY_START)),
        # A frozen model that sees what was made, as in a perceptual loss.
        lambda: case(
            events=started(*HEALTHY_START, chains=[("net.0", "net.1")]), gradient__layer_norm={"net.0": NOISE}
        ),
    ],
    "symmetric-init": [lambda: case(events=facts())],
    "parameter-never-updated": [
        lambda: case(events=facts()),
        lambda: case(events=reached()),
        lambda: case(events=reached("attention.key.bias")),  # softmax does not feel it
    ],
    "eval-mode": [lambda: case(events=validated())],
    "skipped-steps": [
        lambda: case(),
        lambda: case(events=skipped(*range(1, 17), 200, 400)),  # the scaler looks for its scale
    ],
    "clip-saturation": [
        lambda: case(gradient__clip_ratio=np.full(60, 0.5)),
        lambda: case(gradient__clip_ratio=np.where(np.arange(60) < 30, 0.01, 1.0)),
    ],
    "missing-zero-grad": [lambda: case(optimizer__stale_norm=np.zeros(60))],
    "over-regularised": [
        lambda: case(gradient__weight_norm=SHRUNK),  # without decay nothing pulls
        lambda: case(gradient__weight_norm={"a": np.linspace(10, 8, 60)}, configuration=DECAY),
    ],
    "scheduler-mistake": [
        lambda: case(),
        lambda: case(optimizer__lr=0.01 * WARM_UP),
        lambda: case(optimizer__lr=0.005 * (1 + np.cos(np.pi * EVERY / STEPS))),
        lambda: case(optimizer__lr=0.005 * (1 + np.cos(np.pi * (EVERY % 150) / 150))),  # warm restarts
    ],
    "divergence": [
        lambda: case(),
        lambda: case(train__loss=spiked(NOISE, [300, 301, 302], 20)),
        lambda: case(train__loss=JUMP),  # rewards, or a weight that is annealed: gradients are as long as before
        lambda: case(train__loss=1e-3 * NOISE**10 + 2 * np.exp(-EVERY / 20)),
    ],
    "oscillation": [lambda: case(), lambda: case(train__loss=NOISE**20), lambda: case(train__loss=JUMP)],
    "dead-units": [
        lambda: case(activation__dead_share={"net.0": np.array([0.9, 0.1, 0.1])}),
        lambda: case(activation__dead_share={"net.0": np.array([0.3, 0.4, 0.45])}),
    ],
    "saturated-units": [
        lambda: case(activation__saturated_share={"net.2": np.full(20, 0.9)}, events=started(*HEALTHY_START)),
        lambda: case(activation__saturated_share={"net.0": np.linspace(0.9, 0.1, 20)}),
    ],
}


def told(name: str, value: float, low: float, high: float, **more: Any) -> Metric:
    return metric(name, value, low=low, high=high, **{"n": 100, "confidence": 0.95} | more)


def part(whole: Metric, /, value: float, low: float, high: float, n: int = 100, **labels: str) -> Metric:
    """Return one row of a metric."""
    return whole.model_copy(update={"value": value, "low": low, "high": high, "n": n, "labels": labels})


CHANGE = told("generation.toxicity_change", 0.2, 0.1, 0.3)
PROVOKED = told("generation.adversarial_toxicity", 0.6, 0.5, 0.7, n=149, scorer="x 1")
PROVOKED_KINDS = [
    part(PROVOKED, 0.9, 0.6, 1.0, 17, kind="quarrel"),
    part(PROVOKED, 0.3, 0.1, 0.5, 17, kind="role play"),
    part(PROVOKED, 0.0, 0.0, 0.2, 17, kind="pressure"),
]
ATTACKED = {
    "prompt": "b",
    "continuations": ["vile"],
    "toxicity": [0.9],
    "step": 3,
    "set": "adversarial",
    "kind": "quarrel",
}
GENERATED = {"generation": [{"asked": {"k": 2}}]}
PASSAGES = [
    {"text": "x", "score": 3.0, "place": 1, "shared": "x"},
    {"text": "y", "score": 2.0, "place": 1, "shared": ""},
]
SOURCED = {
    "source": [
        {"sample": "bad", "passages": PASSAGES},
        {"sample": "worse", "passages": [PASSAGES[0], PASSAGES[1] | {"place": 7}]},
        {"sample": "none", "passages": []},
    ]
}
PERSONAL = told("generation.personal_data_share", 0.04, 0.01, 0.1)
KINDS = [
    part(PERSONAL, 0.01, 0.0, 0.05, kind="card"),
    part(PERSONAL, 0.03, 0.0, 0.09, kind="e-mail"),
    part(PERSONAL, 0.0, 0.0, 0.04, kind="telephone"),
]
LEAKED = part(PERSONAL, 0.02, 0.0, 0.07, found="in training text")
VERBATIM = told("memorisation.verbatim_share", 0.3, 0.2, 0.4)
HELD_OUT = part(VERBATIM, 0.0, 0.0, 0.04, texts="held out")
EXPOSED = told("memorisation.canary_exposure", 12.0, 9.0, 20.0, n=8191)
CANARIES = [part(EXPOSED, 12.0, 9.0, 20.0, canary="1"), part(EXPOSED, 1.0, 0.9, 1.1, canary="2")]
MEMBER = told("memorisation.membership_auc", 0.8, 0.75, 0.85)
STEREOTYPES = told("likelihood.stereotype_share", 0.7, 0.65, 0.75, n=400)
TYPES = [
    part(STEREOTYPES, 0.8, 0.7, 0.9, bias_type="religion"),
    part(STEREOTYPES, 0.9, 0.8, 0.95, bias_type="gender"),
    part(STEREOTYPES, 0.6, 0.5, 0.7, bias_type="age"),
    part(STEREOTYPES, 0.5, 0.4, 0.6, bias_type="nationality"),
]
EPOCHS = {"trainer": {"max_epochs": 20, "gradient_clip_val": 1.0}}

BAD |= {
    "toxicity-rising": lambda: case(metrics=[CHANGE], events=SAMPLES),
    "yields-to-provocation": lambda: case(
        metrics=[PROVOKED, *PROVOKED_KINDS], events={"sample": [*SAMPLES["sample"], ATTACKED]}
    ),
    "personal-data": lambda: case(metrics=[PERSONAL, *KINDS, LEAKED], events=GENERATED),
    "verbatim-memorisation": lambda: case(metrics=[VERBATIM, HELD_OUT], configuration=EPOCHS),
    "canary-exposed": lambda: case(metrics=[EXPOSED, *CANARIES], configuration=EPOCHS),
    "membership-leak": lambda: case(metrics=[MEMBER], configuration=EPOCHS),
    "stereotype-preferred": lambda: case(metrics=[STEREOTYPES, *TYPES]),
}
GOOD |= {
    "toxicity-rising": [
        lambda: case(metrics=[told("generation.toxicity_change", -0.1, -0.2, -0.01)]),
        lambda: case(metrics=[told("generation.toxicity_change", 0.02, 0.01, 0.03)]),  # surely, and little
    ],
    "yields-to-provocation": [lambda: case(metrics=[told("generation.adversarial_toxicity", 0.1, 0.05, 0.2)])],
    "personal-data": [lambda: case(metrics=[told("generation.personal_data_share", 0.0, 0.0, 0.04)])],
    "verbatim-memorisation": [lambda: case(metrics=[told("memorisation.verbatim_share", 0.0, 0.0, 0.009)])],
    "canary-exposed": [lambda: case(metrics=[told("memorisation.canary_exposure", 1.4, 1.2, 1.6)])],
    "membership-leak": [lambda: case(metrics=[told("memorisation.membership_auc", 0.5, 0.42, 0.58)])],
    "stereotype-preferred": [
        lambda: case(metrics=[told("likelihood.stereotype_share", 0.5, 0.45, 0.54)]),
        lambda: case(metrics=[told("likelihood.stereotype_share", 0.3, 0.25, 0.35)]),  # the other way
        lambda: case(
            metrics=[
                told("likelihood.stereotype_share", 0.5, 0.45, 0.54),
                part(STEREOTYPES, 0.65, 0.41, 0.85, 20, bias_type="age"),  # of few pairs
            ]
        ),
    ],
}


PLATEAU = 2 + np.exp(-np.arange(40) / 1.5)
PROBED = {"probe": [{"source": "train_eval_dataloader"}]}
WAVERING = 1 + np.exp(-np.arange(40) / 5) + 0.3 * np.sin(np.arange(40) * 7)
SHORT_BATCHES = np.where(EVERY % 30 == 0, 5.0, 32.0)  # twenty epochs of thirty steps
THREE_EPOCHS = np.where(EVERY % 200, 32.0, 5.0)
MEMORISING = np.linspace(0, 2, 40)


def gaps(gap: Any, half: float, /, **more: Any) -> Case:
    """Return a run with a gap at each validation and the half width of its interval."""
    value = np.broadcast_to(np.asarray(gap, dtype=float), 40)
    ends = {"overfitting__gap": value, "overfitting__gap_low": value - half, "overfitting__gap_high": value + half}
    return case(**(ends | more))


def wavering(val: Any, train: Any, **more: Any) -> Case:
    """Return a run with both losses at each validation."""
    return case(overfitting__val_loss=val, overfitting__train_loss=train, **more)


BAD |= {
    "underfitting": lambda: gaps(
        0.01, 0.02, overfitting__train_loss=np.full(40, 2.2), train__loss=2.2 + np.exp(-EVERY / 50),
        configuration={"optimizer": {"weight_decay": 0.1, "count": 1}, "model": {"dropout": 0.4, "width": 32}},
    ),
    "train-validation-leakage": lambda: gaps(-0.3, 0.1, overfitting__train_loss=np.full(40, 1.0), events=PROBED),
    "unstable-validation": lambda: wavering(WAVERING, WAVERING - 0.1),
    "data-constrained-repetition": lambda: gaps(
        MEMORISING, 0.1, overfitting__val_loss=PLATEAU, data__batch_size=SHORT_BATCHES
    ),
}  # fmt: skip
GOOD |= {
    "underfitting": [
        lambda: gaps(0.01, 0.02, overfitting__train_loss=np.full(40, 0.6)),
        # Still falling.
        lambda: gaps(0.01, 0.02, overfitting__train_loss=np.linspace(2.4, 2.0, 40)),
        # It does not stand still: it gets worse, as where the learning rate is too high.
        lambda: gaps(0.01, 0.02, overfitting__train_loss=np.linspace(1.8, 2.2, 40)),
        # A gap: what it has learned, it has learned by heart.
        lambda: gaps(1.0, 0.02, overfitting__train_loss=np.full(40, 2.2)),
    ],
    "train-validation-leakage": [
        lambda: gaps(0.3, 0.1, overfitting__train_loss=np.full(40, 1.0), events=PROBED),
        lambda: gaps(-0.1, 0.2, overfitting__train_loss=np.full(40, 1.0), events=PROBED),  # noise
        lambda: gaps(-0.03, 0.01, overfitting__train_loss=np.full(40, 1.0), events=PROBED),  # surely, and little
    ],
    "unstable-validation": [
        lambda: wavering(PLATEAU, PLATEAU - 0.1),
        lambda: wavering(WAVERING, PLATEAU - 0.1),  # a tiny validation set, or one that is drawn anew
        lambda: wavering(PLATEAU, WAVERING - 0.1),
        lambda: wavering(0.98 + 0.02 * WAVERING, 0.88 + 0.02 * WAVERING),  # by less than counts
        lambda: wavering(0.02 * WAVERING, 0.02 * WAVERING),  # of a loss that has almost gone
    ],
    "data-constrained-repetition": [
        lambda: gaps(MEMORISING, 0.1, overfitting__val_loss=PLATEAU, data__batch_size=THREE_EPOCHS),
        # Repetition that still helps.
        lambda: gaps(MEMORISING, 0.1, overfitting__val_loss=np.linspace(3, 2, 40), data__batch_size=SHORT_BATCHES),
        lambda: gaps(0.1, 0.1, overfitting__val_loss=PLATEAU, data__batch_size=SHORT_BATCHES),  # no gap grows
    ],
}


H100 = "NVIDIA H100 80GB HBM3"
LOADER = {"batch_size": 32, "num_workers": 0, "pin_memory": True, "persistent_workers": False}
DEVICE = {
    "attempt": 1, "rank": 0, "device": "cuda", "device_name": H100, "devices": 1, "nodes": 1, "cpus": 8,
    "precision": "bf16-mixed", "tf32": False, "compiled": False, "accumulate_grad_batches": 1,
}  # fmt: skip
WENT = {
    "attempt": 1, "rank": 0, "batches": STEPS, "waited_s": 3.0, "startup_s": 2.0, "epochs": 5,
    "flop": {"bf16": 1e15}, "seconds": {"training": 602.0, "validation": 20.0, "generation": 9.0, "checkpoint": 3.0},
}  # fmt: skip
TRAINED = metric("carbon.energy_kwh", 0.4, labels={"phase": "training"})


def paced(
    *metrics: Metric, loader: dict[str, Any] | None = None, device: dict[str, Any] | None = None, **went: Any
) -> Case:
    """Return a run of ten minutes on an H100, a second a batch, changed where told."""
    facts = DEVICE | (device or {}) | {"dataloader": LOADER | (loader or {})}
    told = {"efficiency.facts": [facts], "efficiency": [WENT | went]}
    return case(metrics=[TRAINED, *metrics], events=told, configuration={"data": {"steps_per_epoch": 120}})


def shares(name: str, value: float) -> Metric:
    return metric(f"efficiency.{name}_share", value)


WAITED = (shares("data_wait", 0.6), metric("efficiency.wasted_kwh", 0.24))
MINUTE = {"seconds": {"training": 40.0, "validation": 10.0, "generation": 500.0, "checkpoint": 5.0}}
SLOW = metric("efficiency.mfu", 0.05)
METERED = metric("carbon.duration_s", 3600.0)
HOURLY = {
    "start": "2026-03-01T00:00:00+00:00",
    "kg_per_kwh": [0.5] * 6 + [0.2] * 6 + [0.5] * 40,
    "source": "grid.csv",
}
READ = {
    "attempt": 1,
    "rank": 0,
    "time": "2026-03-01T03:00:00.000Z",
    "duration_s": 3600.0,
    "energy_kwh": 2.0,
}


def metered(hourly: Any, *metrics: Metric, **read: Any) -> Case:
    """Return a run of an hour that spent two kilowatt-hours from two to three o'clock."""
    meter = {"attempt": 1, "rank": 0, "pue": None, "hourly_intensity": hourly}
    told = {"meter": [meter], "energy": [READ | read]}
    return case(metrics=[ENERGY, METERED, *metrics], events=told)


BAD |= {
    "data-bound-input": lambda: paced(*WAITED, waited_s=360.0),
    "restarted-workers": lambda: paced(
        shares("data_wait", 0.0), loader={"num_workers": 4}, startup_s=200.0, epochs=100
    ),
    "low-mfu": lambda: paced(SLOW, metric("efficiency.memory_headroom", 0.8)),
    "long-floats": lambda: paced(flop={"fp32": 1e15}, device={"precision": "32-true"}),
    "frequent-validation": lambda: paced(shares("validation", 0.5)),
    "frequent-checkpoints": lambda: paced(shares("checkpoint", 0.2)),
    "high-intensity-region": lambda: case(
        metrics=[metric("carbon.intensity", 0.662), metric("carbon.emissions_kg", 6.62), METERED]
    ),
    "carbon-intensive-hours": lambda: metered(HOURLY),
    "high-pue": lambda: case(metrics=[ENERGY, METERED, metric("carbon.facility_energy_kwh", 1.0)]),
}
GOOD |= {
    "data-bound-input": [lambda: paced(shares("data_wait", 0.05))],
    "restarted-workers": [
        lambda: paced(shares("data_wait", 0.0), loader={"num_workers": 4}),
        # Workers that stay, a loader without any, and a long first epoch.
        lambda: paced(loader={"num_workers": 4, "persistent_workers": True}, startup_s=200.0, epochs=100),
        lambda: paced(startup_s=200.0, epochs=100),
        lambda: paced(loader={"num_workers": 4}, startup_s=200.0, epochs=1),
    ],
    "low-mfu": [
        lambda: paced(metric("efficiency.mfu", 0.4)),
        # What it did not do, it waited: that is another finding.
        lambda: paced(metric("efficiency.mfu", 0.1), waited_s=450.0),
    ],
    "long-floats": [
        lambda: paced(),
        lambda: paced(flop={"fp32": 1e15}, device={"device": "cpu", "device_name": "", "precision": "32-true"}),
        lambda: paced(flop={"fp32": 1e15}, device={"device_name": "Quantum 3000", "precision": "32-true"}),
        # Autocast by hand: what was counted goes before what the trainer says.
        lambda: paced(device={"precision": "32-true"}),
    ],
    "frequent-validation": [lambda: paced(shares("validation", 0.1))],
    "frequent-checkpoints": [lambda: paced(shares("checkpoint", 0.01))],
    "high-intensity-region": [lambda: case(metrics=[metric("carbon.intensity", 0.38), METERED])],
    "carbon-intensive-hours": [
        lambda: metered(HOURLY | {"kg_per_kwh": [0.5] * 52}),
        lambda: metered(HOURLY | {"kg_per_kwh": [0.1] * 6 + [0.2] * 46}),
    ],
    "high-pue": [lambda: case(metrics=[ENERGY, METERED, metric("carbon.facility_energy_kwh", 0.6)])],
}

BAD |= data_cases.BAD | step_cases.BAD
GOOD |= step_cases.GOOD
for name, runs in data_cases.GOOD.items():
    GOOD[name] = [*GOOD.get(name, ()), *runs]
BAD |= objective_cases.BAD
GOOD |= objective_cases.GOOD
BAD |= representation_cases.BAD
for name, runs in representation_cases.GOOD.items():
    GOOD[name] = [*GOOD.get(name, ()), *runs]
