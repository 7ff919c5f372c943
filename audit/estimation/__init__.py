"""What a training will take before it runs: hours, energy, emissions, water and cost, as ranges."""

from .asked import Asked
from .total import Estimate, estimate

__all__ = ["Asked", "Estimate", "estimate"]
