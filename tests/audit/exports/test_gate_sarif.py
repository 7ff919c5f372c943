"""The verdict as SARIF, held against what the format and GitHub's code scanning ask of the parts that we write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_output_material import ANY, UNREAD, audit, every_outcome, failed, met, unknown, verdict
from groundwire.audit.exports.location import policy_path
from groundwire.audit.verdicts import FORMATS, MANY
from hypothesis import given, settings
from jsonschema import Draft7Validator

TEXT = {"type": "string", "minLength": 1, "maxLength": 1_024}
LONG = {"type": "string", "minLength": 1}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    found = {"type": "object", "additionalProperties": False, "properties": properties}
    return found | {"required": required.split()}


MESSAGE = _object("text", text=TEXT)
HELP = _object("text markdown", text=LONG, markdown=LONG)
LEVEL = {"enum": ["error", "warning", "note"]}
LOCATION = _object(
    "physicalLocation",
    physicalLocation=_object(
        "artifactLocation region",
        artifactLocation=_object(
            "uri", uri={"type": "string", "pattern": r"^(?!/)[A-Za-z0-9_.~%/-]+$"}, uriBaseId={"type": "string"}
        ),
        region=_object("startLine", startLine={"type": "integer", "minimum": 1}),
    ),
)
RESULT = _object(
    "ruleId ruleIndex level message locations partialFingerprints",
    ruleId={"type": "string", "minLength": 1, "maxLength": 255},
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations={"type": "array", "minItems": 1, "items": LOCATION},
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string", "minLength": 1}},
    properties={"type": "object"},
)
RULE = _object(
    "id shortDescription fullDescription help",
    id={"type": "string", "minLength": 1, "maxLength": 255},
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=HELP,
    defaultConfiguration=_object("level", level=LEVEL),
    properties=_object("tags", tags={"type": "array", "maxItems": 20, "uniqueItems": True}),
)
DRIVER = _object(
    "name rules", name=TEXT, version=TEXT, rules={"type": "array", "uniqueItems": True, "items": RULE}
)  # fmt: skip
INVOCATION = _object(
    "executionSuccessful",
    executionSuccessful={"type": "boolean"},
    toolExecutionNotifications={"type": "array", "items": _object("message", message=MESSAGE, level=LEVEL)},
)
RUN = _object(
    "tool results",
    tool=_object("driver", driver=DRIVER),
    results={"type": "array", "maxItems": 25_000, "items": RESULT},
    invocations={"type": "array", "items": INVOCATION},
)
LOG = _object(
    "version runs",
    **{"$schema": {"type": "string"}, "version": {"const": "2.1.0"}},
    runs={"type": "array", "minItems": 1, "maxItems": 1, "items": RUN},  # one run of a tool in a file
)


def parsed(text: str) -> dict[str, Any]:
    document = json.loads(text)
    Draft7Validator(LOG).validate(document)
    run = document["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    return run


def results(*judged: Any, unread: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return parsed(MANY["sarif"](judged, unread))["results"]


def test_what_blocks_is_an_error_and_what_is_waived_or_met_is_left_out() -> None:
    found = results(every_outcome())
    assert [(result["ruleId"], result["level"]) for result in found] == [
        ("groundwire/overfitting", "error"), ("groundwire/toxicity", "error"), ("groundwire/loss", "warning"),
        ("groundwire/norm", "note"),
    ]  # fmt: skip
    place = found[0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("policy.toml", 7)
    assert "0.213 beyond. Do: trainer.max_steps=2400" in found[0]["message"]["text"]
    assert results(met()) == []


def test_a_line_that_is_not_known_is_the_first() -> None:
    found = results((verdict(failed(line=0)), audit()))
    assert found[0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 1


def test_rules_say_what_they_mean() -> None:
    run = parsed(FORMATS["sarif"](*every_outcome()))
    rule = run["tool"]["driver"]["rules"][0]
    assert rule["shortDescription"]["text"] == "overfitting.gap must be ≤ 0.1"
    assert "Validation loss minus training loss" in rule["help"]["text"]


def test_fingerprints_stay_from_training_to_training_and_differ_between_limits_and_models() -> None:
    def prints(*judged: Any) -> list[str]:
        return [result["partialFingerprints"]["groundwireLimit/v1"] for result in results(*judged)]

    one = verdict(failed(), unknown())
    assert prints((one, audit("a"))) == prints((one, audit("b")))
    changed = verdict(replace(failed(), margin=-9.0, line=99), unknown())
    assert prints((one, audit("a"))) == prints((changed, audit("c")))
    assert prints((one, audit("a"))) != prints((one, audit("a", model="Other")))
    assert len(set(prints((one, audit("a")), (one, audit("b"))))) == 4


def test_a_run_that_could_not_be_read_is_said_without_a_result() -> None:
    run = parsed(MANY["sarif"]([met()], ["runs/b has no audit.json"]))
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "runs/b has no audit.json"


def test_a_message_has_no_link_and_no_mention() -> None:
    text = results((verdict(failed(advice="[a](http://e.example) @team")), audit()))[0]["message"]["text"]
    assert "](" not in text
    assert "@" not in text


def test_paths_are_relative_to_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(key, raising=False)
    inner = tmp_path / "checkout" / "team a"
    inner.mkdir(parents=True)
    (tmp_path / "checkout" / ".git").mkdir()
    monkeypatch.chdir(inner)
    policy = inner / "policy.toml"
    assert policy_path("policy.toml") == policy_path(str(policy)) == "team a/policy.toml"
    assert policy_path("../policy.toml") == "policy.toml"
    assert policy_path("../../policy.toml") == "policy.toml"  # outside
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert policy_path("policy.toml") == "checkout/team a/policy.toml"
    found = results((replace(verdict(failed()), policy=str(policy)), audit()))
    uri = found[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "checkout/team%20a/policy.toml"
    assert policy_path("a\0b") == "a\0b"


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(judged=ANY, unread=UNREAD)
def test_hostile_text_is_valid(judged: list, unread: list) -> None:
    text = MANY["sarif"](judged, unread)
    assert text.isascii()
    expected = [one for found, _ in judged for one in found.limits if one.outcome not in ("pass", "waived")]
    assert len(parsed(text)["results"]) == len(expected)
