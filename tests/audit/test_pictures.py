"""What a fault looks like, in a terminal and on the page of rules."""

from __future__ import annotations

import pytest
from groundwire.audit.rules import RULES
from groundwire.audit.rules.explanation import explanation
from groundwire.audit.rules.pictures import Picture, Points, bars, in_bars, pictures

CODES = {rule.code for rule in RULES}


def test_bars_show_the_highest_of_each_part_and_what_was_not_finite() -> None:
    assert bars([0.0, 1.0, 2.0, None], [0.0, 2.0], width=4) == "▁▅█×"
    assert bars([0.0, 2.0, 0.0, 0.0], [0.0, 2.0], width=2) == "█▁"
    assert bars([1.0, 10.0, 100.0], [1.0, 100.0], width=3) == "▁▅█"  # powers of ten
    assert bars([None], [], width=5) == "×"


def test_both_runs_share_one_scale() -> None:
    side = Points(step=(1, 2), value=(1.0, 2.0)), Points(step=(1, 2), value=(1.0, 1.0))
    text = in_bars(Picture(run="a net", series="train.loss", unit="loss", bad=side[0], good=side[1]))
    assert "with it  ▁█  1 to 2" in text and "without  ▁▁  1 to 1" in text


@pytest.mark.parametrize("code", sorted(pictures()))
def test_a_picture_is_of_a_rule_and_holds_two_runs(code: str) -> None:
    picture = pictures()[code]
    assert code in CODES
    for side in (picture.bad, picture.good):
        assert len(side.step) == len(side.value) > 1 and list(side.step) == sorted(side.step)
    assert picture.bad.value != picture.good.value


def test_explain_shows_it() -> None:
    rule = next(rule for rule in RULES if rule.code in pictures())
    assert "What it looks like" in explanation(rule) and "with it" in explanation(rule)
