"""Every place of a document where a free text stands, found by walking it."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple, Union, get_args, get_origin

from groundwire.audit.document import Document
from pydantic import JsonValue

Path = tuple[Any, ...]
TEXT = "filled in"


class Place(NamedTuple):
    """Where a text stands: a value, or the key of a map whose keys are free."""

    path: Path
    is_key: bool = False

    @property
    def pattern(self) -> str:
        """The path without positions in lists."""
        return ".".join("*" if isinstance(step, int) else str(step) for step in self.path) + (
            " (key)" if self.is_key else ""
        )


def filled(kind: Any, value: Any) -> Any:
    """Return a document of a type with something in each of its fields, what is there kept; lists get one such more.

    Args:
        kind: The type: a `Document`, or what a field of one is annotated with.
        value: What there is already, as `model_dump()` gives it; None for nothing.
    """
    found, origin = _plain(kind), get_origin(_plain(kind))
    if kind is JsonValue:
        return value or {TEXT: [TEXT, {TEXT: TEXT}]}
    if isinstance(found, type) and issubclass(found, Document):
        fields = found.model_fields.items()
        return {name: filled(field.annotation, (value or {}).get(name)) for name, field in fields}
    if origin is list:
        rows = list(value or ())
        return [*rows, filled(get_args(found)[0], rows[0] if rows else None)]
    if origin is tuple:
        return value or tuple(filled(each, None) for each in get_args(found))
    if origin is dict:
        return {key: filled(get_args(found)[1], item) for key, item in (value or {TEXT: None}).items()}
    return _scalar(found) if value is None else value


def _plain(kind: Any) -> Any:
    """Return what a field holds when it is not None; of several, text if it may."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    kinds = [each for each in get_args(kind) if each is not type(None)]
    return str if str in kinds else kinds[0]


def _scalar(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    return {str: TEXT, int: 1, float: 0.5, bool: True}[kind]


def places(value: Any, keys: Callable[[Path], bool], path: Path = ()) -> Iterator[Place]:
    """Yield every place of a document.

    Args:
        value: The document.
        keys: Whether the keys of the map at a path are free.
        path: Where it stands.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from places(item, keys, (*path, key))
            if keys(path):
                yield Place((*path, key), is_key=True)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from places(item, keys, (*path, index))
    elif isinstance(value, str) and not isinstance(value, Enum):
        yield Place(path)


def free_keys(kind: Any) -> Callable[[Path], bool]:
    """Return whether the keys of the map at a path of a document of this type are free."""
    found = list(_free_maps(kind, ()))

    def free(path: Path) -> bool:
        return any(
            len(path) >= len(pattern)
            and (open_ended or len(path) == len(pattern))
            and all(step in ("*", there) for step, there in zip(pattern, path, strict=False))
            for pattern, open_ended in found
        )

    return free


def _free_maps(kind: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield the path of each map with free keys, `*` for positions and keys, and whether those in it are free too."""
    found, origin = _plain(kind), get_origin(_plain(kind))
    if isinstance(found, type) and issubclass(found, Document):
        for name, field in found.model_fields.items():
            yield from _free_maps(field.annotation, (*path, name))
    elif origin in (list, dict):
        inside = get_args(found)[-1]
        if origin is dict:
            yield path, inside is JsonValue
        yield from _free_maps(inside, (*path, "*"))


def changed(document: Any, texts: Mapping[Place, str]) -> Any:
    """Return a copy of a document with these texts; keys last and deepest first, so that paths stay true."""
    found = copy.deepcopy(document)
    for place in sorted(texts, key=lambda place: (place.is_key, -len(place.path))):
        inside = found
        for step in place.path[:-1]:
            inside = inside[step]
        if place.is_key:
            renamed = {texts[place] if key == place.path[-1] else key: item for key, item in inside.items()}
            inside.clear()
            inside.update(renamed)
        else:
            inside[place.path[-1]] = texts[place]
    return found
