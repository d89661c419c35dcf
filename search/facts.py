"""What an index is: how it was made, what it holds, and what was chosen when it was built."""

from __future__ import annotations

from typing import Any

from indexer.manifest import FileEntry, Manifest, SegmentRecord
from indexer.place import Place
from search.index import DigitIndex
from search.text import named


def generation_facts(manifest: Manifest, place: Place) -> dict[str, Any]:
    """What a change of the index at `place` made, fit for JSON."""
    return {
        "index": named(str(place)),
        "generation": manifest.generation,
        "count": manifest.count,
    }


def index_facts(index: DigitIndex, place: Place) -> dict[str, Any]:
    """Facts by name, fit for JSON; `place` is where the index lies."""
    manifest, card, calibration = index.manifest, index.embedder.card, index.calibration
    return {
        **generation_facts(manifest, place),
        "removed": sum(one.removed for one in manifest.segments),
        "segments": [_segment_facts(one) for one in manifest.segments],
        "dimension": manifest.dimension,
        "metric": manifest.metric,
        "dataset": manifest.dataset,
        "names": [index.called(label) for label in range(len(manifest.names))],
        "k": manifest.k,
        "leave_one_out": manifest.leave_one_out,
        "verdicts": {
            "too_far": calibration.too_far,
            "least_confidence": calibration.least_confidence,
            "witnesses": calibration.witnesses,
            "refused": calibration.refused,
            "sample": calibration.sample,
            "source": calibration.source,
        },
        "normaliser": manifest.normaliser,
        "embedder": manifest.embedder,
        "recipe": card.recipe["name"],
        "trained_on": card.dataset,
        "training_seconds": card.seconds,
        "pair_threshold": card.same_different.threshold,
        "pair_threshold_accuracy": card.same_different.accuracy,
        "bytes": sum(entry.size for entry in manifest.entries.values()),
        "created": manifest.created,
        "program": manifest.program,
    }


def _segment_facts(segment: SegmentRecord[FileEntry]) -> dict[str, Any]:
    return {
        "digits": segment.count - segment.removed,
        "removed": segment.removed,
        "kind": segment.kind,
        "recall": segment.kind_options["recall"],
        "chosen": segment.kind_options["chosen"],
        "bytes": sum(entry.size for entry in segment.files.values()),
    }
