"""Rules: pure functions from a case to evidence of one fault, one family a file.

Of findings that weigh the same, the one whose rule stands first here is shown first: causes before symptoms.
"""

from . import (
    bias,
    capacity,
    carbon,
    course,
    generalisation,
    generation,
    gradients,
    groups,
    memorisation,
    optimisation,
    privacy,
    repetition,
    returns,
    start,
    steps,
    units,
)
from .declaration import Rule

RULES: tuple[Rule, ...] = (
    gradients.non_finite,
    start.unscaled_input,
    start.symmetric_init,
    start.bad_init_scale,
    start.parameter_never_updated,
    steps.missing_zero_grad,
    steps.skipped_steps,
    steps.over_regularised,
    course.scheduler_mistake,
    units.saturated_units,
    units.dead_units,
    optimisation.updates_too_large,
    gradients.exploding_gradient,
    gradients.vanishing_gradient,
    course.divergence,
    optimisation.stagnant_loss,
    start.no_nonlinearity,
    start.eval_mode,
    steps.clip_saturation,
    optimisation.updates_too_small,
    course.oscillation,
    optimisation.loss_spike,
    generalisation.overfitting,
    generalisation.overtraining,
    returns.diminishing_returns,
    repetition.data_constrained_repetition,
    capacity.underfitting,
    capacity.train_validation_leakage,
    capacity.unstable_validation,
    memorisation.canary_exposed,
    memorisation.verbatim_memorisation,
    memorisation.membership_leak,
    privacy.personal_data,
    generation.toxicity_rising,
    generation.toxic_generations,
    groups.group_disparity,
    bias.stereotype_preferred,
    generation.yields_to_provocation,
    carbon.location_unknown,
    carbon.mostly_modelled_energy,
)

__all__ = ["RULES", "Rule"]
