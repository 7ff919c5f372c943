"""Observe: Lightning callbacks. The only layer that knows Lightning."""

from .activations import ActivationMonitor
from .audit import AuditCallback
from .carbon import CarbonMonitor
from .efficiency import EfficiencyMonitor
from .enforcing import PolicyNotMetError
from .example_losses import LabelMonitor
from .forecasting import ForecastMonitor
from .generation import GenerationMonitor
from .gradients import GradientMonitor
from .inputs import InputMonitor
from .monitor import Monitor
from .optimizers import OptimizerMonitor
from .overfitting import OverfittingMonitor
from .representation import RepresentationMonitor
from .stopping import EarlyStoppingByGap

__all__ = [
    "ActivationMonitor",
    "AuditCallback",
    "CarbonMonitor",
    "EarlyStoppingByGap",
    "EfficiencyMonitor",
    "ForecastMonitor",
    "GenerationMonitor",
    "GradientMonitor",
    "InputMonitor",
    "LabelMonitor",
    "Monitor",
    "OptimizerMonitor",
    "OverfittingMonitor",
    "PolicyNotMetError",
    "RepresentationMonitor",
]
