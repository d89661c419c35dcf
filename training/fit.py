"""Run a recipe: dataset in, trained tower out."""

from __future__ import annotations

import time
from dataclasses import dataclass

import keras
import numpy as np

from data.card import SameDifferent
from data.datasets import Dataset
from data.holdout import hold_out
from data.pairs import make_pairs
from data.progress import Progress, silent
from training.batches import as_seen, batches_of
from training.calibrate import best_threshold
from training.history import History, Watched, embed
from training.losses import LOSSES
from training.networks import NETWORKS, siamese, straightened
from training.optimizers import OPTIMIZERS
from training.pairs import pairs_of
from training.recipes import Recipe

CALIBRATION_PAIRS = 20_000
REFERENCES, WATCHED = 5_000, 2_000


@dataclass(frozen=True)
class Trained:
    """What a training run leaves.

    Attributes:
        tower: (n, 28, 28) float32 -> (n, d) float32.
        history: one record per epoch.
        same_different: the calibrated threshold.
        seconds: how long it took.
    """

    tower: keras.Model
    history: list[dict[str, float]]
    same_different: SameDifferent
    seconds: float


def fit(
    recipe: Recipe,
    dataset: Dataset,
    seed: int,
    *,
    epochs: int | None = None,
    progress: Progress = silent,
) -> Trained:
    """Train an embedder; `epochs` overrides the recipe's.

    Raises:
        TrainingError: the loss stopped being a number.
    """
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    training, validation = hold_out(dataset.labels, recipe.validation, seed)
    network = NETWORKS[recipe.network](**recipe.network_options)
    tower = straightened(network) if recipe.straighten else network
    epochs = epochs or recipe.epochs
    if recipe.sampler == "pairs":
        model = siamese(network)
        batches, steps = pairs_of(recipe, dataset, training, rng, epochs)
    else:
        model = keras.Model(network.inputs, network.outputs)  # compiled in its stead
        batches, steps = batches_of(recipe, dataset, training, seed)
    model.compile(
        optimizer=_optimizer(recipe, steps * epochs),
        loss=LOSSES[recipe.loss](**recipe.loss_options),
        metrics=["binary_accuracy"] if recipe.sampler == "pairs" else None,
        jit_compile=False,  # on CPUs oneDNN's own kernels are faster than XLA's
    )
    watched = _watched(recipe, dataset, training, validation) if len(validation) else None
    history = History(network, watched, progress, steps * epochs)
    model.fit(
        batches,
        steps_per_epoch=steps,
        epochs=epochs,
        shuffle=False,  # the batches already are
        verbose=0,
        callbacks=[history],
    )
    calibrated = _calibrate(tower, dataset, validation, rng)
    return Trained(tower, history.records, calibrated, round(time.perf_counter() - started, 2))


def _optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimiser for a run of `steps`.

    Averaged weights are an exponential moving average (Polyak and Juditsky 1992), which Keras puts
    in place of the last ones when training ends.
    """
    options = dict(recipe.optimizer_options)
    if recipe.averaging:
        options |= {"use_ema": True, "ema_momentum": 1 - 1 / max(1, recipe.averaging * steps)}
    return OPTIMIZERS[recipe.optimizer](_learning_rate(recipe, steps), **options)


def _learning_rate(
    recipe: Recipe, steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if recipe.schedule == "constant":
        return recipe.learning_rate
    warm_up = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20,
        max(1, steps - warm_up),
        alpha=0.01,
        warmup_target=recipe.learning_rate,
        warmup_steps=warm_up,
    )


def _watched(
    recipe: Recipe, dataset: Dataset, training: np.ndarray, validation: np.ndarray
) -> Watched:
    references = training[:: max(1, len(training) // REFERENCES)]
    validation = validation[:: max(1, len(validation) // WATCHED)]
    return Watched(
        as_seen(recipe, dataset.images[references]),
        dataset.labels[references],
        as_seen(recipe, dataset.images[validation]),
        dataset.labels[validation],
    )


def _calibrate(
    tower: keras.Model, dataset: Dataset, validation: np.ndarray, rng: np.random.Generator
) -> SameDifferent:
    """Choose the threshold on held-out images where there are some, else on the training set."""
    source = "held-out training images" if len(validation) else "training images"
    pool = validation if len(validation) else np.arange(len(dataset))
    images, labels = dataset.images[pool], dataset.labels[pool]
    embeddings = embed(tower, images)  # (n, d)
    rounds = -(-CALIBRATION_PAIRS // (2 * len(pool)))
    drawn = [make_pairs(labels, rng) for _ in range(rounds)]
    pairs = np.concatenate([pairs for pairs, _ in drawn])[:CALIBRATION_PAIRS]
    targets = np.concatenate([targets for _, targets in drawn])[:CALIBRATION_PAIRS]
    distances = np.linalg.norm(embeddings[pairs[:, 0]] - embeddings[pairs[:, 1]], axis=1)
    threshold, accuracy = best_threshold(distances, targets)
    return SameDifferent(threshold, accuracy, len(pairs), source)
