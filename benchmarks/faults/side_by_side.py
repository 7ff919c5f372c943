"""Groundwire and its peers on the same runs, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .cases import Case, Split
from .faults import BY_NAME
from .peers import PEERS, Peer
from .peers.observed import FILE, Observed
from .running import each
from .table import Judged, share

OURS = "Groundwire"
LOUD = 0.5  # share of the healthy calibration runs from which a rule is left out of a peer's quiet row


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What one watcher says of one run.

    Attributes:
        case: The run.
        alarms: For each alarm the names of our catalogue that it may stand for, and its step; earliest first.
        rules: The rules behind them, in its own words.
    """

    case: Case
    alarms: tuple[tuple[frozenset[str], int | None], ...]
    rules: tuple[str, ...]

    @property
    def named(self) -> bool:
        """Whether any alarm may stand for the fault."""
        return any(self.case.fault in names for names, _ in self.alarms)

    @property
    def named_first(self) -> bool:
        """Whether the first alarm may stand for the fault, or one of those at the same step."""
        first = [names for names, step in self.alarms if step == self.alarms[0][1]]
        return any(self.case.fault in names for names in first)


@dataclass(frozen=True, kw_only=True, slots=True)
class Watcher:
    """A row of the table.

    Attributes:
        name: What it is called.
        claims: Faults of this benchmark that any of its alarms may stand for.
        said: What it says of each run, by the run's id.
    """

    name: str
    claims: frozenset[str]
    said: Mapping[str, Said]


def observed_in(case: Case, folder: Path) -> bool:
    """Return whether a run was observed for the peers: those trained by an earlier version were not."""
    return (folder / case.id / FILE).exists()


def judge_peers(case: Case, folder: Path) -> tuple[Said, ...]:
    """Return what each peer says of a case."""
    observed = Observed.load(folder / case.id / FILE)
    with np.errstate(all="ignore"):
        return tuple(_said(case, peer, observed) for peer in PEERS)


def _said(case: Case, peer: Peer, observed: Observed) -> Said:
    alarms = peer.alarms(observed)
    names = tuple((frozenset(peer.means[alarm.rule]), alarm.step) for alarm in alarms)
    return Said(case=case, alarms=names, rules=tuple(alarm.rule for alarm in alarms))


def watch_all(judged: Sequence[Judged], folder: Path, jobs: int) -> list[Watcher]:
    """Return Groundwire and all peers on the runs that were observed, each peer followed by its quiet row."""
    seen = [one for one in judged if observed_in(one.case, folder)]
    found = {case.id: said for case, said in each(judge_peers, [one.case for one in seen], folder, jobs, "peers")}
    watchers = [_ours(seen)]
    for place, peer in enumerate(PEERS):
        said = {name: all_said[place] for name, all_said in found.items()}
        watchers += [_watcher(peer.name, peer, said, without=frozenset()), *_quiet(peer, said)]
    return watchers


def _ours(judged: Iterable[Judged]) -> Watcher:
    said = {}
    for one in judged:
        # Its report has an order of its own, so that no two alarms are first.
        alarms = tuple((frozenset({name}), place) for place, name in enumerate(one.of_optimisation))
        said[one.case.id] = Said(case=one.case, alarms=alarms, rules=one.of_optimisation)
    return Watcher(name=OURS, claims=frozenset(BY_NAME), said=said)


def _quiet(peer: Peer, said: Mapping[str, Said]) -> Iterator[Watcher]:
    """Yield the peer without the rules that fire on more than half of the healthy calibration runs, if any do."""
    healthy = [one for one in said.values() if one.case.kind == "healthy" and one.case.split == "calibration"]
    loud = {
        rule for rule in peer.means if healthy and sum(rule in one.rules for one in healthy) > LOUD * len(healthy)
    }
    if loud:
        yield _watcher(f"– without {', '.join(sorted(loud))}", peer, said, without=frozenset(loud))


def _watcher(name: str, peer: Peer, said: Mapping[str, Said], *, without: frozenset[str]) -> Watcher:
    kept = {}
    for run, one in said.items():
        left = [(alarm, rule) for alarm, rule in zip(one.alarms, one.rules, strict=True) if rule not in without]
        kept[run] = Said(case=one.case, alarms=tuple(alarm for alarm, _ in left), rules=tuple(r for _, r in left))
    claims = {name for rule, names in peer.means.items() if rule not in without for name in names}
    return Watcher(name=name, claims=frozenset(claims & set(BY_NAME)), said=kept)


def markdown(watchers: Sequence[Watcher], splits: Sequence[Split]) -> str:
    """Return the tables of each split."""
    return "\n".join(line for split in splits for line in _of_split(watchers, split))


def _of_split(watchers: Sequence[Watcher], split: Split) -> Iterator[str]:
    runs = [one for one in watchers[0].said.values() if one.case.split == split]
    yield f"## Side by side, {split} ({len(runs)} runs)\n"
    yield "| watcher | detected | named | named first | false alarms: healthy | clean twins | hard negatives |"
    yield "|" + "---|" * 7
    for watcher in watchers:
        said = [one for one in watcher.said.values() if one.case.split == split]
        yield f"| {watcher.name} | {_detection(said)} | {_false_alarms(said)} |"
        if not watcher.claims >= set(BY_NAME):
            claimed = [one for one in said if one.case.fault in watcher.claims]
            yield f"| – of the {len(watcher.claims)} faults that it claims | {_detection(claimed)} | | | |"
    yield ""
    yield from _by_fault(watchers, split)


def _detection(said: Iterable[Said]) -> str:
    faulty = [one for one in said if one.case.fault]
    checks: tuple[Callable[[Said], bool], ...] = (
        lambda one: bool(one.alarms),
        lambda one: one.named,
        lambda one: one.named_first,
    )
    return " | ".join(_share(faulty, check) for check in checks)


def _false_alarms(said: Sequence[Said]) -> str:
    groups = [[one for one in said if one.case.kind == kind] for kind in ("healthy", "twin", "negative")]
    return " | ".join(_share(group, lambda one: bool(one.alarms)) for group in groups)


def _share(said: Sequence[Said], check: Callable[[Said], bool]) -> str:
    return share(sum(map(check, said)), len(said)) + f" of {len(said)}" if said else "–"


def _by_fault(watchers: Sequence[Watcher], split: Split) -> Iterator[str]:
    """Yield for each fault how many runs each watcher calls by its name, and in brackets how many it alarms on."""
    yield "Named (detected), a row a fault; – where the watcher has no word for it:\n"
    whole = [watcher for watcher in watchers if not watcher.name.startswith("–")]
    yield f"| fault | runs | {' | '.join(watcher.name for watcher in whole)} |\n|---|---|{'---|' * len(whole)}"
    for name in BY_NAME:
        rows = [[s for s in w.said.values() if s.case.fault == name and s.case.split == split] for w in whole]
        if rows[0]:
            cells = (_cell(name, watcher, said) for watcher, said in zip(whole, rows, strict=True))
            yield f"| {name} | {len(rows[0])} | {' | '.join(cells)} |"
    yield ""


def _cell(name: str, watcher: Watcher, said: Sequence[Said]) -> str:
    named = str(sum(one.named for one in said)) if name in watcher.claims else "–"
    return f"{named} ({sum(bool(one.alarms) for one in said)})"
