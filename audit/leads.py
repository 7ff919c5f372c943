"""The sentence with which a section of the report begins: what its charts and tables come to."""

from __future__ import annotations

from collections.abc import Callable

from .curves import Reader
from .formats import count, interval, number
from .model import Audit
from .overview import value_of


def overfitting(audit: Audit, _reader: Reader) -> str:
    """Return the gap on the last weights and where the validation loss was lowest."""
    gap, best = audit.metric("overfitting.gap"), value_of(audit, "overfitting.best_step")
    told = []
    if gap is not None and gap.value is not None:
        span = f" {interval(gap.low, gap.high, gap.confidence)}" if gap.low is not None else ""
        told.append(f"On the last weights the validation loss is {number(gap.value)}{span} above the training loss.")
    if best is not None and audit.run.steps:
        after = audit.run.steps - int(best)
        told.append(f"It was lowest at step {int(best):,}; {count(after, 'step')} came after it.")
    return " ".join(told)


def optimisation(audit: Audit, reader: Reader) -> str:
    """Return where the loss and the norms of gradients went, and how many steps were not finite."""
    loss, broken = reader.curve("train.loss"), value_of(audit, "gradient.nonfinite_steps")
    high = value_of(audit, "gradient.norm_p95")
    told = []
    if loss.step.size > 1:
        first, last = (number(float(loss.value[place])) for place in (0, -1))
        told.append(f"The training loss went from {first} to {last}.")
    if high is not None:
        told.append(f"95 % of the gradient norms are at most {number(high)}.")
    if broken is not None:
        told.append(f"{count(int(broken), 'step')} had a value that is not finite.".capitalize())
    return " ".join(told)


LEADS: dict[str, Callable[[Audit, Reader], str]] = {"overfitting": overfitting, "optimisation": optimisation}
