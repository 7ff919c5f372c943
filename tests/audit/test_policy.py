"""A policy is checked to the last key; what is wrong with it is one sentence and exit code 2."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from groundwire.audit.errors import UsageError
from groundwire.audit.limit_table import KEYS as LIMIT_KEYS
from groundwire.audit.policy import TOP_KEYS, load_policy, parse_policy
from groundwire.audit.schemas import json_schema

GAP = {"metric": "overfitting.gap", "max": 1}
WHOLE = """
schema = 1
allow_status = ["interrupted"]
[limits.gap]
metric = "overfitting.gap"
max = 1
min = -0.5
level = "warn"
on_missing = "fail"
[limits.gpu]
metric = "carbon.energy_kwh"
labels = {component = "gpu"}
max = 2
"""


def test_every_key_is_read(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(WHOLE)
    policy = load_policy(tmp_path / "policy.toml")
    gap, gpu = policy.limits
    assert (gap.id, gap.metric, gap.maximum, gap.minimum) == ("gap", "overfitting.gap", 1.0, -0.5)
    assert (gap.level, gap.on_missing, gap.labels) == ("warn", "fail", {})
    assert (gpu.level, gpu.on_missing, gpu.labels) == ("error", "unknown", {"component": "gpu"})
    assert policy.allow_status == ("finished", "interrupted")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(WHOLE, encoding="utf-8-sig")
    assert len(load_policy(tmp_path / "policy.toml").limits) == 2


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "schema must be 1"),
        ({"schema": 0}, "schema must be 1"),
        ({"schema": 1.0}, "schema must be 1"),
        ({"schema": "1"}, "schema must be 1"),
        ({"schema": 2, "new": 3}, "upgrade groundwire"),
        ({"schema": True}, "schema must be 1"),
        ({"schema": 1}, "enforces no limit"),
        ({"schema": 1, "rules": "1999.01", "limits": {"a": {"metric": "carbon.energy_kwh", "max": 1}}}, "an edition"),
        ({"schema": 1, "limit": {}}, "unknown key 'limit'; did you mean 'limits'"),
        ({"schema": 1, "limits": 3}, "limits must be tables"),
        ({"schema": 1, "limits": {"a": 3}}, "limits.a must be a table"),
        ({"schema": 1, "limits": {"a": {"max": 1}}}, "metric must be the name"),
        ({"schema": 1, "limits": {"a": {"metric": "overfiting.gap", "max": 1}}}, "did you mean 'overfitting.gap'"),
        ({"schema": 1, "limits": {"a": {"metric": "overfitting.gap"}}}, "limits nothing"),
        ({"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "max": "1"}}}, "must be a finite number"),
        ({"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "max": True}}}, "must be a finite number"),
        ({"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "max": math.nan}}}, "must be a finite number"),
        ({"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "max": math.inf}}}, "must be a finite number"),
        ({"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "max": 10**400}}}, "must be a finite number"),
        ({"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "max": 1 << 20_000}}}, "too large to print"),
        ({"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "min": [1]}}}, "must be a finite number"),
        ({"schema": 1, "limits": {"a": {"metric": ["overfitting.gap"], "max": 1}}}, "metric must be the name"),
        ({"schema": 1, "limits": {"a": {"metric": "logged.", "max": 1}}}, "there is no metric"),
        ({"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "max": 1, "min": 2}}}, "nothing can meet"),
        (
            {"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "max": 1, "level": "eror"}}},
            "level must be one",
        ),
        (
            {"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "max": 1, "level": "warn"}}},
            "enforces no limit",
        ),
        ({"schema": 1, "limits": {"a": {"metric": "overfitting.gap", "maximum": 1}}}, "unknown key 'maximum'"),
        ({"schema": 1, "limits": {"a": {"metric": "logged.x", "max": 1, "labels": {"k": 5}}}}, "labels must map"),
        ({"schema": 1, "allow_status": ["done"], "limits": {"a": {"metric": "logged.x", "max": 1}}}, "allow_status"),
    ],
)
def test_a_wrong_policy_is_one_sentence(document: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        parse_policy(document, "policy.toml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("policy.toml")


def test_a_policy_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make one with `groundwire init RUN`"):
        load_policy(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("schema = [")
    with pytest.raises(UsageError, match="is not valid TOML"):
        load_policy(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_policy(tmp_path / "bad.toml")
    with pytest.raises(UsageError, match="Cannot read"):
        load_policy(tmp_path)


@pytest.mark.parametrize("text", ["schema = 1\na = " + "[" * 100_000, "schema = 1" + "0" * 5_000, "schema = \x00"])
def test_a_monstrous_policy_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_policy(tmp_path / "policy.toml")
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize(
    "document",
    [
        {"schema": 1, "limits": {"a": GAP}},
        {"schema": 1, "limits": {"a": GAP, "b": GAP | {"level": "off", "labels": {"k": "v"}}}},
        {"schema": 1, "allow_status": ["crashed"], "limits": {"a": {"metric": "logged.x/y", "min": 0}}},
        {"schema": 2, "limits": {"a": GAP}},
        {"schema": 1},
        {"schema": 1, "limits": {}},
        {"schema": 1, "limits": {"a": GAP | {"level": "warn"}}},
        {"schema": 1, "limits": {"a": GAP | {"maximum": 1}}},
        {"schema": 1, "limits": {"a": GAP | {"max": "1"}}},
        {"schema": 1, "limits": {"a": GAP | {"max": True}}},
        {"schema": 1, "limits": {"a": GAP | {"labels": {"k": 1}}}},
        {"schema": 1, "limits": {"a": GAP | {"metric": "overfiting.gap"}}},
        {"schema": 1, "limits": {"a": GAP | {"metric": "logged."}}},
        {"schema": 1, "limits": {"a": {"metric": "overfitting.gap"}}},
        {"schema": 1, "allow_status": [], "limits": {"a": GAP}},
        {"schema": 1, "extra": 1, "limits": {"a": GAP}},
    ],
)
def test_the_schema_says_what_the_code_says(document: dict[str, Any]) -> None:
    try:
        parse_policy(document, "policy.toml")
        accepted = True
    except UsageError:
        accepted = False
    schema = json_schema("policy")
    jsonschema.Draft202012Validator.check_schema(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid(document) is accepted


def test_the_schema_names_every_key() -> None:
    schema = json_schema("policy")
    assert set(schema["properties"]) == set(TOP_KEYS)
    assert set(schema["properties"]["limits"]["additionalProperties"]["properties"]) == set(LIMIT_KEYS)
