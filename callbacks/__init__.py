"""Observe: Lightning callbacks. The only layer that knows Lightning."""

from .audit import AuditCallback
from .carbon import CarbonMonitor
from .generation import GenerationMonitor
from .gradients import GradientMonitor
from .monitor import Monitor
from .overfitting import OverfittingMonitor

__all__ = [
    "AuditCallback",
    "CarbonMonitor",
    "GenerationMonitor",
    "GradientMonitor",
    "Monitor",
    "OverfittingMonitor",
]
