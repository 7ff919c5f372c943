"""Rules: pure functions from a case to evidence of one fault, one family a file."""

from . import carbon, generalisation, generation, gradients, optimisation
from .declaration import Rule

RULES: tuple[Rule, ...] = (
    gradients.non_finite,
    gradients.exploding_gradient,
    gradients.vanishing_gradient,
    optimisation.loss_spike,
    optimisation.stagnant_loss,
    optimisation.updates_too_large,
    optimisation.updates_too_small,
    generalisation.overfitting,
    generalisation.overtraining,
    generation.toxic_generations,
    carbon.location_unknown,
    carbon.mostly_modelled_energy,
)

__all__ = ["RULES", "Rule"]
