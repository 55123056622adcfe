"""Whether a store refuses to overwrite: tried with a canary, and remembered once it was seen."""

from __future__ import annotations

from collections.abc import Callable

from publisher.objects import Ability, Headers
from publisher.targets.wire import Notes, Trouble, Why

DATA, HEADERS = b"canary\n", Headers("text/plain; charset=utf-8", None, "no-cache")
_NAME = "preconditions"
_WORDS = {
    True: "the store refuses to overwrite what is there, so two publishers cannot both win",
    False: "the store ignores If-None-Match: nothing but your care keeps two publishers apart, or a final"
    " release from being overwritten by other programs",
    None: "not known whether the store refuses to overwrite: this role may not write its canary",
}


def preconditions(notes: Notes, put: Callable[[Callable[[Callable[[], str]], bool | None]], bool | None]) -> Ability:
    """Return what the store can do; `put` has what it is given put the canary create-only, until there is an answer."""
    seen = notes.get(_NAME)
    if seen is not None:
        return _ability(seen == "yes")
    works = put(_refused)
    if works is False:  # the first is stored; is the second?
        works = put(_refused)
    if works is not None:
        notes.set(_NAME, "yes" if works else "no")
    return _ability(works)


def _ability(works: bool | None) -> Ability:  # noqa: FBT001 - what it says is all that it is
    return Ability(_NAME, works, _WORDS[works])


def _refused(put: Callable[[], str]) -> bool | None:
    """Return whether it was refused for what is there already; None where this role may not write."""
    try:
        put()
    except Trouble as trouble:
        if trouble.why in {Why.CONDITION, Why.REFUSED}:
            return True if trouble.why is Why.CONDITION else None
        raise
    return False
