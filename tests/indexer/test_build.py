import math
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Dataset
from data.mnist8m import EndlessDigits
from indexer.build import build_index, build_streamed, index_vectors
from indexer.choose import Requirements
from indexer.embedder import Embedder
from indexer.leave_one_out import calibration_sample
from indexer.store import read_manifest
from indexer.votes import WEIGHTS, Weights, cast_votes, winners
from search import DigitIndex
from tests.embedders import linear_embedder


def test_the_index_holds_the_dataset_as_the_embedder_sees_it(
    index: DigitIndex, embedder: Embedder, train_set: Dataset
) -> None:
    assert np.array_equal(index.labels, train_set.labels)
    assert np.array_equal(index.images[:], train_set.images)
    stored = index.vectors.vectors(np.arange(len(train_set)))
    assert np.array_equal(stored, embedder.embed(train_set.images))
    assert index.manifest.embedder == embedder.identity
    assert index.manifest.dataset["sha256"] == train_set.sha256()


@pytest.mark.parametrize("weights", WEIGHTS)
def test_k_is_chosen_by_leaving_each_digit_out(
    index: DigitIndex, embedder: Embedder, train_set: Dataset, weights: Weights
) -> None:
    embeddings = embedder.embed(train_set.images)
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :20]
    sample, source = calibration_sample(train_set, embedder.card, 0)
    assert source == "held out of training"
    assert 0.08 < len(sample) / len(train_set) <= 0.1
    accuracies = []
    for k in range(1, 21):
        nearest = order[sample, :k]
        labels, apart = train_set.labels[nearest], distances[sample[:, None], nearest]
        votes = cast_votes(labels, apart, weights, 10)
        accuracies.append((winners(votes, labels) == train_set.labels[sample]).mean())
    best, k = max(accuracies), index.manifest.k[weights]
    enough = np.array(accuracies) >= best - math.sqrt(best * (1 - best) / len(sample))
    assert k == np.flatnonzero(enough)[-1] + 1
    assert index.manifest.leave_one_out["accuracy"][weights] == pytest.approx(accuracies[k - 1])


def test_thresholds_are_read_off_the_same_digits(
    index: DigitIndex, embedder: Embedder, train_set: Dataset
) -> None:
    sample, _ = calibration_sample(train_set, embedder.card, 0)
    part = embedder.embed(train_set.images)[:, : embedder.card.class_dimension]
    nearest = index.search(train_set.images[sample], 10, exclude=sample).ids
    apart = np.linalg.norm(part[nearest] - part[sample][:, None], axis=2)
    strange = np.sort(apart.mean(axis=1))
    assert index.calibration.sample == len(sample)
    assert index.calibration.too_far == pytest.approx(strange[-1], abs=1e-5)  # of so few, the last


def test_another_dataset_is_calibrated_on_its_own(
    test_set: Dataset, embedder: Embedder, tmp_path: Path
) -> None:
    manifest = build_index(test_set, embedder, tmp_path, 0)
    assert manifest.calibration.source == "not trained on"
    assert manifest.calibration.sample == len(test_set)


def test_building_twice_gives_the_same_files(
    train_set: Dataset, embedder: Embedder, index_folder: Path, tmp_path: Path
) -> None:
    build_index(train_set, embedder, tmp_path, 0)
    assert read_manifest(tmp_path).entries == read_manifest(index_folder).entries


def test_lists_are_learned_from_more_than_the_digits_asked(
    train_set: Dataset, embedder: Embedder
) -> None:
    """Also where recall is measured with digits that may be any of all there are."""
    embeddings = np.tile(embedder.embed(train_set.images), (4, 1))
    everyone = np.arange(len(embeddings))
    vectors, options = index_vectors(embeddings, everyone, 0, Requirements("ivf-flat", recall=1))
    assert options["lists"] > 1
    ids, distances = vectors.search(embeddings[:50], 4)
    assert np.array_equal(ids, np.arange(50)[:, None] + len(train_set) * np.arange(4))
    assert distances.max() == 0


def test_fewer_digits_than_neighbours(
    train_set: Dataset, embedder: Embedder, tmp_path: Path
) -> None:
    few = Dataset("few", "train", train_set.images[:4], train_set.labels[:4])
    build_index(few, embedder, tmp_path, 0)
    index = DigitIndex.open(tmp_path)
    assert index.search(few.images, 4).ids[:, 0].tolist() == [0, 1, 2, 3]
    assert max(index.manifest.k.values()) <= 3


def test_a_streamed_index_is_calibrated_without_copies(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200, dtype=np.uint8) % 10
    shapes = rng.integers(0, 200, (10, 28, 28))
    images = (shapes[labels] + rng.integers(0, 56, (200, 28, 28))).astype(np.uint8)
    digits = EndlessDigits(Dataset("noise", "train", images, labels), 1000)
    linear = linear_embedder()
    manifest = build_streamed(digits, linear, tmp_path, 0)
    assert manifest.dataset == digits.facts()
    assert manifest.count == 1000
    assert "images" not in manifest.files
    assert manifest.leave_one_out["sample"] == 200
    pictures, names = digits.part(0, 1000)
    vectors = linear.embed(pictures).astype(np.float16).astype(np.float32)
    distances = np.linalg.norm(vectors[:200, None] - vectors[None], axis=2)
    distances[np.arange(200)[:, None] == np.arange(1000) % 200] = np.inf
    for weights in WEIGHTS:
        order = distances.argsort(axis=1)[:, : manifest.k[weights]]
        nearest, apart = names[order], np.take_along_axis(distances, order, axis=1)
        expected = (winners(cast_votes(nearest, apart, weights, 10), nearest) == labels).mean()
        assert manifest.leave_one_out["accuracy"][weights] == pytest.approx(expected, abs=1e-6)
        assert 0.5 < expected < 1
