"""`python -m groundwire.audit` and the console script: every ending has its exit code, none a traceback."""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130
CANNOT_EVALUATE = 3


def main() -> None:
    """Run the command line; an unexpected exception is 3, never 1 and never 0."""
    sys.exit(_run())


def _run() -> int:
    from .errors import GroundwireError

    try:
        from .cli import app

        code = app(standalone_mode=True)
    except SystemExit as ending:
        return _code(ending)
    except GroundwireError as error:
        sys.stderr.write(f"groundwire: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CANNOT_EVALUATE
    except BaseException as error:
        if os.environ.get("GROUNDWIRE_DEBUG"):
            raise
        told = "set GROUNDWIRE_DEBUG=1 to see where, and please report it"
        sys.stderr.write(f"groundwire: unexpected {type(error).__name__}: {error} ({told})\n")
        return CANNOT_EVALUATE
    return int(code or 0)


def _code(ending: SystemExit) -> int:
    if ending.code is None:
        return 0
    return ending.code if isinstance(ending.code, int) else CANNOT_EVALUATE


if __name__ == "__main__":
    main()
