"""How the loss falls with parameters and tokens: a law fitted over several runs, and what it says of a budget."""

from .fit import Estimate, Fit, fit_law
from .law import Law
from .optimal import Optimum, optimum
from .points import Point, Points
from .reading import read_points
from .repeated import Repeated, repeated
from .runs import read_runs
from .standing import Standing, standing
from .study import Question, Study, study
from .text import study_json, study_text

__all__ = [
    "Estimate",
    "Fit",
    "Law",
    "Optimum",
    "Point",
    "Points",
    "Question",
    "Repeated",
    "Standing",
    "Study",
    "fit_law",
    "optimum",
    "read_points",
    "read_runs",
    "repeated",
    "standing",
    "study",
    "study_json",
    "study_text",
]
