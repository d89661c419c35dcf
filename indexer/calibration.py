"""What an index knows of its own distances: read from the manifest before numpy is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Calibration:
    """What is normal among the neighbours of a digit, and how sure a vote makes.

    Attributes:
        witnesses: how many nearest neighbours are looked at.
        sample: how many digits it was read off.
        source: which digits those were.
        too_far: mean class distance, down to the last witness of a name, above which a verdict
            abstains.
        least_confidence: confidence up to which it abstains.
        refused: share of the sample that is refused, by reason.
        sharpness: what evidence is multiplied by to be the log-odds that a name is right.
        normal_distances: (101,) percentiles of the distances between a digit and its witnesses, of
            these down to the last of its name.
    """

    witnesses: int
    sample: int
    source: str
    too_far: float
    least_confidence: float
    refused: dict[str, float]
    sharpness: float
    normal_distances: tuple[float, ...]

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Calibration:
        """Read what `asdict` and JSON made of one."""
        normal = tuple(record.pop("normal_distances"))
        return cls(normal_distances=normal, **record)
