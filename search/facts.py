"""What an index is: how it was made, what it holds, and what was chosen when it was built.

Fields are the facts that people get, in their order.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from indexer.manifest import FileEntry, Manifest, SegmentRecord
from indexer.place import Place
from search.index import DigitIndex
from search.text import named


@dataclass(frozen=True)
class GenerationFacts:
    """What a change of an index made.

    Attributes:
        index: where it lies.
        generation: 1 for the first, one more for each that replaces it.
        count: of digits that can answer.
    """

    index: str
    generation: int
    count: int


@dataclass(frozen=True)
class SegmentFacts:
    """Digits that were written together.

    Attributes:
        digits: that can answer.
        removed: digits that are kept, but never answer.
        kind: of the index of their vectors.
        recall: share of the ten nearest that it finds, as measured when it was built.
        chosen: why it is of this kind.
        bytes: of its files.
    """

    digits: int
    removed: int
    kind: str
    recall: float
    chosen: str
    bytes: int


@dataclass(frozen=True)
class VerdictFacts:
    """What was calibrated when the index was built, as :class:`Calibration` has it."""

    too_far: float
    least_confidence: float
    witnesses: int
    refused: dict[str, float]
    sample: int
    source: str


@dataclass(frozen=True)
class IndexInfo(GenerationFacts):
    """All facts of an index; those of its manifest and its embedder's card are told of there."""

    removed: int
    segments: list[SegmentFacts]
    dimension: int
    metric: str
    dataset: dict[str, Any]
    names: list[int | str]
    k: dict[str, int]
    leave_one_out: dict[str, Any]
    verdicts: VerdictFacts
    normaliser: int
    embedder: str
    recipe: str
    trained_on: dict[str, Any]
    training_seconds: float
    pair_threshold: float
    pair_threshold_accuracy: float
    bytes: int
    created: str
    program: str


def generation_facts(manifest: Manifest, place: Place) -> dict[str, Any]:
    """The :class:`GenerationFacts` of the index at `place`, fit for JSON."""
    return asdict(GenerationFacts(named(str(place)), manifest.generation, manifest.count))


def index_facts(index: DigitIndex, place: Place) -> dict[str, Any]:
    """The :class:`IndexInfo` of the index at `place`, fit for JSON."""
    manifest, card, calibration = index.manifest, index.embedder.card, index.calibration
    return asdict(
        IndexInfo(
            **generation_facts(manifest, place),
            removed=sum(one.removed for one in manifest.segments),
            segments=[_segment_facts(one) for one in manifest.segments],
            dimension=manifest.dimension,
            metric=manifest.metric,
            dataset=manifest.dataset,
            names=[index.called(label) for label in range(len(manifest.names))],
            k=manifest.k,
            leave_one_out=manifest.leave_one_out,
            verdicts=VerdictFacts(
                calibration.too_far,
                calibration.least_confidence,
                calibration.witnesses,
                calibration.refused,
                calibration.sample,
                calibration.source,
            ),
            normaliser=manifest.normaliser,
            embedder=manifest.embedder,
            recipe=card.recipe["name"],
            trained_on=card.dataset,
            training_seconds=card.seconds,
            pair_threshold=card.same_different.threshold,
            pair_threshold_accuracy=card.same_different.accuracy,
            bytes=sum(entry.size for entry in manifest.entries.values()),
            created=manifest.created,
            program=manifest.program,
        )
    )


def _segment_facts(segment: SegmentRecord[FileEntry]) -> SegmentFacts:
    return SegmentFacts(
        digits=segment.count - segment.removed,
        removed=segment.removed,
        kind=segment.kind,
        recall=segment.kind_options["recall"],
        chosen=segment.kind_options["chosen"],
        bytes=sum(entry.size for entry in segment.files.values()),
    )
