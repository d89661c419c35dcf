"""What to do about an error, in words of who asks by HTTP.

The library names what the command line offers. Here some of that is called otherwise, and some is
not to be had.
"""

from __future__ import annotations

REMEDIES = {
    ", or raise --max-pixels": "",
    "with --single": "with single=true",
    "take that out first with:": "take that out first, where the server runs, with:",
}


def by_http(text: str) -> str:
    """The text of an error with the remedies that a client has."""
    for option, offered in REMEDIES.items():
        text = text.replace(option, offered)
    return text
