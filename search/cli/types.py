"""What a person types for a time, a size, a file, a folder or an index, and what it becomes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from indexer.place import is_address, parse_place

FILE = click.Path(dir_okay=False, path_type=Path)


class Duration(click.ParamType[float]):
    """Seconds, from a number with s, m or h."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse, or refuse what is no time."""
        units = {"s": 1, "m": 60, "h": 3600}
        try:
            seconds = float(value[:-1]) * units[value[-1]]
        except (ValueError, KeyError, IndexError):
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(f"expected a time such as 90s, 5m or 1h, received {value!r}", param, ctx)
        return seconds


class Bytes(click.ParamType[int]):
    """Bytes, from a number with M or G."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse, or refuse what is no size."""
        units = {"M": 10**6, "G": 10**9}
        try:
            size = float(value[:-1]) * units[value[-1].upper()]
        except (ValueError, KeyError, IndexError):
            size = math.nan
        if not 1 <= size < math.inf:
            self.fail(f"expected a size such as 500M or 2G, received {value!r}", param, ctx)
        return int(size)


class FolderType(click.Path):
    """A folder, which need not be there."""

    name = "directory"

    def __init__(self) -> None:
        """No file; whether it can be read is told by whoever reads it."""
        super().__init__(file_okay=False, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse, or refuse what an unset variable of the shell leaves, and not take it for here."""
        if value == "":
            self.fail("expected a folder, received an empty name; . is the one you are in")
        return super().convert(value, param, ctx)


FOLDER = FolderType()


class PlaceType(FolderType):
    """Where an index is: a folder, or an address in Milvus."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse, or refuse what looks like an address but is none."""
        if isinstance(value, str) and is_address(value):
            return parse_place(value)
        return value if not isinstance(value, str | Path) else super().convert(value, param, ctx)
