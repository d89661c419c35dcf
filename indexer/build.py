"""Dataset and embedder in, index out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.card import EmbedderCard
from data.dataset import Dataset, Digits
from data.holdout import hold_out
from data.mnist8m import EndlessDigits
from data.progress import Progress, silent
from indexer.calibration import Calibration
from indexer.choose import ASKED, Requirements, build_vectors, sample_of
from indexer.embedder import Embedder
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
from indexer.verdicts import WITNESSES, calibrate, class_distance
from indexer.votes import WEIGHTS, best_k

ANY_KIND = Requirements()
NOTHING: Mapping[str, Part] = {}
BATCH = 65_536
LARGEST_K = 20
OF_A_CLASS = 100  # digits, whose mean is where a class lies
SAMPLE = 10_000


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


@dataclass(frozen=True)
class LeftOut:
    """Stored digits, each asked about without itself.

    Attributes:
        labels: (n, m) uint8, of the nearest others, nearest first.
        distances: (n, m) float32.
        class_distances: (n, m) float32, over the numbers of an embedding that tell the class.
        truth: (n,) uint8, their own.
        mates: (n,) int64, how many others are of that class, without copies.
        apart: how far classes lie from each other, by the same numbers.
    """

    labels: np.ndarray
    distances: np.ndarray
    class_distances: np.ndarray
    truth: np.ndarray
    mates: np.ndarray
    apart: float


def calibration_sample(dataset: Dataset, card: EmbedderCard, seed: int) -> tuple[np.ndarray, str]:
    """Positions of digits the embedder did not learn from, and which they are.

    Where the dataset is what the embedder was trained on, these are the digits that were held out
    of training; if none were, or it is another dataset, a sample of at most 10,000 of all.
    """
    if card.dataset["sha256"] == dataset.sha256():
        _, held_out = hold_out(dataset.labels, card.recipe["validation"], card.seed)
        if len(held_out):
            return held_out, "held out of training"
        source = "the embedder was trained on them"
    else:
        source = "not trained on"
    return np.sort(np.random.default_rng(seed).permutation(len(dataset))[:SAMPLE]), source


def ask_without_copies(
    vectors: VectorIndex,
    queries: np.ndarray,
    labels: np.ndarray,
    sample: np.ndarray,
    card: EmbedderCard,
    originals: int,
) -> LeftOut:
    """Search for the neighbours of digits, which find neither themselves nor copies of themselves.

    Args:
        vectors: the index they are in.
        queries: (s, d) float32, what is stored at positions `sample`.
        labels: (n,) uint8.
        sample: (s,) positions below `originals`.
        card: of the embedder.
        originals: how many of the n are no copies; position p is a copy of p mod `originals`.
    """
    copies = -(-len(labels) // originals)
    most = min(LARGEST_K, len(labels) - copies)
    ids, distances = vectors.search(queries, most + copies)
    others = np.argsort(ids % originals == sample[:, None], axis=1, kind="stable")[:, :most]
    ids, distances = (np.take_along_axis(found, others, axis=1) for found in (ids, distances))
    of_class = vectors.distances(queries, ids, card.class_dimension)
    few = np.concatenate(
        [np.flatnonzero(labels == label)[:OF_A_CLASS] for label in np.unique(labels)]
    )
    apart = class_distance(vectors.vectors(few)[:, : card.class_dimension], labels[few])
    mates = np.bincount(labels[:originals])[labels[sample]] - 1
    return LeftOut(labels[ids], distances, of_class, labels[sample], mates, apart)


def choose_k(left_out: LeftOut) -> tuple[dict[str, int], dict[str, float]]:
    """The largest k that is about as good as the best, and its accuracy, by kind of weights."""
    chosen = {
        weights: best_k(left_out.labels, left_out.distances, left_out.truth, weights)
        for weights in WEIGHTS
    }
    accuracy = {str(weights): round(share, 6) for weights, (_, share) in chosen.items()}
    return {str(weights): k for weights, (k, _) in chosen.items()}, accuracy


def calibrate_verdicts(left_out: LeftOut, source: str) -> Calibration:
    """Thresholds and confidence from the nearest few of the digits that were left out."""
    nearest = np.s_[:, :WITNESSES]
    return calibrate(
        left_out.labels[nearest],
        left_out.distances[nearest],
        left_out.class_distances[nearest],
        left_out.truth,
        left_out.mates,
        left_out.apart,
        source,
    )
