"""JSON records that notice any change: the manifest and `embedder.json` are written this way.

A sealed record is JSON in one canonical form (sorted keys, two-space indent, final newline) whose
key `seal` holds the SHA-256 of the same record without it. A changed value breaks the seal; a
changed byte that leaves the values alone breaks the canonical form.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

SEAL = "seal"


class BrokenSeal(ValueError):
    """The bytes are not a sealed record; the text says why."""


def seal(record: dict[str, Any]) -> bytes:
    """`record` as sealed bytes; its values must be JSON's own (no NaN)."""
    digest = hashlib.sha256(_canonical(record)).hexdigest()
    return _canonical({**record, SEAL: digest})


def unseal(content: bytes) -> dict[str, Any]:
    """The record inside sealed bytes.

    Raises:
        BrokenSeal: anything but what :func:`seal` wrote.
    """
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise BrokenSeal("it is not JSON") from exc
    if not isinstance(record, dict) or SEAL not in record:
        raise BrokenSeal("it holds no seal")
    del record[SEAL]
    try:
        intact = content == seal(record)  # its seal too: one that was forged is other bytes
    except (ValueError, RecursionError) as exc:
        raise BrokenSeal("it holds NaN, half a character or what lies too deep") from exc
    if not intact:
        raise BrokenSeal("it was changed after it was written")
    return record


def _canonical(record: dict[str, Any]) -> bytes:
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()
