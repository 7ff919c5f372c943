"""The bypass matrix: whatever is wrong, for whatever kind of limit, the gate does not pass, whether sealed or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bypass_harms import HARMS
from bypass_kinds import KINDS, Attempt
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

CASES = 3  # draws of each harm, for each kind and each seal
FIRST = settings(
    max_examples=CASES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
QUICK = ("missing", "NaN", "edited digest")
MATRIX = [harm if harm in QUICK else pytest.param(harm, marks=pytest.mark.slow) for harm in HARMS]
tried: dict[str, int] = {}


def passed(harm: str, folder: Path, data: Any) -> list[str]:
    """Return the kinds of limits that a harm gets past."""
    found = []
    for name, kind in KINDS.items():
        for sealed in (True, False):
            attempt = Attempt.of(kind, sealed=sealed)
            if not HARMS[harm](attempt, data.draw):
                continue
            tried[harm] = tried.get(harm, 0) + 1
            if attempt.code(folder) == 0:
                found.append(f"{name}, {'sealed' if sealed else 'not sealed'}")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_limit_is_met_by_the_run_that_nobody_harmed(tmp_path: Path, kind: str) -> None:
    assert Attempt.of(KINDS[kind]).code(tmp_path) == 0


@pytest.mark.slow
@pytest.mark.parametrize("harm", MATRIX)
def test_no_harm_gets_past_any_kind_of_limit(tmp_path: Path, harm: str) -> None:
    @FIRST
    @given(data=st.data())
    def never(data: Any) -> None:
        assert not passed(harm, tmp_path, data)

    never()
    assert tried[harm]


@pytest.mark.slow
def test_the_matrix_has_two_thousand_cases() -> None:
    cases = [HARMS[harm](Attempt.of(kind), _first) for harm in HARMS for kind in KINDS.values()]
    assert 2 * CASES * sum(cases) >= 2000  # sealed and not sealed


def _first(strategy: st.SearchStrategy[Any]) -> Any:
    return find(strategy, lambda drawn: True, settings=FIRST)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["NaN", "inf", "-inf"])
def test_without_the_digest_what_is_no_number_is_still_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    monkeypatch.setattr("groundwire.audit.load._digest_fits", lambda document: True)

    @FIRST
    @given(data=st.data())
    def found(data: Any) -> None:
        holes.extend(passed(harm, tmp_path, data))

    holes: list[str] = []
    found()
    assert not holes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "place", "instead"),
    [
        ("edited digest", "load._digest_fits", lambda document: True),
        ("out of range", "usable.implausible", lambda metric: ""),
        ("wrong unit", "usable.implausible", lambda metric: ""),
        ("other checkpoint", "gate._hindrance", lambda *_: None),
        ("status", "gate._hindrance", lambda *_: None),
        ("wrong step", "usable._not_accepted", lambda *_: ""),
        ("other scorer", "usable._is_scorer", lambda *_: True),
        ("count differs", "recount._doubt", lambda *_, **__: ""),
    ],
)
def test_a_gate_with_a_hole_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str, place: str, instead: Any
) -> None:
    monkeypatch.setattr(f"groundwire.audit.{place}", instead)

    @FIRST
    @given(data=st.data())
    def found(data: Any) -> None:
        holes.extend(passed(harm, tmp_path, data))

    holes: list[str] = []
    found()
    assert holes
