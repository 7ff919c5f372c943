"""A policy on top of another says what it changes; of a locked one it can only be stricter."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.extending import PROFILES, profile_text
from groundwire.audit.policy import load_policy

BASE = """
schema = 1
locked = {locked}
allow_status = ["interrupted"]
[waivers]
max_days = 60
[release]
demand = ["owner"]
[findings]
forbidden = ["overfitting"]
[limits.quality]
metric = "logged.val_loss"
max = 2.0
min_samples = 10
quality = ["declared", "measured"]
[limits.energy]
metric = "carbon.energy_kwh"
max = 5
level = "warn"
"""


def policy(folder: Path, text: str, *, locked: bool = True) -> Any:
    (folder / "base.toml").write_text(BASE.format(locked=str(locked).lower()))
    (folder / "policy.toml").write_text(f'schema = 1\nextends = "base.toml"\n{text}')
    return load_policy(folder / "policy.toml")


def test_tables_are_laid_over_those_of_the_base(tmp_path: Path) -> None:
    found = policy(tmp_path, '[limits.quality]\nmax = 1.5\n[limits.gap]\nmetric = "overfitting.gap"\nmax = 1\n')
    limits = {limit.id: limit for limit in found.limits}
    assert list(limits) == ["quality", "energy", "gap"]
    assert (limits["quality"].maximum, limits["quality"].min_samples, limits["quality"].line) == (1.5, 10, 3)
    assert limits["energy"].line == 0  # it stands in another file
    assert (found.max_days, found.demanded, found.forbidden) == (60, ("owner",), ("overfitting",))
    assert found.sha256 != load_policy(tmp_path / "base.toml").sha256


LOOSER = [
    ("[limits.quality]\nmax = 2.5", r"limits.quality: max 2.5 is looser than 2.0, and .*base.toml is locked"),
    ('[limits.quality]\nlevel = "warn"', "level 'warn' is looser"),
    ('[limits.quality]\nlevel = "off"', "level 'off' is looser"),
    ("[limits.quality]\nmin_samples = 5", "min_samples 5 is looser"),
    ('[limits.quality]\nquality = ["modelled"]', "quality"),
    ('[limits.quality]\nmetric = "logged.train_loss"', "metric"),
    ('[limits.quality]\nlabels = {a = "b"}', "labels"),
    ('[limits.quality]\nmodels = ["GPT"]', "models"),
    ('[limits.quality]\nbranches = ["main"]', "branches"),
    ("[waivers]\nmax_days = 61", "waivers.max_days 61 is looser"),
    ("[release]\ndemand = []", "release.demand"),
    ("[findings]\nforbidden = []", "findings.forbidden"),
    ('[limits.energy]\nmetric = "carbon.energy_kwh"\nmax = 5\nlevel = "off"', "level 'off' is looser"),
]
STRICTER = [
    "[limits.quality]\nmax = 1.0",
    "[limits.quality]\nmin_samples = 20",
    '[limits.quality]\nquality = ["measured"]',
    '[limits.quality]\non_missing = "fail"',
    "[limits.quality]\nconfidence = 0.9",
    '[limits.energy]\nlevel = "error"',
    "[waivers]\nmax_days = 1",
    '[release]\ndemand = ["owner", "languages"]',
    '[findings]\nforbidden = ["overfitting", "loss-spike"]',
    '[findings]\nforbidden = ["overfitting"]\nmax_severity = "high"',
]


@pytest.mark.parametrize(("text", "told"), LOOSER)
def test_a_locked_policy_cannot_be_loosened(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        policy(tmp_path, text)
    policy(tmp_path, text, locked=False)


@pytest.mark.parametrize("text", STRICTER)
def test_a_locked_policy_can_be_made_stricter(tmp_path: Path, text: str) -> None:
    policy(tmp_path, text)


def test_statuses_and_locks_cannot_be_added_on_the_way(tmp_path: Path) -> None:
    allowing = 'allow_status = ["crashed"]\n'
    with pytest.raises(UsageError, match="allow_status"):
        policy(tmp_path, allowing)
    policy(tmp_path, allowing, locked=False)


def test_a_lock_holds_through_a_policy_in_between(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(BASE.format(locked="true"))
    (tmp_path / "team.toml").write_text('schema = 1\nextends = "base.toml"\n')
    (tmp_path / "policy.toml").write_text('schema = 1\nextends = "team.toml"\n[limits.quality]\nmax = 3\n')
    with pytest.raises(UsageError, match=r"base\.toml is locked"):
        load_policy(tmp_path / "policy.toml")


@pytest.mark.parametrize(
    ("extends", "told"),
    [
        ('"nowhere.toml"', "There is no policy at .*nowhere.toml"),
        ('"policy.toml"', "extends it"),
        ('"profile:relese"', "no profile 'relese'; did you mean 'release'"),
        ('""', "must be a profile or a file"),
        ("3", "must be a profile or a file"),
    ],
)
def test_a_wrong_base_is_one_sentence(tmp_path: Path, extends: str, told: str) -> None:
    (tmp_path / "policy.toml").write_text(f"schema = 1\nextends = {extends}\n")
    with pytest.raises(UsageError, match=told):
        load_policy(tmp_path / "policy.toml")


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_policies(tmp_path: Path, name: str) -> None:
    (tmp_path / "policy.toml").write_text(f'schema = 1\nextends = "profile:{name}"\n')
    found = load_policy(tmp_path / "policy.toml")
    assert any(limit.level == "error" for limit in found.limits)
    assert profile_text(name).startswith("# For ")


def test_each_profile_is_as_strict_as_the_one_before(tmp_path: Path) -> None:
    found = []
    for name in PROFILES:
        (tmp_path / f"{name}.toml").write_text(profile_text(name))
        found.append({limit.id: limit for limit in load_policy(tmp_path / f"{name}.toml").limits})
    levels = ("off", "warn", "error")
    for one, other in itertools.pairwise(found):
        for name in one.keys() & other.keys():
            assert levels.index(one[name].level) <= levels.index(other[name].level), name
            if one[name].maximum is not None:
                assert (other[name].maximum or 0) <= (one[name].maximum or 0), name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('locked = "yes"', "locked must be true or false"),
        ("[findings]\nmax_severity = \"critical\"", "forbids nothing"),
        ("[findings]\nforbidden = [\"overfiting\"]", "no rule 'overfiting'; did you mean 'overfitting'"),
        ("[findings]\nnope = 1", "unknown key 'nope'"),
        ("[release]\ndemand = \"owner\"", "demand must be a list"),
        ("[waivers]\nmax_days = -1", "max_days"),
        ('checkpoint = "maybe"', "checkpoint must be one of optional, required"),
        ("baseline = 3", "baseline must be a file"),
    ],
)  # fmt: skip
def test_wrong_demands_are_one_sentence(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "policy.toml").write_text(f'schema = 1\n{text}\n[limits.a]\nmetric = "overfitting.gap"\nmax = 1\n')
    with pytest.raises(UsageError, match=told):
        load_policy(tmp_path / "policy.toml")
