"""What a command says: data on stdout, diagnostics on stderr; a broken stream changes no exit code to a lie."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from .errors import GroundwireError
from .escape import visible


class OutputError(GroundwireError):
    """What was asked for could not be written to stdout."""


def prepare() -> None:
    """Let both streams show what their encoding cannot (a C locale, a redirected Windows console) as escapes."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def put(text: str) -> None:
    """Write data to stdout; whoever stops reading it (`| head`) changes nothing.

    Raises:
        OutputError: It cannot be written, as on a full disk.
    """
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        _silence(sys.stdout)
    except OSError as error:
        _silence(sys.stdout)
        raise OutputError(f"Cannot write to standard output: {error.strerror or error}.") from error


def say(text: str) -> None:
    """Write diagnostics to stderr, line by line without control characters; never raises."""
    shown = "".join(f"{visible(line)}\n" for line in text.split("\n"))
    try:
        _write(sys.stderr, shown)
    except OSError:
        _silence(sys.stderr)


def complain(message: str) -> None:
    """Say what is wrong in one line, whatever line breaks a name in it holds."""
    say(f"groundwire: {visible(message)}")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed by whoever started us
        return
    stream.write(text)
    stream.flush()


def _silence(stream: TextIO) -> None:
    """Send what is still buffered nowhere: Python flushes at exit, and would end with 120."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
