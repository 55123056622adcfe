"""JSON metadata files: read with an error that a user can act on."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any, TypeVar

from publisher.errors import InvalidInput, Problem
from publisher.headers import GZIP_MAGIC

Sized = TypeVar("Sized", list[Any], dict[str, Any])

_LIMIT = 64 << 20  # bytes; an `info` is some kilobytes, segment properties some megabytes


def read(path: Path) -> dict[str, Any]:
    """Read a JSON object, gzip or plain; raise InvalidInput with file, line and column where it is none."""
    try:
        data = path.read_bytes()
        if data.startswith(GZIP_MAGIC):
            data = zlib.decompressobj(wbits=31).decompress(data, _LIMIT)
        value = json.loads(data)
    except (OSError, zlib.error) as error:
        raise InvalidInput(Problem(str(path), f"cannot be read: {error}", "is it damaged?")) from None
    except json.JSONDecodeError as error:
        raise InvalidInput(Problem(f"{path}:{error.lineno}:{error.colno}", f"is not JSON: {error.msg}", "")) from None
    except UnicodeDecodeError as error:
        raise InvalidInput(Problem(str(path), f"is not UTF-8: {error.reason} at byte {error.start}", "")) from None
    if not isinstance(value, dict):
        raise InvalidInput(Problem(f"{path}:1:1", "must hold a JSON object", ""))
    return value


class Fields:
    """Typed access to a JSON object that came from a file: what is missing or of the wrong type is named."""

    def __init__(self, value: dict[str, Any], path: Path, place: str = "") -> None:
        """Look at `value`, which stands at `place` (such as scales[0]) of the file `path`."""
        self._value, self._path, self._place = value, path, place

    def fail(self, name: str, expected: str) -> InvalidInput:
        """Return the error that says which field must be what."""
        where = f"{self._place}.{name}" if self._place else name
        got = json.dumps(self._value[name])[:60] if name in self._value else "missing"
        return InvalidInput(
            Problem(str(self._path), f"`{where}` must be {expected}, but is {got}", "correct the metadata")
        )

    def text(self, name: str, choices: tuple[str, ...] = ()) -> str:
        """Return a string, one of `choices` where they are given."""
        value = self._value.get(name)
        if not isinstance(value, str) or (choices and value not in choices):
            raise self.fail(name, f"one of {', '.join(choices)}" if choices else "a string")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number, or the default where the field is not there."""
        value = self._value.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail(name, "a whole number")
        return value

    def triple(self, name: str, default: tuple[int, int, int] | None = None) -> tuple[int, int, int]:
        """Return three whole numbers."""
        x, y, z = self._three(name, default)
        if not all(float(value).is_integer() for value in (x, y, z)):
            raise self.fail(name, "three whole numbers")
        return int(x), int(y), int(z)

    def lengths(self, name: str) -> tuple[float, float, float]:
        """Return three lengths, which must be above nothing."""
        x, y, z = self._three(name, None)
        if not all(value > 0 for value in (x, y, z)):
            raise self.fail(name, "three lengths above 0")
        return float(x), float(y), float(z)

    def _three(self, name: str, default: tuple[int, int, int] | None) -> tuple[float, float, float]:
        value: Any = self._value.get(name, default)
        good = isinstance(value, list | tuple) and len(value) == 3  # noqa: PLR2004 - x, y, z
        if not good or not all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
            raise self.fail(name, "three numbers (x, y, z)")
        return value[0], value[1], value[2]

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """Return so many numbers."""
        value = self._value.get(name)
        if not isinstance(value, list) or len(value) != count or not all(isinstance(n, int | float) for n in value):
            raise self.fail(name, f"a list of {count} numbers")
        return tuple(float(number) for number in value)

    def objects(self, name: str, *, empty: bool = False) -> list[Fields]:
        """Return a list of objects, which may be empty where `empty` says so."""
        value = self._value.get(name)
        if not isinstance(value, list) or not (value or empty) or not all(isinstance(item, dict) for item in value):
            raise self.fail(name, "a list of objects" if empty else "a list of objects that is not empty")
        return [Fields(item, self._path, f"{name}[{index}]") for index, item in enumerate(value)]

    def value(self, name: str, kind: type[Sized]) -> Sized:
        """Return a list or an object as it stands."""
        value = self._value.get(name)
        if not isinstance(value, kind):
            raise self.fail(name, "a list" if kind is list else "an object")
        return value

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._value.get(name) is not None
