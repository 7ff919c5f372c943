"""The command line. What a command needs is imported when it runs: the gate must start in a blink."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import UsageError

if TYPE_CHECKING:
    from .gate import Verdict
    from .model import Audit
    from .rules import Rule

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Audit of training runs: read the report, gate the release.",
)

RunPath = Annotated[str, typer.Argument(metavar="RUN", help="Run folder: a path or an fsspec URL.")]
LATER = "When needed"


class Format(StrEnum):
    """How a verdict is printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class Page(StrEnum):
    """How a report is rendered."""

    HTML = "html"
    MARKDOWN = "markdown"


class Shown(StrEnum):
    """How much generated text a report shows."""

    NONE = "none"
    REDACTED = "redacted"
    FULL = "full"


class Schema(StrEnum):
    """Which file a schema describes."""

    AUDIT = "audit"
    RUN = "run"


@app.command()
def init(
    run: RunPath,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the policy goes.")] = Path("policy.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a policy that is there.")] = False,  # noqa: FBT002
) -> None:
    """Write a first policy.toml from what RUN has measured."""
    from .init import policy_text

    audit, _ = _audit(run)
    if output.exists() and not force:
        raise UsageError(f"{output} is there already: use --force to replace it, or --output for another place.")
    _write(output, policy_text(audit))
    sys.stderr.write(f"groundwire: wrote {output}; now run: groundwire gate {run} --policy {output}\n")


@app.command()
def gate(
    run: RunPath,
    policy: Annotated[Path, typer.Option("--policy", "-p", help="What the release must meet.")] = Path("policy.toml"),
    formats: Annotated[
        list[Format] | None, typer.Option("--format", "-f", help="May be given several times.")
    ] = None,
    outputs: Annotated[
        list[Path] | None, typer.Option("--output", "-o", help="A file for each --format; default: stdout.")
    ] = None,
) -> None:
    """Decide whether RUN meets a policy: exit 0 met, 1 not met, 2 usage, 3 cannot tell."""
    from .policy import load_policy

    rules = load_policy(policy)
    audit, digest_ok = _audit(run)
    from .gate import decide

    verdict = decide(audit, rules, digest_ok=digest_ok)
    _print(verdict, audit, formats or [Format.TEXT], outputs or [])
    sys.stderr.write(f"{verdict.summary}\n")
    raise typer.Exit(verdict.exit_code)


def _print(verdict: Verdict, audit: Audit, formats: list[Format], outputs: list[Path]) -> None:
    from .verdicts import FORMATS

    if outputs and len(outputs) != len(formats):
        raise UsageError(f"{len(formats)} --format and {len(outputs)} --output: give one --output for each --format.")
    for place, name in enumerate(formats):
        text = FORMATS[name.value](verdict, audit)
        if outputs and str(outputs[place]) != "-":
            _write(outputs[place], text)
        else:
            sys.stdout.write(text)


@app.command()
def report(
    run: RunPath,
    policy: Annotated[Path | None, typer.Option("--policy", "-p", help="Show the verdict of this policy.")] = None,
    page: Annotated[Page, typer.Option("--format", "-f", help="html or markdown.")] = Page.HTML,
    samples: Annotated[Shown, typer.Option(help="How much generated text to show.")] = Shown.REDACTED,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: in the run folder.")] = None,
) -> None:
    """Render RUN's report; judge the record first when it has no audit.json."""
    from .reporting import make_report

    where = make_report(run, policy=policy, markdown=page is Page.MARKDOWN, samples=samples.value, output=output)
    sys.stdout.write(f"{where}\n")


@app.command()
def explain(
    code: Annotated[str, typer.Argument(help="Code or name, as in OPT006 or updates-too-large.")],
) -> None:
    """Say what a rule detects, why it matters and what it does not see."""
    from .rules.explanation import explanation

    sys.stdout.write(explanation(_rule(code)))


@app.command(rich_help_panel=LATER)
def rules(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,  # noqa: FBT002
) -> None:
    """List all rules."""
    from .rules import RULES

    if as_json:
        fields = ("code", "name", "status", "flaw", "needs", "threshold", "unit")
        listed = [{f: getattr(r, f) for f in fields} | {"severity": r.severity.value} for r in RULES]
        sys.stdout.write(json.dumps(listed, indent=1) + "\n")
        return
    for rule in RULES:
        sys.stdout.write(f"{rule.code}  {rule.severity.value:<8}  {rule.name:<24}  {rule.flaw}\n")


@app.command(rich_help_panel=LATER)
def schema(
    of: Annotated[Schema, typer.Argument(help="Which file.")] = Schema.AUDIT,
) -> None:
    """Print the JSON Schema of audit.json or run.json."""
    from .model import Audit
    from .runfile import RunFile

    found = (Audit if of is Schema.AUDIT else RunFile).model_json_schema()
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | found
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def _audit(run: str) -> tuple[Audit, bool]:
    from .load import load_audit

    return load_audit(run)


def _rule(code: str) -> Rule:
    from .registry import nearest
    from .rules import RULES

    for rule in RULES:
        if code.upper() == rule.code or code.lower() == rule.name:
            return rule
    known = [name for rule in RULES for name in (rule.name, rule.code)]
    hint = nearest(code, known) or "; `groundwire rules` lists all"
    raise UsageError(f"There is no rule {code!r}{hint}.")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror or error}.") from error
