from pathlib import Path

import numpy as np

from data.datasets import Dataset
from indexer.build import build_index, choose_k
from indexer.embedder import Embedder
from indexer.store import read_manifest
from indexer.votes import cast_votes, winners
from search import DigitIndex


def test_the_index_holds_the_dataset_as_the_embedder_sees_it(
    index: DigitIndex, embedder: Embedder, train_set: Dataset
) -> None:
    assert np.array_equal(index.labels, train_set.labels)
    assert np.array_equal(index.images, train_set.images)
    stored = index.vectors.vectors(np.arange(len(train_set)))
    assert np.array_equal(stored, embedder.embed(train_set.images))
    assert index.manifest.embedder == embedder.identity
    assert index.manifest.dataset["sha256"] == train_set.sha256()


def test_k_is_chosen_by_leaving_each_digit_out(
    index: DigitIndex, embedder: Embedder, train_set: Dataset
) -> None:
    embeddings = embedder.embed(train_set.images)
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :20]
    accuracies = []
    for k in range(1, 21):
        labels = train_set.labels[order[:, :k]]
        votes = cast_votes(labels, np.ones(labels.shape), "uniform")
        accuracies.append((winners(votes, labels) == train_set.labels).mean())
    k, facts = choose_k(index.vectors, embeddings, train_set.labels, 0)
    assert k == index.manifest.k
    assert accuracies[k["uniform"] - 1] == max(accuracies)
    assert facts["sample"] == len(train_set)


def test_building_twice_gives_the_same_files(
    train_set: Dataset, embedder: Embedder, index_folder: Path, tmp_path: Path
) -> None:
    build_index(train_set, embedder, tmp_path, 0)
    assert read_manifest(tmp_path).files == read_manifest(index_folder).files


def test_fewer_digits_than_neighbours(
    train_set: Dataset, embedder: Embedder, tmp_path: Path
) -> None:
    few = Dataset("few", "train", train_set.images[:4], train_set.labels[:4])
    build_index(few, embedder, tmp_path, 0)
    index = DigitIndex.open(tmp_path)
    assert index.search(few.images, 4).ids[:, 0].tolist() == [0, 1, 2, 3]
    assert index.manifest.k["uniform"] <= 3
