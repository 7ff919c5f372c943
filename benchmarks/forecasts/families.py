"""The kinds of planted runs."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial

import numpy as np

from . import annealing, curves
from .planted import ENDS, RATES, SPREADS, VALIDATIONS, Noise, Run, heavy, none, slow, wavering

SEED = 20261121  # no curve of the calibration was drawn from it
PLACES = ((0.05, 0.2), (0.3, 0.45))  # of a change: before both forecasts, and after the first


@dataclass(frozen=True, kw_only=True)
class Family:
    """Planted runs of one kind.

    Attributes:
        name: In the table.
        law: Whether the fitted law holds.
        plant: Draws a course at a constant rate; None for one under a schedule.
        shape: Of the schedule, after a warm-up; None where it stays.
        multi: Whether it is the multi-power law that holds under the schedule, and not that of Tissue et al.
        noise: Of the validation losses.
    """

    name: str
    law: bool
    plant: curves.Plant | None = None
    shape: annealing.Shape | None = None
    multi: bool = False
    noise: Noise = wavering

    def run(self, repeat: int) -> Run:
        """Return one run, the same for the same number."""
        rng = np.random.default_rng([SEED, zlib.crc32(self.name.encode()), repeat])
        end, count = int(rng.choice(ENDS)), int(rng.choice(VALIDATIONS))
        step, rate = end // count * np.arange(1, count + 1), np.arange(1, end + 1, max(1, end // RATES))
        if self.plant is not None:
            course, lr = self.plant(rng), np.ones(rate.size)
            clean, after = course(step / end), float(course(np.array([2.0]))[0])
        else:
            course, shape = None, self.shape or annealing.constant
            rates = annealing.Rates(shape=shape, warm=rng.uniform(0.01, 0.1), low=rng.uniform(0.0, 0.1))
            law, lr = annealing.law(rng, multi=self.multi), rates.over(end)[rate - 1]
            clean = law.losses(rates, end, end, step)
            after = float(law.losses(rates, end, 2 * end, np.array([2 * end]))[0])
        noise = float(rng.choice(SPREADS)) * clean[count // 2 - 1] * self.noise(rng, 2 * count)
        return Run(
            step=step, loss=clean + noise[:count], lr_step=rate, lr=3e-4 * lr, course=course,
            doubled=after + float(noise[-1]),
        )  # fmt: skip


CHANGES = (
    ("kink", curves.kink),
    ("sudden fall", curves.drop),
    ("double descent with its peak", curves.double_descent),
    ("overfitting from a turn", curves.overfit),
)
FAMILIES = (
    Family(name="power law", law=True, plant=curves.power),
    Family(name="power law, no noise", law=True, plant=curves.power, noise=none),
    Family(name="power law, noise correlated by 0.9", law=True, plant=curves.power, noise=slow),
    Family(name="power law, noise with outliers (t, 3 d. f.)", law=True, plant=curves.power, noise=heavy),
    Family(name="power law after a warm-up", law=True),
    Family(name="power law after a warm-up that counts by its rate", law=False, multi=True),
    Family(name="line over the logarithm of steps", law=False, plant=curves.logarithmic),
    Family(name="two power laws", law=False, plant=curves.two_powers),
    Family(name="shifted power law", law=False, plant=curves.shifted),
    Family(name="stretched exponential", law=False, plant=curves.stretched),
    Family(name="pure exponential", law=False, plant=curves.exponential),
    Family(name="plateau", law=False, plant=curves.plateau),
    *(
        Family(
            name=f"{name} at {100 * first:.0f} to {100 * last:.0f} %",
            law=False,
            plant=partial(plant, place=(first, last)),
        )
        for name, plant in CHANGES
        for first, last in PLACES
    ),
    Family(name="cosine", law=True, shape=annealing.cosine),
    Family(name="linear decay", law=True, shape=annealing.linear),
    Family(name="stable, then decay", law=True, shape=annealing.late),
    Family(name="two drops to a tenth", law=True, shape=annealing.drops),
    Family(name="cosine, multi-power law", law=False, shape=annealing.cosine, multi=True),
    Family(name="linear decay, multi-power law", law=False, shape=annealing.linear, multi=True),
    Family(name="stable, then decay, multi-power law", law=False, shape=annealing.late, multi=True),
)
