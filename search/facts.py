"""What an index is: how it was made, what it holds, and what was chosen when it was built."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from indexer.manifest import FileEntry, Manifest, SegmentRecord
from indexer.place import Place
from search.index import DigitIndex
from search.text import named


@dataclass(eq=False)
class GenerationFacts:
    """What a change of an index made."""

    index: str
    generation: int
    count: int


@dataclass(eq=False)
class SegmentFacts:
    """Digits that were written together."""

    digits: int
    removed: int
    kind: str
    recall: float
    chosen: str
    bytes: int


@dataclass(eq=False)
class VerdictFacts:
    """What verdicts go by."""

    too_far: float
    least_confidence: float
    witnesses: int
    refused: dict[str, float]
    sample: int
    source: str


@dataclass(eq=False)
class Facts(GenerationFacts):
    """What an index is."""

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
    """`GenerationFacts` of the index at `place`, fit for JSON."""
    return vars(_generation(manifest, place))


def index_facts(index: DigitIndex, place: Place) -> dict[str, Any]:
    """`Facts` by name, fit for JSON; `place` is where the index lies."""
    manifest, card, calibration = index.manifest, index.embedder.card, index.calibration
    facts = Facts(
        **vars(_generation(manifest, place)),
        removed=sum(one.removed for one in manifest.segments),
        segments=[_segment(one) for one in manifest.segments],
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
    return asdict(facts)


def _generation(manifest: Manifest, place: Place) -> GenerationFacts:
    return GenerationFacts(named(str(place)), manifest.generation, manifest.count)


def _segment(segment: SegmentRecord[FileEntry]) -> SegmentFacts:
    return SegmentFacts(
        segment.count - segment.removed,
        segment.removed,
        segment.kind,
        segment.kind_options["recall"],
        segment.kind_options["chosen"],
        sum(entry.size for entry in segment.files.values()),
    )
