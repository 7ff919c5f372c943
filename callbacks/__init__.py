"""Observe: Lightning callbacks. The only layer that knows Lightning."""

from .activations import ActivationMonitor
from .audit import AuditCallback
from .carbon import CarbonMonitor
from .efficiency import EfficiencyMonitor
from .enforcing import PolicyNotMetError
from .forecasting import ForecastMonitor
from .generation import GenerationMonitor
from .gradients import GradientMonitor
from .monitor import Monitor
from .optimizers import OptimizerMonitor
from .overfitting import OverfittingMonitor
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
    "Monitor",
    "OptimizerMonitor",
    "OverfittingMonitor",
    "PolicyNotMetError",
]
