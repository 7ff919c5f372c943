"""Files of scores as other tools write them, and as nobody should: metrics, or one sentence."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from groundwire.audit.declared import span
from groundwire.audit.errors import UsageError
from groundwire.audit.imports import MOST_BYTES, MOST_SCORES, read_scores
from groundwire.audit.model import Metric, Quality
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_material import HARNESS, harness, written
from scipy.stats import binomtest, norm


def metrics_of(path: Path, document: Any, name: str | None = None) -> dict[str, Metric]:
    """Return the metrics of a file by name, with the filter behind a comma."""
    found = read_scores(written(path, document), name).metrics
    return {",".join([metric.name, *metric.labels.values()]): metric for metric in found}


def test_a_file_of_the_harness_gives_its_tasks_and_groups(tmp_path: Path) -> None:
    found = metrics_of(tmp_path / "results_1.json", HARNESS)
    assert {name: metric.value for name, metric in found.items()} == {
        "imported.toy.acc": 0.42,
        "imported.toy_a.acc": 0.36,
        "imported.toy_a.acc_norm": 0.36,
        "imported.toy_b.acc": 0.48,
        "imported.toy_b.acc_norm": 0.44,
        "imported.toy_gen.exact_match,strict-match": 0.0,
        "imported.toy_gen.exact_match,flexible-extract": 0.0,
    }
    assert all(metric.quality is Quality.DECLARED and metric.step is None for metric in found.values())


def test_a_score_says_where_it_comes_from(tmp_path: Path) -> None:
    metric = metrics_of(tmp_path / "results_1.json", HARNESS)["imported.toy_a.acc"]
    digest = hashlib.sha256((tmp_path / "results_1.json").read_bytes()).hexdigest()
    assert metric.method == (
        f"lm-evaluation-harness 0.4.13, results_1.json (sha256 {digest[:12]}), of model dummy, task version 1.0,"
        " 0-shot, on 25 of 40 documents, higher is better, normal interval from the standard error 0.098"
    )
    assert (metric.n, metric.unit, metric.monitor, metric.labels) == (25, "", "imported", {})


def test_the_interval_is_the_normal_one(tmp_path: Path) -> None:
    metric = metrics_of(tmp_path / "a.json", HARNESS)["imported.toy_a.acc"]
    assert (metric.low, metric.high) == pytest.approx(norm.interval(0.95, 0.36, 0.09797958971132711), abs=1e-7)
    assert metric.confidence == 0.95


@pytest.mark.parametrize("right", [0, 25])
def test_where_all_are_right_or_wrong_the_interval_is_exact(right: int) -> None:
    exact = binomtest(right, 25).proportion_ci(0.95, method="exact")
    found = span(right / 25, 0.0, share=True, n=25)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(("value", "share", "n"), [(1.0, True, None), (1.0, False, 25), (0.5, True, 25)])
def test_a_standard_error_of_nothing_is_no_certainty(value: float, share: bool, n: int | None) -> None:
    assert span(value, 0.0, share=share, n=n).low is None


def test_the_interval_of_a_share_ends_at_one_and_no_other_does(tmp_path: Path) -> None:
    row = {"acc,none": 0.99, "acc_stderr,none": 0.02, "f1,none": 0.99, "f1_stderr,none": 0.02}
    row |= {"exact_match,none": 54.0, "exact_match_stderr,none": 3.0}  # somebody counted in percent
    found = metrics_of(tmp_path / "a.json", harness(task=row))
    assert found["imported.task.acc"].high == 1.0
    assert found["imported.task.f1"].high == pytest.approx(1.0292, abs=1e-4)
    assert found["imported.task.exact_match"].high == pytest.approx(59.88, abs=1e-2)


@pytest.mark.parametrize("error", ["N/A", None, -1.0, float("nan"), float("inf"), True, 1e308, "0.1"])
def test_without_a_standard_error_there_is_no_interval(tmp_path: Path, error: Any) -> None:
    row = {"perplexity,none": 1.7e308, "perplexity_stderr,none": error}
    metric = metrics_of(tmp_path / "a.json", harness(task=row))["imported.task.perplexity"]
    assert (metric.value, metric.low, metric.high, metric.confidence) == (1.7e308, None, None, None)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("N/A", "the file gives no value"),
        (None, "the file gives no value"),
        (float("nan"), "the value is nan"),
        (float("-inf"), "the value is -inf"),
        (10**400, "the value is too large for a number"),
    ],
)
def test_what_is_no_finite_number_is_null_with_its_reason(tmp_path: Path, value: Any, reason: str) -> None:
    metric = metrics_of(tmp_path / "a.json", harness(task={"acc,none": value}))["imported.task.acc"]
    assert (metric.value, metric.reason) == (None, reason)


def test_the_format_before_filters_is_read(tmp_path: Path) -> None:
    old = {
        "results": {
            "lambada": {"ppl": 5.1, "ppl_stderr": 0.1, "acc": 0.6, "acc_stderr": 0.01, "alias": " - lambada"}
        },
        "versions": {"lambada": 0},
        "config": {"model": "gpt2", "num_fewshot": 0},
        "git_hash": "3ccea2b2854dd3cc9ff5ef1772e33de21168c305",
    }
    found = metrics_of(tmp_path / "a.json", old)
    assert list(found) == ["imported.lambada.ppl", "imported.lambada.acc"]
    assert found["imported.lambada.acc"].method.startswith("lm-evaluation-harness of commit 3ccea2b2854d")
    assert found["imported.lambada.ppl"].low == pytest.approx(4.904, abs=1e-3)


def test_rows_without_numbers_are_none(tmp_path: Path) -> None:
    rows: dict[str, Any] = {"leaderboard": {" ": " ", "alias": "leaderboard"}, "task": {"acc,none": 0.5}}
    assert list(metrics_of(tmp_path / "a.json", harness(**rows))) == ["imported.task.acc"]


@pytest.mark.parametrize("key", ["versions", "n-shot", "n-samples", "higher_is_better", "groups"])
@pytest.mark.parametrize("strange", [3, [1], {"toy_a": 3}, {"toy_a": {"effective": -1, "acc": "yes"}}, None])
def test_what_surrounds_the_scores_may_be_anything(tmp_path: Path, key: str, strange: Any) -> None:
    found = metrics_of(tmp_path / "a.json", HARNESS | {key: strange, "model_name": strange})
    assert found["imported.toy_a.acc"].value == 0.36


@pytest.mark.slow
def test_what_evaluate_saves_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = pytest.importorskip("evaluate", reason="evaluate is not installed")
    monkeypatch.chdir(tmp_path)
    results = {"accuracy": 0.5, "LOC": {"f1": 0.25, "number": 4}, "precisions": [0.1, 0.2], "bad": float("nan")}
    path = evaluate.save("ner.json", model="mine", shuffled=True, **results)
    found = {metric.name: metric for metric in read_scores(Path(path)).metrics}
    assert {name: metric.value for name, metric in found.items()} == {
        "imported.ner.accuracy": 0.5,
        "imported.ner.LOC.f1": 0.25,
        "imported.ner.LOC.number": 4.0,
        "imported.ner.bad": None,
    }
    assert found["imported.ner.accuracy"].method.startswith(f"evaluate {evaluate.__version__}, ner.json (sha256 ")


def test_a_plain_object_is_read_and_named(tmp_path: Path) -> None:
    plain = {"wer": 0.1, "_git": 3, "language": "en", "results": {"x": 1}}
    assert list(metrics_of(tmp_path / "speech.json", plain)) == [
        "imported.speech.wer", "imported.speech._git", "imported.speech.results.x",
    ]  # fmt: skip
    assert "imported.mine.wer" in metrics_of(tmp_path / "speech.json", plain, "mine")
    assert "imported.five.toy_a.acc" in metrics_of(tmp_path / "speech.json", HARNESS, "five")


def test_names_are_shown_and_cut_and_never_act(tmp_path: Path) -> None:
    task = "a/b,c \x1b[31m\u202e\ud800\n" + "x" * 500
    row = {"acc,ev\x07il": 0.5, "acc_stderr,ev\x07il": 0.1}
    (metric,) = read_scores(written(tmp_path / "a.json", harness(**{task: row}))).metrics
    assert metric.name.startswith("imported.a/b,c \\x1b[31m\\u202e\\ud800\\x0axxx")
    assert len(metric.name) < 300
    assert metric.labels == {"filter": "ev\\x07il"}
    assert metric.model_dump_json().isprintable()


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KEYS = st.sampled_from(["acc,none", "acc_stderr,none", "acc", "acc_stderr", ",", "alias"]) | st.text(max_size=8)
NESTED = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(KEYS, LEAVES, max_size=3)
calm = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


@calm
@given(results=st.dictionaries(KEYS, st.dictionaries(KEYS, NESTED, max_size=4), max_size=4), more=NESTED)
def test_any_object_gives_metrics_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, results: Any, more: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    for document in ({"results": results, "versions": more, "n-samples": more}, {"all": more} | results):
        try:
            found = read_scores(written(path, document)).metrics
        except UsageError:
            continue
        for metric in found:
            assert metric.value is None or math.isfinite(metric.value)
            assert Metric.model_validate_json(metric.model_dump_json()) == metric


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not whole JSON"),
        (b'{"acc": 0.5', "is not whole JSON"),
        (b'{"doc": 1}\n{"doc": 2}\n', "not samples"),
        (b"\xff\xfe\x00", "is not whole JSON"),
        (b"[" * 100_000, "is not whole JSON"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "holds no numbers"),
        (b"[0.5]", "holds no JSON object"),
        (b"{}", "holds no numbers"),
        (b'{"name": "x", "good": true, "all": [1]}', "holds no numbers"),
        (json.dumps({str(n): n for n in range(MOST_SCORES + 1)}).encode(), "more than 5,000 numbers"),
    ],
)
def test_what_holds_no_scores_is_one_sentence(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UsageError, match=told) as caught:
        read_scores(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "none", "There is no file"), (tmp_path, "is a folder"), (Path("a\0b"), "read")):
        with pytest.raises(UsageError, match=told):
            read_scores(path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(UsageError, match="is not a file"):
            read_scores(tmp_path / "pipe")


def test_a_file_of_many_megabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(UsageError, match="larger than 50 MB"):
        read_scores(tmp_path / "a.json")
