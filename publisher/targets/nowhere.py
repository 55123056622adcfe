"""A target that takes everything and keeps nothing: for looking at sources alone, and for measuring ourselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from math import inf
from typing import IO

from publisher.objects import Ability, AccessChange, Entry, Headers, Stored
from publisher.parallel import Pace, Steady, workers
from publisher.record import Access
from publisher.targets.access import Reach
from publisher.targets.base import Body, Held, Labels, Signed
from publisher.targets.lookup import Lookup


class Nowhere:
    """Holds nothing, ever."""

    url = "nowhere"
    public_url = "http://nowhere.invalid"

    def __init__(self) -> None:
        """Take as many at once as there are hands."""
        self.pace: Pace = Steady(workers())

    def read(self, key: str) -> bytes | None:
        """Return None: nothing is here."""
        del key
        return None

    def open(self, key: str) -> IO[bytes] | None:
        """Return None: nothing is here."""
        del key
        return None

    def lookup(self, keys: Iterable[str], *, likely: str = "") -> Lookup:
        """Tell for each key that nothing is there."""
        del likely
        return Lookup(None for _ in keys)

    def seal(self, version: str) -> None:
        """Return None: nothing lies here."""
        del version

    def below(self, prefix: str) -> Iterator[Stored]:
        """List nothing."""
        del prefix
        return iter(())

    def holds(self, entry: Entry, body: Callable[[], Body]) -> bool:
        """Say no."""
        del entry, body
        return False

    def put(
        self,
        key: str,
        body: Body,
        headers: Headers,
        *,
        create: bool = False,
        over: str = "",
        labels: Labels = dict,
        about: int = 0,
    ) -> str:
        """Read the body to its end, and forget it."""
        del key, headers, create, over, labels, about
        for _ in body:
            pass
        return ""

    def hire(self) -> AbstractContextManager[object]:
        """Return what helps nothing: there is nothing to do."""
        return nullcontext()

    def lane(self) -> None:
        """Return None: nothing is sent."""

    def swap(
        self, key: str, change: Callable[[bytes | None], bytes | None], headers: Headers, *, sure: bool = False
    ) -> None:
        """Ask for the change of nothing, and forget it."""
        del key, headers, sure
        change(None)

    def lock(self, version: str) -> AbstractContextManager[Held]:
        """Let everybody in."""
        del version
        return nullcontext(self)

    until = inf

    def check(self) -> None:
        """Nobody else is here."""

    def settle(self) -> None:
        """Return: nothing can be lost."""

    def tidy(self, version: str, *, fresh: bool = False) -> int:
        """Return 0: nothing is left behind."""
        del version, fresh
        return 0

    def abilities(self, version: str) -> tuple[Ability, ...]:
        """Return none."""
        del version
        return ()

    def access_changes(self, access: Access, reach: Reach) -> tuple[AccessChange, ...]:
        """Return none: nobody comes here."""
        del access, reach
        return ()

    def set_access(self, access: Access, reach: Reach) -> None:
        """Do nothing: as above."""
        del access, reach

    def sign(self, method: str, url: str) -> Signed:
        """Return the address as it is."""
        del method
        return url, {}
