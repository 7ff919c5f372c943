"""How much of a device's memory was used, and how often it did anything: read now and then, never at a step."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import torch

ALLOCATED = "most memory that torch had allocated on the device since the user last reset that, read now and then"
RESIDENT = "largest resident memory of the process since it began, not of this training alone"
ACTIVE = "mean of {n} readings of the share of time in which any kernel was active, by the driver"


class Occupancy:
    """Peak memory and activity of one device.

    Attributes:
        peak: Bytes; None where they cannot be told.
        total: Bytes that the device has; None on a processor, whose memory is others' too.
        no_activity: Why there are no readings of the activity.
    """

    def __init__(self, device: torch.device) -> None:
        self.peak: int | None = None
        self.total: int | None = None
        self.no_activity = "" if device.type == "cuda" else "the run is on no GPU"
        self._device = device
        self._readings: list[float] = []
        if device.type == "cuda":
            self.total = int(torch.cuda.get_device_properties(device).total_memory)

    def read(self) -> None:
        """Take a reading."""
        found = torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else self._resident()
        self.peak = max(self.peak or 0, found) if found is not None else self.peak
        if not self.no_activity:
            self._read_activity()

    def _resident(self) -> int | None:
        if self._device.type != "cpu":
            return None
        try:
            import resource
        except ImportError:  # not on Windows
            return None
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def _read_activity(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._readings.append(torch.cuda.utilization(self._device) / 100)
        except Exception as error:  # noqa: BLE001 - the driver's library may be missing or refuse
            self.no_activity = f"the driver gives no reading: {type(error).__name__}: {error}".splitlines()[0][:200]

    def document(self) -> dict[str, Any]:
        """Return all readings as JSON."""
        return {
            "peak_bytes": self.peak,
            "total_bytes": self.total,
            "memory_method": ALLOCATED if self._device.type == "cuda" else RESIDENT,
            "active_sum": sum(self._readings),
            "active_readings": len(self._readings),
            "no_activity": self.no_activity or None,
        }
