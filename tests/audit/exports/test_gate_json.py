"""The verdict for programs."""

from __future__ import annotations

import json

import pytest
from gate_output_material import ANY, UNREAD, every_outcome, met
from groundwire.audit.verdicts import FORMATS, MANY, exit_code_of_many
from hypothesis import given, settings


def test_everything_of_a_verdict_is_there() -> None:
    document = json.loads(FORMATS["json"](*every_outcome()))
    assert document["run"] == {"id": "20261121T0059-7f3a", "status": "finished", "model": "TinyGPT"}
    assert document["notes"] == ["the waiver of energy is not used"]
    assert document["policy_sha256"] == "ab" * 32
    assert document["checkpoint"] == "best.ckpt, step 2,400"
    assert (document["outcome"], document["exit_code"]) == ("fail", 1)
    limits = {limit["id"]: limit for limit in document["limits"]}
    assert list(limits) == ["energy", "quality", "norm", "toxicity", "loss", "overfitting"]  # as in the policy
    assert limits["quality"]["waiver"].endswith("12 days left")
    assert (limits["quality"]["baseline"], limits["quality"]["change"]) == (2.1, 0.084)
    assert (limits["overfitting"]["line"], limits["overfitting"]["margin"]) == (7, -0.2127)
    assert limits["toxicity"]["needed"] == 93
    assert limits["norm"]["observed"]["value"] is None


def test_several_runs_have_one_outcome() -> None:
    document = json.loads(MANY["json"]([met("a"), every_outcome()], ["b is no run"]))
    assert [run["run"]["id"] for run in document["runs"]] == ["20261121T0059-7f3a", "a"]
    assert (document["outcome"], document["exit_code"], document["unread"]) == ("fail", 1, ["b is no run"])
    assert exit_code_of_many([met()]) == 0
    assert exit_code_of_many([met()], ["b is no run"]) == exit_code_of_many([]) == 3


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(judged=ANY, unread=UNREAD)
def test_hostile_text_comes_back_as_it_was(judged: list, unread: list) -> None:
    text = MANY["json"](judged, unread)
    assert text.isascii()
    runs = json.loads(text)["runs"]
    assert sorted(limit["id"] for run in runs for limit in run["limits"]) == sorted(
        limit.id for verdict, _ in judged for limit in verdict.limits
    )
