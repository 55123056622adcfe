"""Who may read, held against what the release wants: what a look at the target's settings says as findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from publisher.objects import AccessChange, Finding

CHECK = "access-drift"


def drift(changes: Iterable[AccessChange]) -> Iterator[Finding]:
    """Turn what would have to change into what is wrong.

    What `publisher access` would change is an error, what must be changed by hand a warning, and what these credentials
    could not look at a note: strangers see what it comes to.
    """
    for change in changes:
        if change.op != "!":
            message = f"{change.what} is not as the release wants it: {change.reason}; run `publisher access`"
            yield Finding(CHECK, "error", change.place, f"{message}, then {change.after}")
        elif change.after:
            message = f"{change.what} is not as the release wants it: {change.reason}; wanted, by hand: {change.after}"
            yield Finding(CHECK, "warning", change.place, message)
        else:
            yield Finding(CHECK, "note", change.place, f"{change.what} was not looked at: {change.reason}")
