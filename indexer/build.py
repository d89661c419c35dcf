"""Dataset and embedder in, index directory out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from data.card import EmbedderCard
from data.datasets import Dataset
from data.holdout import hold_out
from data.progress import Progress, silent
from indexer.calibration import Calibration
from indexer.choose import ASKED, Wish, build_vectors, sample_of
from indexer.embedder import Embedder
from indexer.sources import Segment, pack_sources
from indexer.store import Manifest, write_generation
from indexer.vectors import VectorIndex
from indexer.verdicts import WITNESSES, calibrate
from indexer.votes import WEIGHTS, best_k

ANY_KIND = Wish()
BATCH = 65_536
LARGEST_K = 20
SAMPLE = 10_000


def build_index(
    dataset: Dataset,
    embedder: Embedder,
    folder: Path,
    seed: int,
    progress: Progress = silent,
    wish: Wish = ANY_KIND,
) -> Manifest:
    """Encode `dataset`, choose k and calibrate verdicts, and put the index into `folder`.

    Raises:
        UsageError: no index can be what is wished for; the message says what can.
        IndexLocked, StorageError: what was in `folder` still answers.
    """
    embeddings = embedder.embed(dataset.images, progress)  # (n, d)
    sample, source = calibration_sample(dataset, embedder.card, seed)
    vectors, kind_options = index_vectors(embeddings, sample, seed, wish)
    left_out = ask_without_itself(vectors, embeddings, dataset.labels, sample, embedder.card)
    k, accuracy = choose_k(left_out)
    contents = {
        "embedder": embedder.onnx,
        "card": embedder.card.to_bytes(),
        **vectors.pack(),
        "labels": _npy(dataset.labels),
        "images": _npy(dataset.images),
        "sources": pack_sources([Segment(dataset.name, dataset.split, 0, len(dataset))]),
    }
    facts = {
        "count": len(dataset),
        "dimension": embedder.card.dimension,
        "metric": embedder.card.metric,
        "kind": vectors.kind.name,
        "kind_options": kind_options,
        "normaliser": embedder.card.normaliser,
        "embedder": embedder.identity,
        "dataset": dataset.facts(),
        "names": list(dataset.names),
        "k": k,
        "leave_one_out": {"sample": len(sample), "source": source, "accuracy": accuracy},
        "calibration": calibrate_verdicts(left_out, source),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "program": version("digit-search"),
    }
    return write_generation(folder, contents, facts)


def index_vectors(
    embeddings: np.ndarray, asked: np.ndarray, seed: int, wish: Wish
) -> tuple[VectorIndex, dict[str, Any]]:
    """An index of embeddings (n, d) float32, and its `kind_options`.

    Its recall is measured with the digits at positions `asked` (s,), which are best such that the
    embedder did not learn from: new digits lie as far from their neighbours as those.
    """
    rng = np.random.default_rng(seed)
    count, dimension = embeddings.shape
    others = np.setdiff1d(rng.permutation(count), asked, assume_unique=True)
    drawn = np.concatenate([rng.permutation(asked)[:ASKED], others])
    drawn = drawn[: sample_of(count, dimension)]
    batches = (embeddings[start : start + BATCH] for start in range(0, count, BATCH))
    return build_vectors(batches, count, embeddings[drawn], drawn, wish)


@dataclass(frozen=True)
class LeftOut:
    """Stored digits, each asked about without itself.

    Attributes:
        labels: (n, m) uint8, of the nearest others, nearest first.
        distances: (n, m) float32.
        class_distances: (n, m) float32, over the numbers of an embedding that tell the class.
        truth: (n,) uint8, their own.
    """

    labels: np.ndarray
    distances: np.ndarray
    class_distances: np.ndarray
    truth: np.ndarray


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


def ask_without_itself(
    vectors: VectorIndex,
    embeddings: np.ndarray,
    labels: np.ndarray,
    sample: np.ndarray,
    card: EmbedderCard,
) -> LeftOut:
    """Search for the neighbours of the digits at positions `sample`, which do not find themselves.

    Args:
        vectors: the index of `embeddings`.
        embeddings: (n, d) float32.
        labels: (n,) uint8.
        sample: (s,) positions.
        card: of the embedder.
    """
    most = min(LARGEST_K, len(labels) - 1)
    ids, distances = vectors.search(embeddings[sample], most, exclude=sample)
    of_class = vectors.distances(embeddings[sample], ids, card.class_dimension)
    return LeftOut(labels[ids], distances, of_class, labels[sample])


def choose_k(left_out: LeftOut) -> tuple[dict[str, int], dict[str, float]]:
    """The k that names most digits rightly, and the accuracy it gives, by kind of weights."""
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
        source,
    )


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
