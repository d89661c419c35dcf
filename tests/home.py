"""A home that is the tests' own: nothing is read from or written to that of whoever runs them."""

import os
from pathlib import Path

HOMES = ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "KERAS_HOME")
DEFAULTS = ("DIGITS_INDEX", "DIGITS_EMBEDDER")


def move_to(home: Path) -> None:
    """Live in the folder `home`, here and in every process that is started from here."""
    os.environ |= dict.fromkeys(HOMES, str(home))
    for variable in DEFAULTS:
        os.environ.pop(variable, None)
