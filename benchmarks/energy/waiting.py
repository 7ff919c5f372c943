"""How long a fit waits for its first batch where the network swallows every packet."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
REPEATS = 3
# A network of its own whose only way out leads back to itself: no answer comes, and no error either.
HOLE = "ip link set lo up && ip route add default dev lo && exec"
FIT = """
import socket, sys, threading, time
import lightning as L, torch
from benchmarks.efficiency.running import fit
from benchmarks.energy.course import Sleeper
from benchmarks.energy.power import Truth
from groundwire.callbacks import CarbonMonitor

class First(L.Callback):
    def on_train_batch_start(self, *_):
        self.at = getattr(self, "at", time.monotonic())
    def on_train_end(self, *_):
        self.end = time.monotonic()

mode, folder = sys.argv[1:]
swallowed = False
if mode == "stub":
    socket.getaddrinfo = lambda *_, **__: time.sleep(60)
if mode in ("hole", "stub"):
    asking = threading.Thread(target=lambda: socket.getaddrinfo("get.geojs.io", 443), daemon=True)
    asking.start()
    asking.join(3)
    swallowed = asking.is_alive()
torch.set_num_threads(1)
monitors = [] if mode == "none" else [CarbonMonitor(dirpath=folder, locate=mode != "off")]
first, began = First(), time.monotonic()
fit(Sleeper(Truth(), 0.1), torch.utils.data.DataLoader([torch.zeros(1)] * 50), first, *monitors)
print(swallowed, first.at - began, time.monotonic() - first.end)
"""


def waits(mode: str, folder: str) -> tuple[bool, float, float]:
    """Return whether the network swallowed, and the seconds before the first batch and after the last.

    Args:
        mode: `none` (no monitor), `off` (it asks nobody), `hole` (it asks, in a network that swallows), `stub` (it
            asks a resolver that does not answer).
        folder: Where runs are recorded.
    """
    command = [sys.executable, "-W", "ignore", "-c", FIT, mode, folder]
    if mode == "hole":
        command = ["unshare", "-rn", "sh", "-c", f'{HOLE} "$@"', "sh", *command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    swallowed, start, end = done.stdout.split()[-3:]
    return swallowed == "True", float(start), float(end)


def table(folder: str, repeats: int = REPEATS) -> Iterator[str]:
    """Yield a row for each mode; a resolver that does not answer stands in where no network can be made."""
    yield "| network | `locate` | before the first batch, s (range) | after the last, s (range) |"
    yield "|---|---|---|---|"
    for mode, told in MODES.items():
        try:
            found = [waits(mode, folder) for _ in range(repeats)]
        except (OSError, subprocess.CalledProcessError):
            yield f"| {told} | could not be made here | |"
            continue
        swallowed = all(one[0] for one in found) or mode in ("none", "off")
        yield f"| {told if swallowed else f'{told}, which did answer'} | {_range(found, 1)} | {_range(found, 2)} |"


MODES = {
    "none": "any | no monitor",
    "off": "any | `False`",
    "hole": "swallows every packet | `True`",
    "stub": "resolver that hangs | `True`",
}


def _range(found: list[tuple[bool, float, float]], place: int) -> str:
    values = [float(one[place]) for one in found]
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"
