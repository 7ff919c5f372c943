"""A verdict as annotations of GitHub Actions: workflow commands on the policy's lines, worst first.

GitHub shows ten of a level a step; here they are ten in all, and the last one says what was left out. Commands:
https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..escape import visible
from ..formats import count
from .location import line, policy_path
from .told import Judged, blocks, name, runs_worst_first, sentence, worst_first

MOST = 10
_NAME, _TEXT = 100, 1_000  # characters
_LEVELS = ("error", "warning", "notice")


def as_annotations(judged: Sequence[Judged], unread: Sequence[str] = ()) -> str:
    """Return one workflow command a line for all that is not met; an empty text when everything is."""
    unknown = [("error", _command("error", {"title": "Groundwire"}, visible(why, cap=_TEXT))) for why in unread]
    found = sorted([*_found(judged), *unknown], key=lambda one: _LEVELS.index(one[0]))
    shown = found if len(found) <= MOST else found[: MOST - 1]
    lines = [command for _, command in shown]
    if len(found) > len(shown):
        more = f"{count(len(found) - len(shown), 'more annotation')} left out: the job summary has all."
        lines.append(_command("notice", {"title": "Groundwire"}, more))
    return "".join(f"{text}\n" for text in lines)


def _found(judged: Sequence[Judged]) -> Iterator[tuple[str, str]]:
    for verdict, audit in runs_worst_first(judged):
        path = visible(policy_path(verdict.policy))
        run = f" of {audit.run.id}" if len(judged) > 1 else ""
        for limit in worst_first(verdict.limits):
            if limit.outcome != "pass":
                level = "error" if blocks(limit) else "warning" if limit.outcome == "fail" else "notice"
                title = visible(name(limit), cap=_NAME) + visible(run, cap=_NAME)
                place = {"file": path, "line": str(line(limit)), "title": title}
                yield level, _command(level, place, visible(sentence(limit), cap=_TEXT))
        for note in verdict.notes:
            place = {"file": path, "line": "1", "title": f"Groundwire{visible(run, cap=_NAME)}"}
            yield "warning", _command("warning", place, visible(note, cap=_TEXT))


def _command(level: str, properties: dict[str, str], text: str) -> str:
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{level} {told}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
