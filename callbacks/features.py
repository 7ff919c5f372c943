"""How often each feature of a table, or channel of an image, has one and the same value."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

MOST_COLUMNS = 65_536
TOLD = 50  # columns that an event names
PIXELS = 16  # of a side of an image, that are looked at
CHANNELS = (1, 3, 4)
SEQUENCES = 2**20  # values of a batch of sequences, from places evenly spaced
FEWEST = 8  # examples from which the usual value is taken
FREQUENT = (0.5, 0.9)  # shares of one value, from which a column is hardly one of a dense table


def columns(first: Tensor) -> tuple[str, Tensor] | None:
    """Return what kind of columns a batch of inputs has, and its values, shape [rows, columns]; None without any.

    `table`: features of [examples, features]. `channels`: of images, [examples, channels, height, width] or with the
    channels last. `sequence`: the last dimension of three.
    """
    if first.ndim == 4 and (first.is_floating_point() or first.dtype == torch.uint8):
        last = first.shape[-1] in CHANNELS and first.shape[1] not in CHANNELS
        image = first if last else first.movedim(1, -1)
        steps = [max(1, -(-side // PIXELS)) for side in image.shape[1:3]]
        return "channels", image[:, :: steps[0], :: steps[1]].reshape(-1, image.shape[-1])
    if first.ndim not in (2, 3) or not first.is_floating_point() or first.shape[-1] > MOST_COLUMNS:
        return None
    if first.ndim == 2:
        return "table", first
    return "sequence", first[:, :: -(-first.numel() // SEQUENCES) or 1].reshape(-1, first.shape[-1])


class Columns:
    """Counts over the rows of one side.

    Attributes:
        examples: How many were looked at.
        usual: The median of the first batch, shape [columns]: where one value is frequent, it is that one.
    """

    def __init__(self) -> None:
        self.examples = self.rows = 0
        self.usual: Tensor | None = None
        self._counts = torch.zeros(0)

    @torch.no_grad()
    def add(self, values: Tensor, examples: int) -> None:
        """Count a batch, shape [rows, columns]; others than the first one's columns are left out."""
        values = values.detach()
        if self.usual is None:
            if len(values) < FEWEST:
                return
            self.usual = values.float().nanmedian(dim=0).values.to(values.dtype)
            self._counts = torch.zeros(2, values.shape[1], dtype=torch.int64, device=values.device)
        if values.shape[1] != len(self.usual):
            return
        self._counts += torch.stack([(values == self.usual).sum(dim=0), values.isnan().sum(dim=0)])
        self.examples += examples
        self.rows += len(values)

    def shares(self) -> tuple[list[float], list[float], list[float]]:
        """Return of each column how often it has its usual value, how often NaN, and that value; this waits."""
        if self.usual is None:
            return [], [], []
        usual, nan = (self._counts.double() / max(1, self.rows)).tolist()
        return usual, nan, self.usual.double().tolist()


def document(kind: str, train: Columns, val: Columns) -> dict[str, Any]:
    """Return what is to be told: columns that are constant or NaN on one side at least, and how dense the others are.

    Shares are of rows: how often a column has its usual value, and how often it is NaN.
    """
    sides = {"train": train.shares(), "val": val.shares()}
    if len(sides["val"][0]) != len(sides["train"][0]):
        sides["val"] = ([], [], [])
    found = [
        {"column": column} | {side: _told(shares, column) for side, shares in sides.items() if shares[0]}
        for column in range(len(sides["train"][0]))
        if any(shares[0] and (shares[0][column] == 1 or shares[1][column] > 0) for shares in sides.values())
    ]
    named = {entry["column"] for entry in found}
    others = [share for column, share in enumerate(sides["train"][0]) if column not in named]
    return {
        "of": kind,
        "columns": len(sides["train"][0]),
        "examples": {"train": train.examples, "val": val.examples if sides["val"][0] else 0},
        "odd": found[:TOLD],
        "odd_count": len(found),
        "frequent": [sum(share >= limit for share in others) for limit in FREQUENT],
    }


def _told(shares: tuple[list[float], list[float], list[float]], column: int) -> dict[str, float]:
    return {"usual": shares[0][column], "nan": shares[1][column], "value": shares[2][column]}
