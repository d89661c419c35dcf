"""Watch a training run: a record per epoch, progress, k-NN accuracy, and a stop at nonsense."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from data.errors import TrainingError
from data.normalise import scale_to_unit
from data.progress import Progress

NEIGHBOURS = 10
EMBEDDED = 200  # at a time, so that memory stays small


def embed(tower: keras.Model, images: np.ndarray) -> np.ndarray:
    """Embeddings (n, d) float32 of digits (n, 28, 28) uint8."""
    return np.concatenate(
        [
            np.asarray(tower.predict_on_batch(scale_to_unit(images[start : start + EMBEDDED])))
            for start in range(0, len(images), EMBEDDED)
        ]
    )


@dataclass(frozen=True)
class Watched:
    """Digits on which progress is measured: do the nearest `references` name the `queries`?

    Attributes:
        references: (r, 28, 28) uint8, with `reference_labels` (r,).
        queries: (v, 28, 28) uint8, held out of training, with `query_labels` (v,).
    """

    references: np.ndarray
    reference_labels: np.ndarray
    queries: np.ndarray
    query_labels: np.ndarray

    def knn_accuracy(self, tower: keras.Model) -> float:
        """Share of queries that their ten nearest references, with one vote each, name rightly."""
        references = embed(tower, self.references)  # (r, d)
        queries = embed(tower, self.queries)  # (v, d)
        norms, classes = (references**2).sum(axis=1), np.unique(self.reference_labels)
        right = 0
        for start in range(0, len(queries), EMBEDDED):
            part = np.s_[start : start + EMBEDDED]
            squared = norms - 2 * queries[part] @ references.T  # (v, r), up to |query|^2
            nearest = np.argpartition(squared, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
            votes = self.reference_labels[nearest]  # (v, k)
            counts = (votes[:, :, None] == classes).sum(axis=1)  # (v, classes)
            right += int((classes[counts.argmax(axis=1)] == self.query_labels[part]).sum())
        return right / len(queries)


class History(keras.callbacks.Callback):
    """Keeps a record per epoch, reports progress, and stops at a loss that is no number.

    A record holds `loss`, which is the sum of the losses of all members, and theirs where there are
    several; the k-NN accuracy where something is watched; and seconds.
    """

    def __init__(
        self, tower: keras.Model, watched: Watched | None, progress: Progress, steps: int
    ) -> None:
        super().__init__()
        self.records: list[dict[str, float]] = []
        self._tower, self._watched = tower, watched
        self._progress, self._steps, self._done = progress, steps, 0
        self._note = ""

    def go_on(self, records: list[dict[str, float]], steps_done: int) -> None:
        """Continue a run that was stopped after `records`."""
        self.records, self._done = list(records), steps_done

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._done += 1
        if self._done % 20 == 0:
            self._progress(min(self._done, self._steps - 1), self._steps, self._note)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not np.isfinite(values["loss"]):
            raise TrainingError(
                f"expected a finite loss, received {values['loss']} in epoch {epoch + 1}; try"
                " another seed or a lower learning rate"
            )
        if self._watched:
            values["val_knn_accuracy"] = self._watched.knn_accuracy(self._tower)
        values["seconds"] = round(time.perf_counter() - self._started, 2)
        self.records.append({"epoch": epoch + 1, **values})
        accuracy = values.get("val_knn_accuracy", values.get("binary_accuracy", 0.0))
        self._note = f"loss {values['loss']:.4f}, accuracy {accuracy:.2%}"
        self._progress(min(self._done, self._steps - 1), self._steps, self._note)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._progress(self._steps, self._steps, self._note)
