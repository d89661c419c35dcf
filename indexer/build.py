"""Dataset and embedder in, index directory out."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from data.datasets import Dataset
from data.progress import Progress, silent
from indexer.embedder import Embedder
from indexer.sources import Segment, pack_sources
from indexer.store import Manifest, write_generation
from indexer.vectors import VectorIndex
from indexer.votes import WEIGHTS, best_k

LARGEST_K = 20
SAMPLE = 10_000


def build_index(
    dataset: Dataset, embedder: Embedder, folder: Path, seed: int, progress: Progress = silent
) -> Manifest:
    """Encode `dataset`, choose k by leave-one-out, and put the index into `folder`.

    Raises:
        IndexLocked, StorageError: what was in `folder` still answers.
    """
    embeddings = embedder.embed(dataset.images, progress)  # (n, d)
    vectors = VectorIndex.build(embeddings)
    k, leave_one_out = choose_k(vectors, embeddings, dataset.labels, seed)
    contents = {
        "embedder": embedder.onnx,
        "card": embedder.card.to_bytes(),
        "vectors": vectors.to_bytes(),
        "labels": _npy(dataset.labels),
        "images": _npy(dataset.images),
        "sources": pack_sources([Segment(dataset.name, dataset.split, 0, len(dataset))]),
    }
    facts = {
        "count": len(dataset),
        "dimension": embedder.card.dimension,
        "metric": embedder.card.metric,
        "kind": "flat",
        "kind_options": {},
        "normaliser": embedder.card.normaliser,
        "embedder": embedder.identity,
        "dataset": dataset.facts(),
        "k": k,
        "leave_one_out": leave_one_out,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "program": version("digit-search"),
    }
    return write_generation(folder, contents, facts)


def choose_k(
    vectors: VectorIndex, embeddings: np.ndarray, labels: np.ndarray, seed: int
) -> tuple[dict[str, int], dict[str, object]]:
    """The k that names most indexed digits rightly when each is left out of its own vote.

    Args:
        vectors: the index of `embeddings`.
        embeddings: (n, d) float32.
        labels: (n,) integers.
        seed: for the sample that is asked, at most 10,000 items.

    Returns:
        k by kind of weights; and the size of the sample and the accuracy by kind of weights.
    """
    n = len(labels)
    sample = np.sort(np.random.default_rng(seed).permutation(n)[:SAMPLE])
    ids, distances = vectors.search(embeddings[sample], min(LARGEST_K, n - 1), exclude=sample)
    chosen = {
        weights: best_k(labels[ids], distances, labels[sample], weights) for weights in WEIGHTS
    }
    accuracy = {weights: round(share, 6) for weights, (_, share) in chosen.items()}
    return {weights: k for weights, (k, _) in chosen.items()}, {
        "sample": len(sample),
        "accuracy": accuracy,
    }


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
