"""Rows of one type, spread over files by what they belong to: sorting more than memory holds, in linear time.

Within a bucket, rows stay in the order in which they came. Buckets lie in a folder of their own, which whoever made it
removes; a bucket that has been read may be dropped before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from publisher.work import trouble

BLOCK = 65_536  # rows that are held in memory at once, in each of a few arrays


class Buckets:
    """Files of rows, numbered from 0; open for writing until `close`."""

    def __init__(self, folder: Path, dtype: np.dtype[Any], count: int) -> None:
        """Make so many buckets for rows of a type in a folder that is not there yet."""
        self.count, self.rows = count, 0
        self._folder, self._dtype = folder, dtype
        self._files: dict[int, IO[bytes]] = {}
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise trouble(error, folder) from error

    def add(self, rows: NDArray[Any], which: NDArray[Any] | int) -> None:
        """Append rows to the bucket of each, or all to one."""
        self.rows += len(rows)
        if isinstance(which, int) or self.count == 1:
            self._write(which if isinstance(which, int) else 0, rows)
            return
        order = np.argsort(which, kind="stable")
        numbers, starts = np.unique(which[order], return_index=True)
        for number, part in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            self._write(int(number), rows[part])

    def _write(self, number: int, rows: NDArray[Any]) -> None:
        if not len(rows):
            return
        try:
            if number not in self._files:
                self._files[number] = self._path(number).open("wb")
            self._files[number].write(np.ascontiguousarray(rows).tobytes())
        except OSError as error:
            raise trouble(error, self._path(number)) from error

    def close(self) -> None:
        """End writing; a full disk shows here at the latest."""
        for number, file in self._files.items():
            try:
                file.close()
            except OSError as error:
                raise trouble(error, self._path(number)) from error
        self._files.clear()

    def __iter__(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield each bucket that has rows, by number, as an array that lies on the disk."""
        for number in range(self.count):
            if self._path(number).is_file():
                yield number, np.memmap(self._path(number), self._dtype, "r")

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the rows of all buckets, a block at a time."""
        for number in range(self.count):
            if self._path(number).is_file():
                with self._path(number).open("rb") as file:
                    while len(rows := np.fromfile(file, self._dtype, BLOCK)):
                        yield rows

    def drop(self, number: int) -> None:
        """Remove a bucket that is not needed any more."""
        self._path(number).unlink()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}"
