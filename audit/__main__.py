"""`python -m groundwire.audit` and the console script: every ending has its exit code, none a traceback."""

from __future__ import annotations

import io
import os
import sys
import traceback

USAGE = 2
CANNOT_EVALUATE = 3
INTERRUPTED = 130
MOST = 300  # characters of an unexpected exception's message


def main() -> None:
    """Run the command line; an unexpected exception is 3, never 1 and never 0."""
    sys.exit(_run())


def _run() -> int:
    try:
        from .console import complain, prepare
        from .errors import GroundwireError

        prepare()
    except KeyboardInterrupt:
        return INTERRUPTED
    try:
        from .cli import app

        # Standalone, typer itself would end with 1 on a closed pipe, and 1 means that a limit failed.
        code = app(standalone_mode=False)
    except GroundwireError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit:
        return CANNOT_EVALUATE
    except BaseException as error:  # noqa: BLE001 - told, and 3: nothing that broke may pass
        return _usage(error) if hasattr(error, "show") else _unexpected(error)
    return code if isinstance(code, int) else 0


def _usage(error: BaseException) -> int:
    """Say what typer has against the command: its exceptions moved between versions, their `show` stayed."""
    from .console import say

    told = io.StringIO()
    error.show(file=told)  # type: ignore[attr-defined]
    say(told.getvalue().rstrip())
    return USAGE


def _unexpected(error: BaseException) -> int:
    from .console import complain, say

    if os.environ.get("GROUNDWIRE_DEBUG"):
        say(traceback.format_exc().rstrip())
    told = "set GROUNDWIRE_DEBUG=1 to see where, and please report it"
    complain(f"unexpected {type(error).__name__}: {str(error)[:MOST]} ({told})")
    return CANNOT_EVALUATE


if __name__ == "__main__":
    main()
