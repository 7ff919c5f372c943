"""The whole loop in a few minutes: train, be told what is wrong, change exactly that, train again.

Run it with `make demo`, or `python -m examples.demo` from the repository root.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .language_model.train import AS_FOUND, train

POLICY = Path(__file__).parent / "language_model" / "policy.toml"
REPAIRED = ("updates-too-large", "overfitting")  # the findings whose advice the second run takes


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one run came to.

    Attributes:
        title: What the run was.
        folder: Its run folder.
        audit: Content of its audit.json.
    """

    title: str
    folder: Path
    audit: dict[str, Any]

    @property
    def findings(self) -> list[str]:
        """Names of the rules that fired, most severe first."""
        return [finding["name"] for finding in self.audit["findings"]]

    def said(self, outcome: str) -> bool:
        """Return whether every rule in `REPAIRED` came to `outcome`; "unknown" is not "clear"."""
        outcomes = {rule["name"]: rule["outcome"] for rule in self.audit["rules"]}
        return all(outcomes.get(name) == outcome for name in REPAIRED)

    def metric(self, name: str) -> float:
        """Return the run's total of a metric; NaN when it was not measured."""
        found = (m["value"] for m in self.audit["metrics"] if m["name"] == name and not m["labels"])
        value = next(found, None)
        return float("nan") if value is None else float(value)


def run(title: str, settings: dict[str, Any], folder: Path) -> Outcome:
    """Train with `settings` and return what came of it."""
    print(f"\n── {title} ──", flush=True)
    trained = Path(train(settings, folder).folder)
    audit = json.loads((trained / "audit.json").read_text(encoding="utf-8"))
    return Outcome(title=title, folder=trained, audit=audit)


def advice(outcome: Outcome) -> dict[str, Any]:
    """Return the settings that the audit recommends; where two findings differ, the more severe wins."""
    chosen: dict[str, Any] = {}
    for finding in outcome.audit["findings"]:
        if finding["name"] in REPAIRED:
            offers = (mitigation["settings"] for mitigation in finding["mitigations"])
            chosen = next(filter(None, offers), {}) | chosen
    return chosen


def groundwire(*arguments: str | Path) -> int:
    """Ask the command line, as a release pipeline would, and return its exit code."""
    command = [sys.executable, "-m", "groundwire.audit", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    print(done.stdout or done.stderr, end="", flush=True)
    return done.returncode


def gate(outcome: Outcome) -> int:
    """Gate a run by the example's policy, and return the exit code."""
    print(f"\n── Gate: {outcome.title} ──", flush=True)
    return groundwire("gate", outcome.folder, "--policy", POLICY)


def compare(before: Outcome, after: Outcome, page: Path) -> int:
    """Write a page of both runs side by side, and return the exit code."""
    print("\n── Compare ──", flush=True)
    return groundwire("compare", before.folder, after.folder, "--format", "html", "--output", page)


def summary(outcome: Outcome) -> str:
    """Return what the run cost, how good it got and where to read on."""
    report = outcome.folder / "report.html"
    return (
        f"{outcome.title}\n"
        f"  findings         {', '.join(outcome.findings) or 'none'}\n"
        f"  validation loss  {outcome.metric('logged.val_loss'):.3f}\n"
        f"  energy           {1000 * outcome.metric('carbon.energy_kwh'):.2f} Wh\n"
        f"  report           {report.resolve()}"
    )


def changes(recommended: dict[str, Any]) -> str:
    """Return the recommended settings beside what they replace."""
    lines = (f"  {key}: {AS_FOUND.get(key, 'default')} → {value}" for key, value in recommended.items())
    return "\n".join(["\nThe audit recommends:", *lines])


def demo(folder: Path) -> bool:
    """Run the loop in `folder`; true when the advice mended what the gate stopped."""
    before = run("As it was left", AS_FOUND, folder / "as-left")
    recommended = advice(before)
    print(changes(recommended))
    after = run("As the audit recommends", AS_FOUND | recommended, folder / "as-recommended")
    verdicts = gate(before), gate(after)
    for outcome in (before, after):
        groundwire("report", outcome.folder, "--policy", POLICY)
    compare(before, after, folder / "compare.html")
    print("", summary(before), summary(after), sep="\n")
    return verdicts == (1, 0) and before.said("fired") and after.said("clear")


def main() -> int:
    """Run the demo in a fresh folder, by default under runs/demo."""
    fresh = Path("runs/demo") / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=fresh, help="where both runs are written")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*LeafSpec.*")  # Lightning's own use of torch
    return 0 if demo(parser.parse_args().folder) else 1


if __name__ == "__main__":
    sys.exit(main())
