"""A verdict as SARIF 2.1.0, as GitHub's code scanning takes it: what is not met, on the lines of the policy.

GitHub refuses a file with a result that has no physical location, and wants one run of a tool in a file: all audited
runs are in one. Waived and met limits are left out. `primaryLocationLineHash` is left to the upload action, which
computes it from the policy's lines and warns of any other value.
Format: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from .. import registry
from ..escape import markdown_text, visible
from ..limits import LimitVerdict, allowed
from .location import line, policy_path
from .told import Judged, blocks, runs_worst_first, sentence, warns, worst_first

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST = 25_000  # results that GitHub takes of one run; it shows the first 5,000
ADVICE = "The run's report says what to change."
_ID, _SHORT = 200, 1_000  # characters; GitHub takes 255 and 1,024

Json = dict[str, Any]


def as_sarif(judged: Sequence[Judged], unread: Sequence[str] = ()) -> str:
    """Return the log file: each limit that blocks is an error, one that warns a warning or a note."""
    found = [
        (limit, verdict.policy, audit)
        for verdict, audit in runs_worst_first(judged)
        for limit in worst_first(verdict.limits)
        if blocks(limit) or warns(limit)
    ]
    found = found[:MOST]
    rules = {_rule_id(limit): limit for limit, *_ in found}
    places = {rule: place for place, rule in enumerate(rules)}
    seen: Counter[str] = Counter()
    results = []
    for limit, policy, audit in found:
        key = "\0".join(
            (policy_path(policy), limit.id, audit.run.model)
        )  # stays the same from one training to the next
        seen[key] += 1
        told = sentence(limit) + (f" (run {audit.run.id})" if len(judged) > 1 else "")
        results.append(_result(limit, told, policy, places[_rule_id(limit)], _digest(f"{key}\0{seen[key]}")))
    driver = {"name": "Groundwire", "version": _version(), "rules": list(map(_rule, rules.values()))}
    run: Json = {"tool": {"driver": driver}, "results": results}
    if unread:  # a result would need a place in a file
        notes = [{"level": "error", "message": {"text": _message(why)}} for why in unread]
        run["invocations"] = [{"executionSuccessful": False, "toolExecutionNotifications": notes}]
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("groundwire")
    except metadata.PackageNotFoundError:  # from a folder that was not installed
        return "0.0.0"


def _rule_id(limit: LimitVerdict) -> str:
    return f"groundwire/{visible(limit.id, cap=_ID)[:_ID]}"


def _rule(limit: LimitVerdict) -> Json:
    quantity = registry.metric(limit.metric)
    meaning = quantity.meaning if quantity is not None else ""
    bound = allowed(limit) if limit.minimum is not None or limit.maximum is not None else "what the policy demands"
    short = f"{limit.metric} must be {bound}"
    told = [part for part in (short, meaning) if part]
    return {
        "id": _rule_id(limit),
        "shortDescription": {"text": _message(short)},
        "fullDescription": {"text": _message(f"{short}. {meaning}" if meaning else short)},
        "help": {
            "text": "\n".join([*map(_message, told), ADVICE]),
            "markdown": "\n\n".join([*(str(markdown_text(part)) for part in told), ADVICE]),
        },
        "defaultConfiguration": {"level": "error" if limit.level == "error" else "warning"},
        "properties": {"tags": ["model", "release-gate"]},
    }


def _result(limit: LimitVerdict, told: str, policy: str, rule_index: int, fingerprint: str) -> Json:
    uri = quote(policy_path(policy).encode("utf-8", "surrogatepass"))
    return {
        "ruleId": _rule_id(limit),
        "ruleIndex": rule_index,
        "level": "error" if blocks(limit) else "warning" if limit.outcome == "fail" else "note",
        "message": {"text": _message(f"{limit.id} {told}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": line(limit)},
                }
            }
        ],
        "partialFingerprints": {"groundwireLimit/v1": fingerprint},
        "properties": {"outcome": limit.outcome, "metric": visible(limit.metric, cap=_SHORT)},
    }


def _message(text: str) -> str:
    """Return text without links (`[text](place)` is one in SARIF), mentions and acting characters."""
    told = visible(text, cap=_SHORT).replace("](", "] (").replace("@", "＠")
    return told if len(told) <= _SHORT else f"{told[: _SHORT - 1]}…"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
