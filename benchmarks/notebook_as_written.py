"""The notebook's steps as it has them, timed: the baseline that the recipes are held against.

Prints one JSON object. Takes about 5 GB of memory, which is the point.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import faiss
import keras
import numpy as np
from keras import Input, Model
from keras.layers import Dense, Lambda
from keras.models import Sequential
from keras.ops import cast, maximum, norm, square

from data.mnist import load_mnist

NEIGHBOURS = 10


def generate_pairs(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One positive and one negative pair for each image, pixels copied, one at a time."""
    pairs, targets = [], []
    for i in range(len(images)):
        label = labels[i]
        positive = np.random.choice(np.where(labels == label)[0])
        pairs.append([images[i], images[positive]])
        targets.append([0])
        negative = np.random.choice(np.where(labels != label)[0])
        pairs.append([images[i], images[negative]])
        targets.append([1])
    order = np.arange(len(pairs))
    np.random.shuffle(order)
    return np.array(pairs)[order], np.array(targets)[order]


def contrastive_loss(y: Any, d: Any) -> Any:
    """The notebook's loss, margin 1."""
    y = cast(y, d.dtype)
    return (1 - y) / 2 * square(d) + y / 2 * square(maximum(0.0, 1 - d))


def build_model() -> tuple[Model, Sequential]:
    """The siamese model and its tower."""
    layers = [Input((784,)), Dense(512, "relu"), Dense(256, "relu"), Dense(128)]
    tower = Sequential(layers)
    left, right = Input((784,)), Input((784,))
    distance = Lambda(lambda twins: norm(twins[0] - twins[1], axis=1, keepdims=True))
    model = Model([left, right], distance([tower(left), tower(right)]))
    model.compile(loss=contrastive_loss, optimizer="adam", metrics=["binary_accuracy"])
    return model, tower


def knn_accuracy(tower: Sequential, train: Any, test: Any) -> float:
    """Share of test images that their ten nearest training images name rightly."""
    index = faiss.IndexFlatL2(128)
    index.add(tower.predict(train[0], batch_size=1000, verbose=0))
    _, ids = index.search(tower.predict(test[0], batch_size=1000, verbose=0), NEIGHBOURS)
    votes = (train[1][ids][:, :, None] == np.arange(10)).sum(axis=1)
    return float((votes.argmax(axis=1) == test[1]).mean())


def main(seed: int, embedder: Path) -> None:
    """Run the notebook, save its tower, print the figures."""
    np.random.seed(seed)
    keras.utils.set_random_seed(seed)
    started = time.perf_counter()
    sets = []
    for split in ("train", "test"):
        images, labels = load_mnist(split)
        flat = images.reshape(-1, 784)
        sets.append(((flat - flat.min()) / (flat.max() - flat.min()), labels))
    train, test = sets
    before_pairs = time.perf_counter()
    train_pairs, train_targets = generate_pairs(*train)
    pairs_seconds = time.perf_counter() - before_pairs
    test_pairs, test_targets = generate_pairs(*test)
    model, tower = build_model()
    before_fit = time.perf_counter()
    model.fit(
        x=[train_pairs[:, 0], train_pairs[:, 1]],
        y=train_targets,
        validation_data=([test_pairs[:, 0], test_pairs[:, 1]], test_targets),
        batch_size=32,
        epochs=5,
        verbose=0,
    )
    fit_seconds = time.perf_counter() - before_fit
    different = model.predict([test_pairs[:, 0], test_pairs[:, 1]], verbose=0) >= 0.5
    figures = {
        "pairs_seconds": pairs_seconds,
        "fit_seconds": fit_seconds,
        "seconds": time.perf_counter() - started,
        "pair_accuracy": float((different == test_targets).mean()),
        "knn_accuracy": knn_accuracy(tower, train, test),
    }
    tower.save(embedder)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
