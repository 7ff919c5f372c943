"""A scorer or a model that a user names by where it can be imported from."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from ..errors import UsageError
from . import ScorerError, brief


def imported(path: str, *, what: str = "scorer") -> Any:
    """Return the object that `package.module:object` names; modules in the working directory are found, too.

    Raises:
        UsageError: There is no such module or object.
        ScorerError: The module raised while it was imported.
    """
    module_name, _, name = path.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise UsageError(f"{what} {path!r} is no package.module:object")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # at the end: nothing that is installed is hidden by it
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.split(".")[0] == error.name.split(".")[0]:
            raise UsageError(f"there is no module {module_name!r} to import {what} {path!r} from") from error
        raise ScorerError(f"{what} {path!r} cannot be imported ({brief(error)})") from error
    except (Exception, SystemExit) as error:
        raise ScorerError(f"{what} {path!r} cannot be imported ({brief(error)})") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"module {module_name!r} has no {name!r}")
        found = getattr(found, part)
    return found
