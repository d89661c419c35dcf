"""Dataset and embedder in, index out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.dataset import Dataset, Digits
from data.mnist8m import EndlessDigits
from data.progress import Progress, silent
from indexer.choose import ASKED, Requirements, build_vectors, sample_of
from indexer.embedder import Embedder
from indexer.leave_one_out import (
    LeftOut,
    ask_without_copies,
    calibrate_verdicts,
    calibration_sample,
    choose_k,
)
from indexer.manifest import Manifest, Part
from indexer.packing import write
from indexer.place import Place, store_at
from indexer.projection import SAMPLE as PROJECTED
from indexer.projection import Projection
from indexer.protocols import Replacement
from indexer.ray_cluster import Cluster
from indexer.ray_engine import encoded_by_ray
from indexer.segment import Redrawn, Segment
from indexer.sources import Sources
from indexer.stream import IMAGES, encoded
from indexer.vectors import VectorIndex

ANY_KIND = Requirements()
NOTHING: Mapping[str, Part] = {}
BATCH = 65_536


def build_index(
    dataset: Dataset,
    embedder: Embedder,
    place: Place,
    seed: int,
    required: Requirements = ANY_KIND,
    progress: Progress = silent,
) -> Manifest:
    """Encode `dataset`, choose k and calibrate verdicts, and put the index at `place`.

    Raises:
        UsageError: no index can be what is required; the message says what can.
        IndexLocked, StorageError, StoreUnreachable: what was at `place` still answers.
    """
    with store_at(place).replacing() as replacement:  # so that no work is done for nothing
        embeddings = embedder.embed(dataset.images, progress)  # (n, d)
        return index_embeddings(
            dataset, embedder, replacement, embeddings, seed, required, progress
        )


def build_on_cluster(
    digits: Digits,
    embedder: Embedder,
    place: Place,
    seed: int,
    cluster: Cluster,
    required: Requirements = ANY_KIND,
    progress: Progress = silent,
) -> Manifest:
    """As :func:`build_index`, of digits that the workers of a cluster read and encode.

    Their pictures come back on the disk, so memory is needed for the vectors alone.

    Raises:
        ClusterFailed: its workers could not do it; what they have done is kept.
        DatasetError: a worker could not read its part of `digits`.
        UsageError, IndexLocked, StorageError, StoreUnreachable: as for :func:`build_index`.
    """
    store = store_at(place)
    encoding = encoded_by_ray(digits, embedder, store.staging(), np.float32, cluster, progress)
    with store.replacing() as replacement, encoding as staged:
        images = np.asarray(staged.images)
        dataset = Dataset(
            digits.name, digits.split, images, staged.labels, digits.names, digits.files
        )
        return index_embeddings(
            dataset,
            embedder,
            replacement,
            staged.vectors,
            seed,
            required,
            progress,
            {"images": staged.folder / IMAGES},
        )


def index_embeddings(
    dataset: Dataset,
    embedder: Embedder,
    replacement: Replacement,
    embeddings: np.ndarray,
    seed: int,
    required: Requirements,
    progress: Progress,
    written: Mapping[str, Part] = NOTHING,
) -> Manifest:
    """An index of `dataset` by `replacement`, of what the embedder gave for it (n, d) float32.

    Files of the segment that are written already are moved to their place.
    """
    sample, source = calibration_sample(dataset, embedder.card, seed)
    vectors, options = index_vectors(embeddings, sample, seed, required)
    nobody = np.empty(0, np.int64)
    segment = Segment(
        vectors, dataset.labels, dataset.images, _sources(dataset), nobody, options, written
    )
    left_out = ask_without_copies(
        vectors, embeddings[sample], dataset.labels, sample, embedder.card, len(dataset)
    )
    facts = _facts(dataset, embedder) | _calibrated(left_out, source)
    files = _files(embedder, project(embeddings, seed))
    return replacement.put(facts, files, segment, embeddings, progress)


def build_streamed(
    digits: EndlessDigits,
    embedder: Embedder,
    place: Place,
    seed: int,
    required: Requirements = ANY_KIND,
    progress: Progress = silent,
    cluster: Cluster | None = None,
) -> Manifest:
    """As :func:`build_index`, of digits too many for memory, whose pictures are not stored.

    What was encoded when it is stopped is kept on the disk; the same call goes on from there.

    Raises:
        UsageError, IndexLocked, StorageError, StoreUnreachable: what was at `place` still answers.
    """
    store = store_at(place)
    sample, source = calibration_sample(digits.base, embedder.card, seed)
    where = store.staging()
    encoding = (
        encoded(digits, embedder, where, progress)
        if cluster is None
        else encoded_by_ray(digits, embedder, where, np.float16, cluster, progress, pictures=False)
    )
    with store.replacing() as replacement, encoding as staged:
        vectors, options = index_vectors(staged.vectors, sample, seed, required)
        queries = staged.vectors[sample].astype(np.float32)  # (s, d)
        left_out = ask_without_copies(
            vectors, queries, staged.labels, sample, embedder.card, len(digits.base)
        )
        path = staged.folder / "index"
        written: dict[str, Part] = {"vectors": path, **write(vectors, path)}
        nobody = np.empty(0, np.int64)
        segment = Segment(
            vectors, staged.labels, Redrawn(0), _sources(digits), nobody, options, written
        )
        facts = _facts(digits, embedder) | _calibrated(left_out, source)
        files = _files(embedder, project(staged.vectors, seed))
        return replacement.put(facts, files, segment, staged.vectors, progress)


def _sources(digits: Digits) -> Sources:
    return Sources.of(f"{digits.name}/{digits.split}", 0, len(digits), digits.files)


def _calibrated(left_out: LeftOut, source: str) -> dict[str, Any]:
    """What the manifest says of votes and verdicts."""
    k, accuracy = choose_k(left_out)
    return {
        "k": k,
        "leave_one_out": {"sample": len(left_out.truth), "source": source, "accuracy": accuracy},
        "calibration": calibrate_verdicts(left_out, source),
    }


def project(embeddings: np.ndarray, seed: int) -> Projection:
    """The map of embeddings (n, d), float16 or float32, from a sample of at most 20,000."""
    chosen = np.random.default_rng(seed).permutation(len(embeddings))[:PROJECTED]
    return Projection.of(embeddings[np.sort(chosen)])


def _facts(digits: Digits, embedder: Embedder) -> dict[str, Any]:
    """What the manifest says of the digits and of what encoded them."""
    return {
        "dimension": embedder.card.dimension,
        "metric": embedder.card.metric,
        "normaliser": embedder.card.normaliser,
        "embedder": embedder.identity,
        "dataset": digits.facts(),
        "names": list(digits.names),
    }


def _files(embedder: Embedder, plane: Projection) -> dict[str, bytes]:
    """What all digits share, by role."""
    return {
        "embedder": embedder.onnx,
        "card": embedder.card.to_bytes(),
        "projection": plane.to_bytes(),
    }


def index_vectors(
    embeddings: np.ndarray, asked: np.ndarray, seed: int, required: Requirements
) -> tuple[VectorIndex, dict[str, Any]]:
    """An index of embeddings (n, d), float16 or float32, and its `kind_options`.

    Its recall is measured with the digits at positions `asked` (s,), which are best such that the
    embedder did not learn from: new digits lie as far from their neighbours as those.
    """
    rng = np.random.default_rng(seed)
    count, dimension = embeddings.shape
    first = rng.permutation(asked)[:ASKED]
    others = np.setdiff1d(rng.permutation(count), first, assume_unique=True)
    drawn = np.concatenate([first, others])[: sample_of(count, dimension)]
    batches = (
        np.asarray(embeddings[start : start + BATCH], np.float32)
        for start in range(0, count, BATCH)
    )
    return build_vectors(batches, count, embeddings[drawn].astype(np.float32), drawn, required)
