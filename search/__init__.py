"""Answers: the Python API (`from search import DigitIndex`) and the command line.

The API is imported when it is first asked for, so that `digits --help` stays instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.index import Classification, DigitIndex, Neighbours

__all__ = ["Classification", "DigitIndex", "Neighbours"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from search import index

        return getattr(index, name)
    raise AttributeError(f"module 'search' has no attribute {name!r}")
