"""Personal data in what a model says: found by well-kept patterns, and measured."""

from .measuring import SHARE, Personal, measure_personal
from .patterns import KINDS, PersonalError, personal_data

__all__ = ["KINDS", "SHARE", "Personal", "PersonalError", "measure_personal", "personal_data"]
