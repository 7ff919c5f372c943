"""Run the shell steps of action.yml or gitlab.yml here, as the CI would, to try them before they are pushed.

    python -m examples.ci.steps action.yml runs='runs/digits/groundwire/*' policy=examples/ci/policy.toml
    python -m examples.ci.steps gitlab.yml GATE_RUNS='runs/digits/groundwire/*' CI_DEFAULT_BRANCH=main

Steps that install are left out, unless --install is given; steps that use other actions always are.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
GIVEN = re.compile(r"inputs\.([\w-]+) != ''")
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")  # as GitHub runs `shell: bash`


@dataclass(frozen=True, kw_only=True)
class Step:
    """A script with what it finds in its environment."""

    script: str
    environment: Mapping[str, str]
    installs: bool


def steps(path: Path, given: Mapping[str, str], temp: Path) -> Iterator[Step]:
    """Yield the shell steps of a file.

    Args:
        path: action.yml or gitlab.yml.
        given: Inputs of the action, or variables of the job.
        temp: Where files go that the CI reads: GITHUB_OUTPUT, GITHUB_STEP_SUMMARY.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return _github(document, given, temp) if "runs" in document else _gitlab(document, given)


def _github(document: dict[str, Any], given: Mapping[str, str], temp: Path) -> Iterator[Step]:
    inputs = {name: str(spec.get("default", "")) for name, spec in document["inputs"].items()} | dict(given)
    unknown = inputs.keys() - document["inputs"].keys()
    if unknown:
        raise SystemExit(
            f"The action has no input {', '.join(sorted(unknown))}; it has {', '.join(document['inputs'])}."
        )
    files = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary.md"}
    fixed = {name: str(temp / file) for name, file in files.items()} | {"RUNNER_TEMP": str(temp)}
    for step in document["runs"]["steps"]:
        condition = GIVEN.fullmatch(step.get("if", ""))
        if "run" in step and (condition is None or inputs[condition[1]]):
            own = {name: _filled(text, inputs) for name, text in step.get("env", {}).items()}
            yield Step(script=step["run"], environment=fixed | own, installs=step["name"] == "install")


def _filled(text: str, inputs: Mapping[str, str]) -> str:
    return EXPRESSION.sub(lambda found: inputs[found[1].removeprefix("inputs.")], text)


def _gitlab(document: dict[str, Any], given: Mapping[str, str]) -> Iterator[Step]:
    (job,) = document.values()
    variables = job["variables"] | dict(given)
    yield Step(script="\n".join(job["before_script"]), environment=variables, installs=True)
    yield Step(script="\n".join(job["script"]), environment=variables, installs=False)


def run(path: Path, given: Mapping[str, str], temp: Path, *, install: bool = False) -> int:
    """Run the steps until one fails; return its exit code, or 0."""
    for step in steps(path, given, temp):
        if install or not step.installs:
            done = subprocess.run([*SHELL, step.script], env=os.environ | step.environment, check=False)
            if done.returncode:
                return done.returncode
    return 0


def main() -> int:
    """Run the steps of the file that the command line names."""
    parser = argparse.ArgumentParser(description="Run the shell steps of a CI file here.")
    parser.add_argument("file", help="action.yml or gitlab.yml")
    parser.add_argument("given", nargs="*", metavar="NAME=VALUE", help="inputs of the action, variables of the job")
    parser.add_argument("--install", action="store_true", help="run the steps that install, too")
    asked = parser.parse_args()
    given = dict(pair.split("=", 1) for pair in asked.given)
    with tempfile.TemporaryDirectory() as temp:
        code = run(HERE / asked.file, given, Path(temp), install=asked.install)
        for name in ("output", "summary.md"):
            written = Path(temp, name)
            if written.exists():
                print(f"--- {name}\n{written.read_text(encoding='utf-8')}", end="")
    return code


if __name__ == "__main__":
    sys.exit(main())
