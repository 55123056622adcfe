"""What S3 and GCS share about who may read: what of a target a release opens, and how settings of a bucket are changed."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import NamedTuple, TypeVar

from publisher.errors import Problem, Unreachable
from publisher.objects import AccessChange

ASK = "ask who looks after the bucket to run `publisher access`"
OTHERWISE = "open it the way that this store has"
TRIES = 5
PAUSE_SECONDS = 0.2

T = TypeVar("T")


class Denied(Exception):
    """This role may not see or change something, or the store has no such thing; `hint` says what to do about it."""

    def __init__(self, message: str, hint: str = ASK) -> None:
        """Take it in words."""
        self.hint = hint
        super().__init__(message)


class Reach(NamedTuple):
    """What of a target a release opens: prefixes, which end in a slash, and single keys, all below the target.

    `own` is this release's, `shared` is what every public release needs (`releases.json`), `others` is what other
    public releases have. A key that may be one object or a folder is named both ways.
    """

    own: tuple[str, ...]
    shared: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def checked(self) -> Reach:
        """Return it; raise ValueError where a key would open a whole target, or what is outside of it."""
        for key in (*self.own, *self.shared, *self.others):
            if not key or {"", ".", ".."} & set(key.removesuffix("/").split("/")):
                raise ValueError(f"{key!r} is no place of a release")
        return self


def unseen(what: str, place: str, why: Denied) -> AccessChange:
    """Tell that something could not be looked at; such a line has nothing in `after`."""
    return AccessChange("!", what, place, "", f"{why}: {why.hint}")


def settle(what: str, read: Callable[[], T], change: Callable[[T], T], write: Callable[[T], None]) -> None:
    """Write what `change` makes of what is there, until it makes the very same of what is read back.

    Raises:
        Unreachable: what is read back is never what was written.

    """
    for number in range(TRIES):
        sleep(number * PAUSE_SECONDS)
        there = read()
        new = change(there)
        if new is there:
            return
        write(new)
    if change(there := read()) is not there:
        hint = "does somebody else write it, or does this store forget it? Run this again"
        raise Unreachable(Problem(what, f"is not what was written, {TRIES} times", hint))
