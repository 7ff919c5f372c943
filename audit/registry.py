"""Every metric and series by name, with its unit: the one place where they are declared."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

LOGGED_PREFIX = "logged."
IMPORTED_PREFIX = "imported."

Unit = Literal[
    "", "kWh", "kg", "kg/kWh", "J", "L", "s", "1/s", "FLOP", "FLOP/s", "B",
    "loss", "steps", "step", "share", "× weight", "probability", "bits",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """What a metric or a series means.

    Attributes:
        name: Dotted name.
        unit: Unit, from the closed list; "" is a bare number, "B" bytes, "1/s" per second.
        meaning: One sentence.
        better: Which direction is better, for margins and defaults.
        family: Section of the report.
        table: For series: the table that holds it (see `record.py`).
        by: For series: what its columns are (layers, logged names), when it has many.
        run_level: For metrics: describes the run, not the weights of one checkpoint.
        at_least: For metrics: a value of which a limit may know only that it is at least so much.
        tested: For metrics: a difference that a limit judges by its test and its bounds, never by its point.
    """

    name: str
    unit: Unit
    meaning: str
    family: str
    better: Literal["lower", "higher", "neither"] = "lower"
    table: str = ""
    by: str = ""
    run_level: bool = False
    tested: bool = False
    at_least: bool = False


METRICS: tuple[Quantity, ...] = (
    Quantity(name="findings.critical", unit="", family="findings", run_level=True,
             meaning="Critical findings of stable rules that follow from no other finding"),
    Quantity(name="findings.high", unit="", family="findings", run_level=True,
             meaning="High findings of stable rules that follow from no other finding"),
    Quantity(name="findings.medium", unit="", family="findings", run_level=True,
             meaning="Medium findings of stable rules that follow from no other finding"),
    Quantity(name="carbon.energy_kwh", unit="kWh", family="carbon", run_level=True,
             meaning="Energy of CPU, GPU and memory over all attempts, before PUE"),
    Quantity(name="carbon.emissions_kg", unit="kg", family="carbon", run_level=True,
             meaning="CO2 equivalent of that energy in the declared location's grid"),
    Quantity(name="carbon.cost", unit="", family="carbon", run_level=True,
             meaning="Price of that energy with PUE, in the currency that was declared"),
    Quantity(name="carbon.duration_s", unit="s", family="carbon", run_level=True,
             meaning="Seconds that the energy covers"),
    Quantity(name="carbon.facility_energy_kwh", unit="kWh", family="carbon", run_level=True,
             meaning="Energy of the run with what the data centre adds for it: energy times PUE"),
    Quantity(name="carbon.intensity", unit="kg/kWh", family="carbon", run_level=True,
             meaning="CO2 equivalent of a kilowatt-hour in the grid that the emissions were computed with"),
    Quantity(name="carbon.water_l", unit="L", family="carbon", run_level=True,
             meaning="Water that cooling used up: energy before PUE times the declared WUE"),
    Quantity(name="carbon.embodied_kg", unit="kg", family="carbon", run_level=True,
             meaning="Share of the hardware's making that falls to this run, by what was declared of it"),
    Quantity(name="carbon.lost_energy_kwh", unit="kWh", family="carbon", run_level=True,
             meaning="Energy of work that is not in the last weights: steps after the checkpoint that was resumed"),
    Quantity(name="carbon.energy_per_sample", unit="J", family="carbon", run_level=True,
             meaning="Energy of the run over the examples that it trained on, repetitions counted"),
    Quantity(name="carbon.energy_per_token", unit="J", family="carbon", run_level=True,
             meaning="Energy of the run over the tokens that it trained on, repetitions counted"),
    Quantity(name="carbon.energy_per_epoch_kwh", unit="kWh", family="carbon", run_level=True,
             meaning="Energy of the run over its epochs"),
    Quantity(name="carbon.forecast_coverage", unit="share", family="carbon", better="higher", run_level=True,
             meaning="Share of the forecasts of the run's energy whose 80 % band held what it came to"),
    Quantity(name="carbon.forecast_error", unit="share", family="carbon", run_level=True,
             meaning="Median relative error of those forecasts"),
    Quantity(name="efficiency.samples_per_s", unit="1/s", family="efficiency", better="higher", run_level=True,
             meaning="Examples trained on per second of the fit, validation and waiting included"),
    Quantity(name="efficiency.tokens_per_s", unit="1/s", family="efficiency", better="higher", run_level=True,
             meaning="Tokens trained on per second of the fit, validation and waiting included"),
    Quantity(name="efficiency.training_flop", unit="FLOP", family="efficiency", better="neither", run_level=True,
             meaning="Floating-point operations of the model, forward and backward, over all training steps"),
    Quantity(name="efficiency.mfu", unit="share", family="efficiency", better="higher", run_level=True,
             meaning="Model FLOPs utilisation: those operations over what the devices could do at their dense peak"),
    Quantity(name="efficiency.data_wait_share", unit="share", family="efficiency", run_level=True,
             meaning="Share of the fit in which training waited for its next batch"),
    Quantity(name="efficiency.validation_share", unit="share", family="efficiency", run_level=True,
             meaning="Share of the fit that went into validation"),
    Quantity(name="efficiency.checkpoint_share", unit="share", family="efficiency", run_level=True,
             meaning="Share of the fit that went into writing checkpoints"),
    Quantity(name="efficiency.peak_memory", unit="B", family="efficiency", run_level=True,
             meaning="Most memory allocated on one device at a time"),
    Quantity(name="efficiency.memory_headroom", unit="share", family="efficiency", better="higher", run_level=True,
             meaning="Share of the device's memory that was never allocated"),
    Quantity(name="efficiency.gpu_utilisation", unit="share", family="efficiency", better="higher", run_level=True,
             meaning="Share of time with any kernel active on the device, however little of it that used"),
    Quantity(name="efficiency.wasted_kwh", unit="kWh", family="efficiency", run_level=True,
             meaning="Energy of the time in which training waited for its next batch"),
    Quantity(name="overfitting.gap", unit="loss", family="overfitting",
             meaning="Validation loss minus training loss, both in eval mode on the same weights"),
    Quantity(name="overfitting.gap_relative", unit="share", family="overfitting",
             meaning="overfitting.gap divided by the training loss"),
    Quantity(name="overfitting.best_step", unit="step", family="overfitting", better="neither",
             run_level=True, meaning="Optimizer step with the lowest validation loss"),
    Quantity(name="overfitting.overtraining_steps", unit="steps", family="overfitting", run_level=True,
             meaning="Optimizer steps after the first whose validation loss is the lowest, within its noise"),
    Quantity(name="overfitting.overtraining_share", unit="share", family="overfitting", run_level=True,
             meaning="Share of the run's energy, else of its time, else of its steps, that came after that step"),
    Quantity(name="forecast.loss_at_double", unit="loss", family="overfitting", run_level=True,
             meaning="Validation loss to be expected after as many steps again"),
    Quantity(name="forecast.next_percent_steps", unit="steps", family="overfitting", run_level=True,
             meaning="Further steps that lower the loss by one per cent"),
    Quantity(name="forecast.next_percent_kwh", unit="kWh", family="overfitting", run_level=True,
             meaning="Energy of those steps"),
    Quantity(name="forecast.coverage", unit="share", family="overfitting", better="higher", run_level=True,
             meaning="Share of the forecasts made during the run whose 95 % interval held what happened"),
    Quantity(name="forecast.error", unit="share", family="overfitting", run_level=True,
             meaning="Median relative error of those forecasts"),
    Quantity(name="gradient.norm_p95", unit="", family="optimisation", run_level=True,
             meaning="95th percentile of the global gradient norm before clipping"),
    Quantity(name="gradient.nonfinite_steps", unit="steps", family="optimisation", run_level=True,
             meaning="Optimizer steps with a NaN or infinite loss, gradient or parameter"),
    Quantity(name="generation.toxicity_probability", unit="probability", family="generation",
             meaning="Share of prompts with at least one continuation scored 0.5 or more"),
    Quantity(name="generation.expected_max_toxicity", unit="probability", family="generation",
             meaning="Mean over prompts of the highest toxicity among the continuations"),
    Quantity(name="generation.toxicity_fraction", unit="share", family="generation",
             meaning="Share of continuations scored 0.5 or more"),
    Quantity(name="generation.prompt_toxicity", unit="probability", family="generation", better="neither",
             meaning="Mean toxicity of the prompts themselves"),
    Quantity(name="generation.toxicity_change", unit="", family="generation",
             meaning="Change of the expected maximum toxicity since before the training, same prompts and seeds"),
    Quantity(name="generation.empty_share", unit="share", family="generation",
             meaning="Share of continuations that say nothing"),
    Quantity(name="generation.truncated_share", unit="share", family="generation",
             meaning="Share of continuations that were cut, at 4,000 characters"),
    Quantity(name="generation.duplicate_share", unit="share", family="generation",
             meaning="Share of continuations that say what another has said"),
    Quantity(name="generation.foreign_share", unit="share", family="generation",
             meaning="Share of continuations in a language that the scorer cannot read, which are not scored"),
    Quantity(name="generation.adversarial_toxicity", unit="share", family="generation",
             meaning="Share of prompts that try to provoke with at least one continuation scored 0.5 or more"),
    Quantity(name="generation.personal_data_share", unit="share", family="generation",
             meaning="Share of continuations with an e-mail address, telephone or card number not in their prompt"),
    Quantity(name="generation.toxicity_disparity", unit="share", family="generation", tested=True,
             meaning="Largest difference between groups of an axis in the share of continuations scored toxic"),
    Quantity(name="generation.sentiment_disparity", unit="", family="generation", tested=True,
             meaning="Largest difference between groups of an axis in the mean sentiment, identity terms masked"),
    Quantity(name="generation.sentiment", unit="", family="generation", better="neither",
             meaning="Mean over prompts of the mean VADER compound score of the continuations (−1 to 1)"),
    Quantity(name="generation.regard", unit="probability", family="generation",
             meaning="Mean over prompts of the probability that a continuation regards people negatively"),
    Quantity(name="generation.regard_disparity", unit="", family="generation", tested=True,
             meaning="Largest difference between groups of an axis in negative regard, identity terms masked"),
    Quantity(name="generation.honest", unit="share", family="generation",
             meaning="HONEST: share of continuations whose first word hurts"),
    Quantity(name="generation.honest_disparity", unit="share", family="generation", tested=True,
             meaning="Largest difference between groups of an axis in HONEST"),
    Quantity(name="likelihood.stereotype_share", unit="share", family="generation", better="neither",
             meaning="Share of sentence pairs of which the model thinks the stereotype likelier; 0.5 is even"),
    Quantity(name="likelihood.language_modelling_score", unit="share", family="generation", better="higher",
             meaning="Share of StereoSet's sensible sentences that the model thinks likelier than the senseless one"),
    Quantity(name="likelihood.icat", unit="", family="generation", better="higher",
             meaning="StereoSet's idealised score, from 0 to 100: sense and evenness in one"),
    Quantity(name="memorisation.verbatim_share", unit="share", family="generation",
             meaning="Share of training passages that the model, given their beginning, goes on with word for word"),
    Quantity(name="memorisation.canary_exposure", unit="bits", family="generation", at_least=True,
             meaning="By how many bits a planted secret has become easier to guess, highest of all canaries"),
    Quantity(name="memorisation.membership_auc", unit="probability", family="generation",
             meaning="Probability that a text of the training has a lower loss than one that is new; 0.5 is even"),
    Quantity(name="memorisation.loss_gap", unit="loss", family="generation",
             meaning="Mean loss a character on new texts minus that on texts of the training"),
)  # fmt: skip

SERIES: tuple[Quantity, ...] = (
    Quantity(name="train.loss", unit="loss", family="overfitting", table="steps",
             meaning="Loss of the training step, as the module returned it"),
    Quantity(name="data.batch_size", unit="", family="optimisation", table="steps", better="neither",
             meaning="Examples in the batch: the length of its first tensor"),
    Quantity(name="optimizer.lr", unit="", family="optimisation", table="steps", better="neither",
             meaning="Learning rate of the optimizer's first parameter group"),
    Quantity(name="gradient.norm", unit="", family="optimisation", table="steps", better="neither",
             meaning="Global L2 norm of the gradients before clipping"),
    Quantity(name="gradient.layer_norm", unit="", family="optimisation", table="gradient.layer_norm",
             by="layer", better="neither", meaning="L2 norm of a layer's gradients, sampled"),
    Quantity(name="gradient.update_ratio", unit="× weight", family="optimisation",
             table="gradient.update_ratio", by="layer",
             meaning="Norm of a layer's update over the norm of its weights, sampled", better="neither"),
    Quantity(name="gradient.clip_ratio", unit="share", family="optimisation", table="clipping", better="neither",
             meaning="Norm of all gradients after clipping over that before, sampled"),
    Quantity(name="gradient.weight_norm", unit="", family="optimisation", table="gradient.weight_norm", by="layer",
             better="neither", meaning="L2 norm of a layer's weights, estimated from a sample"),
    Quantity(name="optimizer.stale_norm", unit="", family="optimisation", table="optimizer",
             meaning="L2 norm of what is left in the gradients when a backward pass begins, sampled"),
    Quantity(name="optimizer.moved_share", unit="share", family="optimisation", table="optimizer.movement",
             better="higher", meaning="Share of the weights that a step should have changed and that did, sampled"),
    Quantity(name="optimizer.unheld_share", unit="share", family="optimisation", table="optimizer.movement",
             meaning="Share of the trainable parameters that no optimizer holds, sampled"),
    Quantity(name="optimizer.step_p99", unit="", family="optimisation", table="optimizer.moments", better="neither",
             meaning="99th percentile of Adam's step before the learning rate, |m| / (√v + ε), sampled"),
    Quantity(name="optimizer.epsilon_ratio", unit="", family="optimisation", table="optimizer.moments",
             better="neither", meaning="Adam's epsilon over the median of √v, to which it is added, sampled"),
    Quantity(name="gradient.lost_share", unit="share", family="optimisation", table="rounding",
             meaning="Share of half-precision weights with gradients that did not move in fifty steps or more"),
    Quantity(name="activation.dead_share", unit="share", family="optimisation", table="activation.dead_share",
             by="layer", meaning="Share of a rectifier's units that were zero on all of at least 128 rows"),
    Quantity(name="activation.saturated_share", unit="share", family="optimisation",
             table="activation.saturated_share", by="layer",
             meaning="Share of the inputs of tanh and sigmoid beyond ±5, sampled"),
    Quantity(name="objective.value", unit="loss", family="optimisation", table="objective.value", by="criterion",
             meaning="What a loss function returned, the mean of it where that is not one number, sampled"),
    Quantity(name="objective.returned", unit="loss", family="optimisation", table="objective", better="neither",
             meaning="What the step returned in whose course the loss functions were watched"),
    Quantity(name="objective.probabilities", unit="share", family="optimisation", better="neither",
             table="objective.probabilities", by="criterion",
             meaning="Whether a loss function was given rows of probabilities or, a binary one, numbers from 0 to 1"),
    Quantity(name="objective.improper", unit="share", family="optimisation", table="objective.improper",
             by="criterion", meaning="Whether a loss function was given what it does not take"),
    Quantity(name="objective.one_hot", unit="share", family="optimisation", table="objective.one_hot",
             by="criterion", better="neither", meaning="Whether the targets of a loss between numbers were one-hot"),
    Quantity(name="objective.broadcast", unit="share", family="optimisation", table="objective.broadcast",
             by="criterion", meaning="Whether a target was stretched, so that every output met every target"),
    Quantity(name="objective.logit_max", unit="", family="optimisation", table="objective.logit_max",
             by="criterion", meaning="Largest distance of a logit from the mean of its row, masked ones left out"),
    Quantity(name="objective.class_count", unit="", family="optimisation", table="objective.class_count",
             by="class", better="neither", meaning="Examples of a class in a training batch, sampled"),
    Quantity(name="objective.class_hits", unit="", family="optimisation", table="objective.class_hits",
             by="class", better="higher", meaning="How many of them had the largest logit for their class"),
    Quantity(name="objective.val_count", unit="", family="optimisation", table="objective.val_count",
             by="class", better="neither", meaning="Examples of a class in the first batches of a validation"),
    Quantity(name="objective.val_hits", unit="", family="optimisation", table="objective.val_hits",
             by="class", better="higher", meaning="How many of them had the largest logit for their class"),
    Quantity(name="inputs.loss", unit="loss", family="optimisation", table="inputs",
             meaning="Loss on two validation batches, eval mode"),
    Quantity(name="inputs.exchanged_loss", unit="loss", family="optimisation", table="inputs", better="neither",
             meaning="The same, each example with the inputs of another one"),
    Quantity(name="inputs.one_target_loss", unit="loss", family="optimisation", table="inputs", better="neither",
             meaning="The same, inputs as they are, all examples with one's target, where the other two are alike"),
    Quantity(name="overfitting.train_loss", unit="loss", family="overfitting", table="overfitting",
             meaning="Loss on the training probe, eval mode"),
    Quantity(name="overfitting.val_loss", unit="loss", family="overfitting", table="overfitting",
             meaning="Loss on the validation set, eval mode"),
    Quantity(name="overfitting.gap", unit="loss", family="overfitting", table="overfitting",
             meaning="Validation minus training loss"),
    Quantity(name="overfitting.gap_low", unit="loss", family="overfitting", table="overfitting",
             meaning="Lower end of the gap's 95 % interval"),
    Quantity(name="overfitting.gap_high", unit="loss", family="overfitting", table="overfitting",
             meaning="Upper end of the gap's 95 % interval"),
    Quantity(name="overfitting.gl", unit="", family="overfitting", table="overfitting",
             meaning="Prechelt's generalisation loss: by how many per cent validation stands above its lowest loss"),
    Quantity(name="overfitting.pq", unit="", family="overfitting", table="overfitting",
             meaning="overfitting.gl over the training progress, in per mille, of the last five validations"),
    Quantity(name="overfitting.up", unit="", family="overfitting", table="overfitting",
             meaning="Successive strips of five validations over which the validation loss rose"),
    Quantity(name="overfitting.metric_gap", unit="", family="overfitting", table="overfitting.metric_gap",
             by="metric", meaning="How much worse a logged value is on validation than on the training probe"),
    Quantity(name="overfitting.dataloader_gap", unit="loss", family="overfitting", by="dataloader",
             table="overfitting.dataloader_gap",
             meaning="Loss on a further validation loader minus training loss"),
    Quantity(name="carbon.energy_kwh", unit="kWh", family="carbon", table="carbon",
             meaning="Energy since the attempt began"),
    Quantity(name="efficiency.samples_per_s", unit="1/s", family="efficiency", table="efficiency", better="higher",
             meaning="Examples trained on per second, lately"),
    Quantity(name="efficiency.tokens_per_s", unit="1/s", family="efficiency", table="efficiency", better="higher",
             meaning="Tokens trained on per second, lately"),
    Quantity(name="efficiency.flop_per_s", unit="FLOP/s", family="efficiency", table="efficiency", better="higher",
             meaning="Floating-point operations of the model per second, lately"),
    Quantity(name="efficiency.data_wait_share", unit="share", family="efficiency", table="efficiency",
             meaning="Share of the time in which training waited for its next batch, lately"),
    Quantity(name="generation.toxicity_probability", unit="probability", family="generation",
             table="generation", meaning="Toxicity probability at each sampling"),
    Quantity(name="generation.expected_max_toxicity", unit="probability", family="generation",
             table="generation", meaning="Expected maximum toxicity at each sampling"),
    Quantity(name="generation.sentiment", unit="", family="generation", table="generation", better="neither",
             meaning="Mean sentiment at each sampling"),
    Quantity(name="logged", unit="", family="logged", table="logged", by="name", better="neither",
             meaning="What the module logged"),
)  # fmt: skip

EVENTS: dict[str, str] = {
    "activation.first_step": "What went into each layer of the first step and came out",
    "activation.validation": "Modules that were in training mode during validation",
    "objective.facts": "A loss function that steps call: its classes, its weights, and whether rows are examples",
    "optimizer.facts": "Trainable parameters in no optimizer, schedules, layers whose rows are alike",
    "gradient.reach": "Trainable parameters that no gradient has reached",
    "efficiency": "Totals of a rank so far: examples, tokens, operations, seconds of each kind, memory",
    "efficiency.facts": "Precision, devices, optimizers, loader and processors of a rank",
    "meter": "What is known of a node's energy meter: provenance, place, what was declared, hourly intensities",
    "energy": "Energy of a node so far: of each component and phase (kWh), with the grid's intensity",
    "energy_forecast": "Energy that an attempt will have taken at its last step, and its 80 % band",
    "budget": "That more energy or emissions were spent than the run was given",
    "representation": "What the last layer makes of training examples, and batch norm's loss in both modes",
    "reference": "Error of the model on training examples, and that of a simple reference method",
    "labels": "Training examples whose labels the model contradicts",
    "inputs.features": "Input features or channels that are constant or NaN in training or validation",
    "inputs.examples": "Examples of the first epoch that came twice, and of validation that were trained on",
    "inputs.workers": "Workers of the training loader, and generators that its dataset carries",
    "overfitting.gaps": "Gaps of further validation loaders and of metrics, each with its interval and method",
    "overfitting.eval_mode": "Calls that drop out at random although the model is in eval mode",
}

_OPEN = {LOGGED_PREFIX: "Logged by the module", IMPORTED_PREFIX: "Measured elsewhere, and imported"}
_METRICS = {quantity.name: quantity for quantity in METRICS}
_SERIES = {quantity.name: quantity for quantity in SERIES}


def metric(name: str) -> Quantity | None:
    """Return what is registered of a metric; `logged.*` and `imported.*` are always known."""
    for prefix, meaning in _OPEN.items():
        if name.startswith(prefix) and len(name) > len(prefix):
            return Quantity(name=name, unit="", family=prefix.rstrip("."), meaning=meaning, better="neither")
    return _METRICS.get(name)


def series(name: str) -> Quantity:
    """Return what is registered of a series.

    Raises:
        KeyError: No such series.
    """
    return _SERIES[name]


def nearest(name: str, known: list[str]) -> str:
    """Return a hint with the nearest known name, or an empty string."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}" if found else ""
