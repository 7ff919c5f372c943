"""Writes what was measured of the gap into the record: losses, intervals, Prechelt's measures, labelled rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..audit.prechelt import CRITERIA, Course
from ..audit.series import Rows
from .metric_gaps import Gap
from .sample import METHODS, Sample, spread

if TYPE_CHECKING:
    from .session import Session

TABLE = "overfitting"
TABLES = {"metric": "overfitting.metric_gap", "dataloader": "overfitting.dataloader_gap"}  # by label


class GapRows:
    """The rows of one attempt.

    Args:
        session: Writes them.
        state: What `state` returned in the attempt that is resumed.

    Attributes:
        written: Whether a gap has been written.
    """

    def __init__(self, session: Session, state: dict[str, Any]) -> None:
        self.written = False
        self._session, self._course = session, Course()
        self._course.restore(state)
        self._told: dict[str, Any] = {}
        self._refused = False

    def state(self) -> dict[str, Any]:
        """Return the losses so far, which Prechelt's measures look back on."""
        return self._course.state()

    def gap(self, step: int, train: Sample, val: Sample, val_loss: float, **probe: Any) -> None:
        """Write a gap; what else there is to say of the probe goes into its event."""
        gap, found = val_loss - train.mean, spread(train, val)
        values = {"train_loss": train.mean, "val_loss": val_loss, "gap": gap}
        if found.half is not None:
            values |= {"gap_low": gap - found.half, "gap_high": gap + found.half}
        self._row(step, values | self._prechelt(step, val_loss, train.mean))
        told = {"train": found.train, "val": found.val, "interval": METHODS[found.over], **probe}
        if told != self._told:
            self._session.event("probe", **told)
        self.written, self._told = True, told

    def validation(self, step: int, val_loss: float) -> None:
        """Write the validation loss alone."""
        self._row(step, {"val_loss": val_loss} | self._prechelt(step, val_loss, math.nan))

    def labelled(self, step: int, gaps: Sequence[Gap]) -> None:
        """Write the gaps beside the total."""
        for label, table in TABLES.items():
            found = {gap.labels[label]: gap.value for gap in gaps if label in gap.labels}
            if found:
                key = self._session.key(step)
                self._session.rows(table, Rows.of(tuple(found), [key], [list(found.values())]))
        if gaps:
            self._session.event("overfitting.gaps", step=step, rows=[gap.told() for gap in gaps])

    def _row(self, step: int, values: dict[str, float]) -> None:
        names = tuple(f"overfitting.{name}" for name in values)
        self._session.rows(TABLE, Rows.of(names, [self._session.key(step)], [list(values.values())]))

    def _prechelt(self, step: int, val_loss: float, train_loss: float) -> dict[str, float]:
        """Return the criteria that are known; ratios of losses that are not positive never are."""
        self._course.add(step, val_loss, train_loss)
        found: dict[str, float] = {}
        for criterion in CRITERIA if math.isfinite(val_loss) else ():
            try:
                value = self._course.value(criterion)
            except ValueError as error:
                self._refuse(str(error))
            else:
                found |= {} if math.isnan(value) else {criterion: value}
        return found

    def _refuse(self, reason: str) -> None:
        if not self._refused:
            self._session.not_checked("overfitting.gl and overfitting.pq", reason)
        self._refused = True
