"""What devices can do at most, and how much carbon a grid's kilowatt-hour stands for: data with their sources."""

from .grid import Intensity, intensity_of
from .peaks import DEVICES, DTYPES, Device, Peak, device_named, dtype_of, nearest_devices, peak

__all__ = [
    "DEVICES",
    "DTYPES",
    "Device",
    "Intensity",
    "Peak",
    "device_named",
    "dtype_of",
    "intensity_of",
    "nearest_devices",
    "peak",
]
