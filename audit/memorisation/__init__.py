"""What a language model has memorised: passages that it repeats, canaries, and texts that it knows from training."""

from ..asking_likelihoods import LikelihoodError
from .canaries import EXPOSURE, Canary, canary_exposure
from .membership import AUC, LOSS_GAP, membership
from .verbatim import VERBATIM, Repeat, Repeated, verbatim

__all__ = [
    "AUC",
    "EXPOSURE",
    "LOSS_GAP",
    "VERBATIM",
    "Canary",
    "LikelihoodError",
    "Repeat",
    "Repeated",
    "canary_exposure",
    "membership",
    "verbatim",
]
