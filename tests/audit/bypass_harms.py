"""What may be wrong with an audit, a policy or a release: each a change after which the gate must not pass."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from bypass_kinds import LAST, Attempt
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]
Harm = Callable[[Attempt, Draw], bool]  # False where it says nothing of this kind of limit

JUNK = {"null": None, "NaN": math.nan, "inf": math.inf, "-inf": -math.inf, "empty list": [], "bool": True}
NUMBERS = ("value", "low", "high", "confidence", "p", "n", "step")
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
FACTS = {"null": '""', "NaN": "nan", "inf": "inf", "-inf": "-inf", "empty list": "[]", "bool": "true"}
UNKNOWN_OUTCOMES = ("unknown", "error", "fired", "", "CLEAR", None, True, [])


def _of_metric(attempt: Attempt) -> bool:
    return attempt.kind.target in ("metric", "baseline")


def _is_counted(attempt: Attempt) -> bool:
    return attempt.kind.metric.startswith("findings.")


def _each(attempt: Attempt, change: Callable[[dict[str, Any]], Any]) -> bool:
    for row in attempt.rows:
        change(row)
    return _of_metric(attempt)


def _missing(attempt: Attempt, draw: Draw) -> bool:
    if attempt.kind.target == "fact":
        attempt.owner = None
    elif attempt.kind.target == "rule":
        attempt.audit["rules"] = [rule for rule in attempt.audit["rules"] if rule["name"] != "overfitting"]
    else:
        gone = attempt.rows
        alike = [row for row in attempt.judged["metrics"] if row["name"] == attempt.kind.metric and row["labels"]]
        gone += alike if "worst_group" in attempt.policy else []  # a group that is not there is not known of
        attempt.judged["metrics"] = [row for row in attempt.judged["metrics"] if row not in gone]
    return True


def _junk(name: str) -> Harm:
    def harm(attempt: Attempt, draw: Draw) -> bool:
        if attempt.kind.target == "fact":
            attempt.owner = FACTS[name]
        elif attempt.kind.target == "rule":
            attempt.audit["rules"][0]["outcome"] = JUNK[name]
        else:
            _each(attempt, lambda row: row.update(value=JUNK[name], reason="none"))
        return True

    return harm


def _text(attempt: Attempt, draw: Draw) -> bool:
    if attempt.kind.target == "fact":
        attempt.owner = '" "'
    elif attempt.kind.target == "rule":
        attempt.audit["rules"][0]["outcome"] = draw(WORDS.filter(lambda word: word != "clear"))
    else:
        word = draw(st.sampled_from(["0.01", "NaN", "1e-3", ""]) | WORDS)
        _each(attempt, lambda row: row.update(value=word))
    return True


def _any_field(attempt: Attempt, draw: Draw) -> bool:
    field, junk = (
        draw(st.sampled_from(NUMBERS)),
        draw(st.sampled_from([math.nan, math.inf, -math.inf, [], "1", True])),
    )
    return _each(attempt, lambda row: row.update({field: junk}))


def _needed_is_null(attempt: Attempt, draw: Draw) -> bool:
    needed = sorted(attempt.kind.needs - {"released"})
    field = draw(st.sampled_from(needed)) if needed else ""
    return bool(needed) and _each(attempt, lambda row: row.update({field: None}))


def _negative_n(attempt: Attempt, draw: Draw) -> bool:
    n = draw(st.integers(max_value=-1))
    return _each(attempt, lambda row: row.update(n=n))


def _no_samples(attempt: Attempt, draw: Draw) -> bool:
    return _each(attempt, lambda row: row.update(n=0))


def _out_of_range(attempt: Attempt, draw: Draw) -> bool:
    share = attempt.kind.metric.startswith("generation.")
    value = draw(st.floats(-1e9, -1e-3) | (st.floats(1.001, 1e9) if share else st.nothing()))
    known = not attempt.kind.metric.startswith("logged.")
    return known and _each(attempt, lambda row: row.update(value=value, low=value, high=value))


def _contradiction(attempt: Attempt, draw: Draw) -> bool:
    """A value outside its own interval, or an interval that ends before it begins."""
    shift = draw(st.sampled_from([(0.1, 0.5), (-0.5, -0.1), (0.5, -0.5)]))
    return _each(attempt, lambda row: row.update(low=row["value"] + shift[0], high=row["value"] + shift[1]))


def _no_probability(attempt: Attempt, draw: Draw) -> bool:
    field = draw(st.sampled_from(["confidence", "p"]))
    value = draw(st.floats(-1e9, -1e-9) | st.floats(1.000001, 1e9))
    return _each(attempt, lambda row: row.update({field: value}))


def _doubled(attempt: Attempt, draw: Draw) -> bool:
    if attempt.kind.target == "rule":
        attempt.audit["rules"].append(
            attempt.audit["rules"][0] | {"outcome": draw(st.sampled_from(["fired", "error"]))}
        )
        return True
    attempt.judged["metrics"] += [copy.copy(row) for row in attempt.rows]
    return _of_metric(attempt) and "worst_group" not in attempt.policy  # of groups, each row is judged


def _wrong_unit(attempt: Attempt, draw: Draw) -> bool:
    right = attempt.rows[0]["unit"] if attempt.rows else ""
    unit = draw((st.sampled_from(["", "kg", "%", "J", "Share"]) | WORDS).filter(lambda unit: unit != right))
    return _each(attempt, lambda row: row.update(unit=unit))


def _wrong_step(attempt: Attempt, draw: Draw) -> bool:
    step = draw(st.none() | st.integers(-(2**40), 2**40).filter(lambda step: step != 100))
    bound = attempt.kind.needs & {"step", "released"}
    return bool(bound) and _each(attempt, lambda row: row.update(step=step, checkpoint=None))


def _other_weights(attempt: Attempt, draw: Draw) -> bool:
    path = draw(
        st.sampled_from([None, "", "/runs/best.ckpt", "last.ckpt.old", "/runs/notlast.ckpt", "/runs/LAST.ckpt"])
    )
    bound = attempt.kind.needs & {"checkpoint"}
    return bool(bound) and _each(attempt, lambda row: row.update(checkpoint=path))


def _other_scorer(attempt: Attempt, draw: Draw) -> bool:
    known = st.sampled_from([None, "", "embedded 1", "detoxify:unbiased-small 1", "Detoxify:unbiased", "xdetoxify"])
    name = draw(known | WORDS)
    return "scorer" in attempt.kind.needs and _each(attempt, lambda row: row.update(scorer=name))


def _no_card(attempt: Attempt, draw: Draw) -> bool:
    attempt.audit["scorers"] = draw(st.sampled_from([[], [attempt.audit["scorers"][0] | {"qualified": False}]]))
    return "difference" in str(attempt.kind.metric) or attempt.kind.metric.endswith("_disparity")


def _quality(attempt: Attempt, draw: Draw) -> bool:
    weak = ["unknown", "", "Measured", None, []] + (["declared"] if "quality" in attempt.policy else [])
    quality = draw(st.sampled_from(weak))
    return _each(attempt, lambda row: row.update(quality=quality, reason="doubted"))


def _schema(attempt: Attempt, draw: Draw) -> bool:
    version = draw(st.integers(2, 10**6) | st.sampled_from([0, -1, None, "1", True, 1.0, [1], {}]))
    attempt.judged["schema_version"] = version
    return True


def _cut(attempt: Attempt, draw: Draw) -> bool:
    attempt.cut = draw(st.integers(0, 3000))
    return True


def _digest(attempt: Attempt, draw: Draw) -> bool:
    attempt.digest = draw(st.text("0123456789abcdef", min_size=64, max_size=64) | st.sampled_from(["", [], 0, True]))
    return True


def _other_file(attempt: Attempt, draw: Draw) -> bool:
    attempt.options += [
        "--checkpoint",
        draw(st.sampled_from(["{folder}/other.bin", "{folder}/nowhere", "{folder}/run"])),
    ]
    return True


def _forgotten_file(attempt: Attempt, draw: Draw) -> bool:
    attempt.options = [
        option for option in attempt.options if "checkpoint" not in option and "last.bin" not in option
    ]
    return 'checkpoint = "required"' in attempt.policy


def _no_digests(attempt: Attempt, draw: Draw) -> bool:
    entry = {"path": LAST, "step": 100, "file_sha256": draw(st.sampled_from([None, "", "ab" * 32]))}
    attempt.audit["checkpoints"] = draw(st.sampled_from([[], [entry]]))
    return "released" in attempt.kind.needs


def _empty_policy(attempt: Attempt, draw: Draw) -> bool:
    attempt.policy = draw(
        st.sampled_from(["", "schema = 1\n", "schema = 1\n[limits]\n", "schema = 1\nlimits = 3\n", "[]"])
    )
    return True


def _nothing_enforced(attempt: Attempt, draw: Draw) -> bool:
    level = draw(st.sampled_from(["warn", "off", "Error", ""]))
    attempt.policy = attempt.policy.replace("\nmetric", f'\nlevel = "{level}"\nmetric')
    return "[limits." in attempt.policy


def _status(attempt: Attempt, draw: Draw) -> bool:
    attempt.audit["run"]["status"] = draw(
        st.sampled_from(["running", "crashed", "interrupted", "", "Finished", None])
    )
    return True


def _damage(attempt: Attempt, draw: Draw) -> bool:
    told = draw(st.sampled_from([{"damage": ["a file"]}, {"exception": "RuntimeError"}]))
    attempt.audit["run"] |= told
    return True


def _no_rules(attempt: Attempt, draw: Draw) -> bool:
    attempt.audit["rules"] = draw(
        st.sampled_from([[], [rule | {"outcome": "unknown"} for rule in attempt.audit["rules"]]])
    )
    return attempt.kind.target == "rule" or _is_counted(attempt)


def _finding_removed(attempt: Attempt, draw: Draw) -> bool:
    attempt.audit["rules"][0]["outcome"] = "fired"  # the rule fired, and its finding is gone
    return attempt.kind.target == "rule" or _is_counted(attempt)


def _count_differs(attempt: Attempt, draw: Draw) -> bool:
    count = draw(st.integers(1, 10**6))
    return _is_counted(attempt) and _each(attempt, lambda row: row.update(value=float(count)))


def _elsewhere(attempt: Attempt, draw: Draw) -> bool:
    """Another model or branch than those that the only limit holds for."""
    attempt.audit["run"]["model"] = draw(st.sampled_from(["", "gpt", "BERT", "XGPT"]))
    attempt.options = ["--branch", draw(st.sampled_from(["feature", "Main", "main2", "refs/tags/main"]))]
    return "models" in attempt.policy or "branches" in attempt.policy


HARMS: dict[str, Harm] = {
    "missing": _missing, **{name: _junk(name) for name in JUNK}, "string": _text, "any field": _any_field,
    "needed field is null": _needed_is_null, "negative n": _negative_n, "no samples": _no_samples,
    "out of range": _out_of_range, "contradiction": _contradiction, "no probability": _no_probability,
    "doubled": _doubled, "wrong unit": _wrong_unit, "wrong step": _wrong_step, "other weights": _other_weights,
    "other scorer": _other_scorer, "no card": _no_card, "quality": _quality, "future schema": _schema,
    "truncated file": _cut, "edited digest": _digest, "other checkpoint": _other_file,
    "forgotten checkpoint": _forgotten_file, "no digests": _no_digests, "empty policy": _empty_policy,
    "nothing enforced": _nothing_enforced, "status": _status, "damage": _damage, "no rules": _no_rules,
    "finding removed": _finding_removed, "count differs": _count_differs, "elsewhere": _elsewhere,
}  # fmt: skip
