"""The options of `groundwire gate` and `groundwire baseline`; what they need is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import complain, put, say
from .errors import RecordError, UsageError
from .file_names import POLICY
from .options import LATER, BaselinePath, CheckpointPath, ReleasePath, RunPath, WaiversPath, write

if TYPE_CHECKING:
    from .gate import Verdict
    from .gating import Inputs
    from .model import Audit

Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Run folders: paths or fsspec URLs.")]


def gate(
    runs: Runs,
    policy: Annotated[
        Path | None, typer.Option("--policy", "-p", help=f"What the release must meet; default: {POLICY}.")
    ] = None,
    waivers: WaiversPath = None,
    strict_waivers: Annotated[  # noqa: FBT002
        bool, typer.Option("--strict-waivers", help="Fail on waivers that have expired or are unused.")
    ] = False,
    policy_ref: Annotated[
        str | None, typer.Option("--policy-ref", metavar="REF", help="Take policy and waivers from this git ref.")
    ] = None,
    baseline: BaselinePath = None,
    checkpoint: CheckpointPath = None,
    release: ReleasePath = None,
    branch: Annotated[str | None, typer.Option("--branch", help="Of the release; default: what CI says.")] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", "-f", help="text, json, markdown, junit, sarif or github; several are allowed."),
    ] = None,
    outputs: Annotated[
        list[Path] | None, typer.Option("--output", "-o", help="A file for each --format; default: stdout.")
    ] = None,
) -> None:
    """Decide whether each RUN meets a policy: exit 0 met, 1 not met, 2 usage, 3 cannot tell."""
    from . import verdicts
    from .gating import Inputs

    shapes = _shapes(formats, outputs)
    inputs = Inputs.of(
        policy=policy, waivers=waivers, ref=policy_ref, baseline=baseline, checkpoint=checkpoint, release=release,
        branch=branch, strict_waivers=strict_waivers,
    )  # fmt: skip
    _require_spared(outputs or [], [*runs, inputs.policy.path])
    if checkpoint is not None and len(runs) > 1:
        raise UsageError("--checkpoint is of one run: gate one RUN at a time with it.")
    judged, unread = ([inputs.judged(runs[0])], []) if len(runs) == 1 else _each(inputs, runs)
    _print(judged, unread, shapes, outputs or [])
    one = judged[0][0] if len(runs) == 1 else None
    say(one.summary if one else verdicts.summary_of_many(judged, unread))
    raise typer.Exit(one.exit_code if one else verdicts.exit_code_of_many(judged, unread))


def _each(inputs: Inputs, runs: list[str]) -> tuple[list[tuple[Verdict, Audit]], list[str]]:
    """Return the verdicts, and why runs could not be judged, which is said of each."""
    judged, unread = [], []
    for run in runs:
        try:
            judged.append(inputs.judged(run))
        except RecordError as error:
            complain(str(error))
            unread.append(str(error))
    return judged, unread


def _shapes(formats: list[str] | None, outputs: list[Path] | None) -> list[str]:
    """Return the formats, checked before anything is read."""
    from .registry import nearest
    from .verdicts import FORMATS

    found = formats or ["text"]
    for name in found:
        if name not in FORMATS:
            hint = nearest(name, list(FORMATS)) or f"; there are {', '.join(FORMATS)}"
            raise UsageError(f"--format: there is no format {name!r}{hint}.")
    if outputs and len(outputs) != len(found):
        raise UsageError(f"{len(found)} --format and {len(outputs)} --output: give one --output for each --format.")
    places = [path.resolve() for path in outputs or [] if str(path) != "-"]
    if len(set(places)) < len(places):
        raise UsageError("Two --output name one file: give each --format a file of its own.")
    return found


def _require_spared(outputs: list[Path], read: list[str]) -> None:
    """Refuse to write over what is judged."""
    kept = {Path(name).resolve() for one in read for name in (one, f"{one}/audit.json", f"{one}/run.json")}
    for path in outputs:
        if path.resolve() in kept:
            raise UsageError(f"--output {path} is what is judged: write the verdict elsewhere.")


def _print(judged: list[tuple[Verdict, Audit]], unread: list[str], formats: list[str], outputs: list[Path]) -> None:
    from . import verdicts

    alone = len(judged) == 1 and not unread
    for place, name in enumerate(formats):
        text = verdicts.FORMATS[name](*judged[0]) if alone else verdicts.MANY[name](judged, unread)
        if outputs and str(outputs[place]) != "-":
            write(outputs[place], text)
        else:
            put(text)


baselines = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Keep a run to compare later ones with.")


@baselines.command("set")
def set_baseline(
    run: RunPath,
    output: Annotated[Path, typer.Option("--output", "-o", help="Commit this file.")] = Path("baseline.json"),
    force: Annotated[bool, typer.Option("--force", help="Replace a baseline that is there.")] = False,  # noqa: FBT002
) -> None:
    """Write RUN's audit, sealed, into a file that the gate compares with by --baseline."""
    from .baseline import load_baseline
    from .model import dump

    found = load_baseline(run)
    write(output, dump(found.audit), replace=force)
    complain(f"wrote {output}; now run: groundwire gate RUN --baseline {output}")


@baselines.command("show")
def show_baseline(
    baseline: Annotated[str, typer.Argument(metavar="BASELINE", help="File or run folder.")] = "baseline.json",
) -> None:
    """Say which run a baseline is, and what it measured."""
    from .baseline import load_baseline
    from .formats import number

    audit = load_baseline(baseline).audit
    rows = [metric for metric in audit.metrics if not metric.labels and metric.value is not None]
    put(f"{audit.run.model} · {audit.run.id} · {audit.run.steps:,} steps · digest {audit.digest[:12]}\n")
    for metric in rows:
        assert metric.value is not None  # noqa: S101 - chosen above
        put(f"  {metric.name}  {number(metric.value)} {metric.unit}".rstrip() + "\n")


def register(app: Any) -> None:
    """Add the commands."""
    app.command(short_help="Decide whether RUN meets a policy, by exit code.")(gate)
    app.add_typer(
        baselines, name="baseline", rich_help_panel=LATER, short_help="Keep a run to compare later ones with."
    )
