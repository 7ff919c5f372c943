"""Observe: Lightning callbacks. The only layer that knows Lightning."""

from .activations import ActivationMonitor
from .audit import AuditCallback
from .carbon import CarbonMonitor
from .generation import GenerationMonitor
from .gradients import GradientMonitor
from .monitor import Monitor
from .optimizers import OptimizerMonitor
from .overfitting import OverfittingMonitor

__all__ = [
    "ActivationMonitor",
    "AuditCallback",
    "CarbonMonitor",
    "GenerationMonitor",
    "GradientMonitor",
    "Monitor",
    "OptimizerMonitor",
    "OverfittingMonitor",
]
