"""What the viewer knows: a state is read by its own classes, and every key looked up in them and in its client.

The neuroglancer package's classes look at a value when it is asked for, keep keys that they do not know, and take any
words for units: so each field is asked for, and a key that neither they nor the client's code have is told. The client
alone says the rest, when it draws.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from publisher import viewer
from publisher.errors import InvalidInput, Problem
from publisher.words import did_you_mean

_QUOTED = re.compile(rb'"([A-Za-z_]\w*)"')


def require(made: Mapping[str, Any], name: str) -> None:
    """Raise InvalidInput with every field of a state that the viewer cannot hold, does not know, or would drop."""
    import neuroglancer as ng  # noqa: PLC0415 - half a second, and only scenes need it

    where = f"scene {name!r}"
    try:
        state = ng.ViewerState(made)
        found = list(_fields(state, ""))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvalidInput(Problem(where, f"has layers that the viewer cannot hold{_why(error)}", _HINT)) from None
    found += (
        [f"has {path}, which the viewer drops" for path in _dropped(made, state.to_json(), "")] if not found else []
    )
    if found:
        raise InvalidInput(tuple(Problem(where, message, _HINT) for message in dict.fromkeys(found)))


_HINT = "correct its `state`"


def _fields(holder: Any, whose: str, path: str = "") -> Iterator[str]:  # noqa: ANN401 - neuroglancer's classes
    """Yield what is wrong with the fields of one of the viewer's objects, and of all that it holds."""
    from neuroglancer import json_wrappers  # noqa: PLC0415

    known, given = _known(type(holder)), holder.to_json()  # type: ignore[arg-type]
    for key in given if isinstance(given, dict) else ():  # a layout may be one word
        if key not in {*known, *_OF_EVERY_LAYER} and key not in _client():
            yield f"{whose}has a field {path + key!r} that the viewer does not know{did_you_mean(key, known)}"
    for key, attribute in known.items():
        try:
            value = getattr(holder, attribute)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            yield f"{whose}has a field {path + key!r} that the viewer cannot hold{_why(error)}"
            continue
        if key == "layers" and not path:
            for each in value:
                yield from _fields(each.layer, f"layer {each.name!r} ")
            continue
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, json_wrappers.JsonObjectWrapper) and not isinstance(each, json_wrappers.Map):
                yield from _fields(each, whose, f"{path}{key}.")


_OF_EVERY_LAYER = ("name", "visible", "archived")


def _why(error: Exception) -> str:
    return f": {error}" if str(error) else ""


@cache
def _known(of: type) -> dict[str, str]:
    """Return the fields of one of the viewer's classes: the key in JSON, and the attribute that reads it."""
    found: dict[str, str] = {}
    for name, member in inspect.getmembers(of):
        if isinstance(member, property) and member.fget is not None:
            key = inspect.getclosurevars(member.fget).nonlocals.get("json_name")
            if isinstance(key, str):
                found[key] = name
    return found


@cache
def _client() -> frozenset[str]:
    """Return every word that the client's code has in quotes: the keys that it reads are among them."""
    words: set[str] = set()
    for name in viewer.names():
        file = viewer.file(name) if name.endswith(".js") else None
        if file is not None:
            code = file[0] if isinstance(file[0], bytes) else file[0].read_bytes()
            words.update(word.decode() for word in _QUOTED.findall(code))
    return frozenset(words)


def _dropped(before: Any, after: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield the keys that a state lost on its way through the viewer's classes."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key, value in before.items():
            if key in after:
                yield from _dropped(value, after[key], f"{path}.{key}" if path else key)
            elif value not in (None, True, [], {}):  # what is left out is what it is without
                yield repr(f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield repr(path)
        for at, (old, new) in enumerate(zip(before, after, strict=False)):
            yield from _dropped(old, new, f"{path}[{at}]")
