"""Rows that wait on their device until many of them can be moved at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ..audit.series import Rows

Key = tuple[int, int, int, float]  # batch, step, optimizer, seconds
Values = Mapping[str, "float | Tensor"]


class ScalarBuffer:
    """Rows of named scalars; tensors stay where they are until `take`."""

    def __init__(self) -> None:
        self._rows: list[tuple[Key, dict[str, float | Tensor]]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, key: Key, values: Values) -> None:
        """Keep a row; tensors are copied, because their owners may overwrite them."""
        self._rows.append((key, {name: _kept(value) for name, value in values.items()}))

    def take(self) -> Iterator[Rows]:
        """Yield the rows, those with the same names together, and forget them."""
        rows, self._rows = self._rows, []
        numbers = iter(_numbers([value for _, values in rows for value in values.values()]))
        tables: dict[tuple[str, ...], list[tuple[Key, list[float]]]] = defaultdict(list)
        for key, values in rows:
            tables[tuple(values)].append((key, [next(numbers) for _ in values]))
        for columns, found in tables.items():
            yield Rows.of(columns, [key for key, _ in found], [values for _, values in found])


class VectorBuffer:
    """Rows of one vector each, over the same columns."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self._rows: list[tuple[Key, Tensor]] = []

    def add(self, key: Key, values: Tensor) -> None:
        """Keep a row of shape [len(columns)]."""
        self._rows.append((key, values))

    def take(self) -> Rows:
        """Return the rows and forget them."""
        rows, self._rows = self._rows, []
        keys = [key for key, _ in rows]
        return Rows.of(self.columns, keys, torch.stack([v for _, v in rows]).cpu().numpy() if rows else [])


def _kept(value: float | Tensor) -> float | Tensor:
    if isinstance(value, Tensor):
        return value.detach().reshape(()).to(torch.float32, copy=True)
    return value


def _numbers(values: list[float | Tensor]) -> list[float]:
    """Return all values as floats, with one transfer for each device."""
    found = [value if not isinstance(value, Tensor) else 0.0 for value in values]
    places: dict[torch.device, list[int]] = defaultdict(list)
    for place, value in enumerate(values):
        if isinstance(value, Tensor):
            places[value.device].append(place)
    for chosen in places.values():
        moved = torch.stack([torch.as_tensor(values[place]) for place in chosen]).tolist()
        for place, number in zip(chosen, moved, strict=True):
            found[place] = number
    return found
