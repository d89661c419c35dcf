"""Watch a training run: a record per epoch, progress, k-NN accuracy, and a stop at nonsense."""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np

from data.convention import CLASSES
from data.datasets import Dataset
from data.errors import TrainingError
from data.normalise import scale_to_unit
from data.progress import Progress

NEIGHBOURS = 10
REFERENCES = 10_000


def embed(tower: keras.Model, images: np.ndarray) -> np.ndarray:
    """Embeddings (n, d) float32 of stored images (n, 28, 28) uint8."""
    batches = (scale_to_unit(images[i : i + 1000]) for i in range(0, len(images), 1000))
    return np.concatenate([np.asarray(tower.predict_on_batch(batch)) for batch in batches])


class History(keras.callbacks.Callback):
    """Keeps a record per epoch, reports progress, and stops at a loss that is no number."""

    def __init__(
        self,
        tower: keras.Model,
        dataset: Dataset,
        training: np.ndarray,
        validation: np.ndarray,
        progress: Progress,
        total: int,
    ) -> None:
        super().__init__()
        self.records: list[dict[str, float]] = []
        self._tower, self._dataset, self._validation = tower, dataset, validation
        self._references = training[:: max(1, len(training) // REFERENCES)]
        self._progress, self._total, self._done = progress, total, 0
        self._note = ""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._done += 1
        if self._done % 20 == 0:
            self._progress(min(self._done, self._total - 1), self._total, self._note)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        if not np.isfinite(values["loss"]):
            raise TrainingError(
                f"expected a finite loss, received {values['loss']} in epoch {epoch + 1}; try"
                " another seed or a lower learning rate"
            )
        if len(self._validation):
            values["val_knn_accuracy"] = self._knn_accuracy()
        values["seconds"] = round(time.perf_counter() - self._started, 2)
        self.records.append({"epoch": epoch + 1, **values})
        accuracy = values.get("val_knn_accuracy", values.get("binary_accuracy", 0.0))
        self._note = f"loss {values['loss']:.4f}, accuracy {accuracy:.2%}"
        self._progress(self._done, self._total, self._note)

    def _knn_accuracy(self) -> float:
        """Share of held-out images that their nearest training images name rightly."""
        images, labels = self._dataset.images, self._dataset.labels
        references = embed(self._tower, images[self._references])  # (r, d)
        queries = embed(self._tower, images[self._validation])  # (v, d)
        squared = (references**2).sum(1) - 2 * queries @ references.T  # (v, r), up to |query|^2
        nearest = np.argpartition(squared, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        votes = labels[self._references][nearest]  # (v, k)
        counts = (votes[:, :, None] == np.arange(CLASSES)).sum(axis=1)  # (v, 10)
        return float((counts.argmax(axis=1) == labels[self._validation]).mean())
