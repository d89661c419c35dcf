"""Run a recipe: dataset in, trained tower out."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import keras
import numpy as np

from data.card import SameDifferent
from data.convention import DIGITS
from data.dataset import Dataset
from data.holdout import hold_out
from data.pairs import make_pairs
from data.progress import Progress, silent
from data.reached import Reached
from training.batches import batches_of
from training.calibrate import best_threshold
from training.checkpoint import Keeping, load_checkpoint
from training.ensemble import networks_of, side_by_side, tower_of
from training.history import History, Watched, embed
from training.losses import LOSSES
from training.networks import class_dimension, siamese
from training.optimizers import OPTIMIZERS
from training.pace import Pace
from training.pairs import pairs_of
from training.recipes import UNLIMITED, Limits, Recipe

CALIBRATION_PAIRS = 100_000  # with a fifth of them, it is chance where the threshold lies
REFERENCES, WATCHED = 3_000, 1_000


@dataclass(frozen=True)
class Trained:
    """What a training run leaves.

    Attributes:
        recipe: as it was run.
        tower: (n, 28, 28) float32 -> (n, d) float32.
        history: one record per epoch.
        same_different: the calibrated threshold.
        seconds: how long it took.
    """

    recipe: Recipe
    tower: keras.Model
    history: list[dict[str, float]]
    same_different: SameDifferent
    seconds: float


def fit(
    recipe: Recipe,
    dataset: Dataset,
    seed: int,
    limits: Limits = UNLIMITED,
    progress: Progress = silent,
) -> Trained:
    """Train an embedder.

    Raises:
        TrainingError: the loss stopped being a number.
        CheckpointUnusable: there is nothing to resume, or it is damaged or of another run.
        StorageError: the checkpoint cannot be read or written.
    """
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    recipe = replace(recipe, epochs=limits.epochs or recipe.epochs)
    if dataset.names != DIGITS:
        recipe = replace(recipe, drawn_digits=0, outliers=0)  # letters may well be classes here
    training, validation = hold_out(dataset.labels, recipe.validation, seed)
    networks = networks_of(recipe)
    tower = tower_of(recipe, networks)
    if recipe.sampler == "pairs":
        batches, steps = pairs_of(recipe, dataset, training, seed)
    else:
        batches, steps = batches_of(recipe, dataset, training, seed)
    model = _compiled(recipe, networks, tower)
    reached = Reached(_identity(recipe, dataset, seed), 0, [], 0.0)
    if limits.checkpoint and limits.resume:
        reached = load_checkpoint(limits.checkpoint, model, reached.run)
    began = started - reached.seconds
    watched = _watched(dataset, training, validation) if len(validation) else None
    history = History(tower, watched, progress, steps * recipe.epochs)
    history.go_on(reached.history, steps * reached.epoch)
    model.fit(
        batches(reached.epoch),
        steps_per_epoch=steps,
        initial_epoch=reached.epoch,
        epochs=recipe.epochs,
        shuffle=False,  # the batches already are
        verbose=0,
        callbacks=_callbacks(recipe, limits, steps, reached, began, history),
    )
    calibrated = _calibrate(tower, dataset, validation, np.random.default_rng(seed))
    seconds = round(time.perf_counter() - began, 2)
    return Trained(recipe, tower, history.records, calibrated, seconds)


def _callbacks(
    recipe: Recipe, limits: Limits, steps: int, reached: Reached, began: float, history: History
) -> list[keras.callbacks.Callback]:
    """What watches a run of `steps` an epoch that goes on from what was `reached`."""
    total, done = steps * recipe.epochs, steps * reached.epoch
    callbacks = [Pace(recipe, total, done, limits.budget, began), history]
    if limits.checkpoint:
        callbacks.append(Keeping(limits.checkpoint, reached.run, history, began))
    if limits.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(limits.tensorboard))
    return callbacks


def _identity(recipe: Recipe, dataset: Dataset, seed: int) -> dict[str, Any]:
    """What makes a run this one and no other."""
    told = asdict(recipe)
    epochs = told.pop("epochs")  # the likeliest to differ, so it is named by itself
    return {"recipe": told, "dataset": dataset.sha256(), "seed": seed, "epochs": epochs}


def _compiled(recipe: Recipe, networks: list[keras.Model], tower: keras.Model) -> keras.Model:
    """The model that is fitted, with its optimiser built.

    Batches go to the members' `networks`, pairs through the `tower` that they make.

    Averaged weights are an exponential moving average (Polyak and Juditsky 1992), which Keras puts
    in place of the last ones when training ends; `Pace` says how long it remembers.
    """
    pairs = recipe.sampler == "pairs"
    model = siamese(tower) if pairs else side_by_side(networks)
    options = dict(recipe.optimizer_options)
    if recipe.averaging:
        options |= {"use_ema": True}
    optimizer = OPTIMIZERS[recipe.optimizer](recipe.learning_rate, **options)
    optimizer.ema_momentum = keras.Variable(0.0, trainable=False)
    optimizer.build(model.trainable_variables)
    model.compile(
        optimizer=optimizer,
        loss=LOSSES[recipe.loss](**recipe.loss_options),  # of every member
        metrics=["binary_accuracy"] if pairs else None,
        jit_compile=False,  # on CPUs oneDNN's own kernels are faster than XLA's
    )
    return model


def _watched(dataset: Dataset, training: np.ndarray, validation: np.ndarray) -> Watched:
    references = training[:: max(1, len(training) // REFERENCES)]
    validation = validation[:: max(1, len(validation) // WATCHED)]
    return Watched(
        dataset.images[references],
        dataset.labels[references],
        dataset.images[validation],
        dataset.labels[validation],
    )


def _calibrate(
    tower: keras.Model, dataset: Dataset, validation: np.ndarray, rng: np.random.Generator
) -> SameDifferent:
    """Choose the threshold on held-out images where these differ, else on the training set."""
    is_enough = len(np.unique(dataset.labels[validation])) > 1
    source = "held-out training images" if is_enough else "training images"
    pool = validation if is_enough else np.arange(len(dataset))
    images, labels = dataset.images[pool], dataset.labels[pool]
    embeddings = embed(tower, images)[:, : class_dimension(tower)]  # (n, c)
    rounds = -(-CALIBRATION_PAIRS // (2 * len(pool)))
    drawn = [make_pairs(labels, rng) for _ in range(rounds)]
    pairs = np.concatenate([pairs for pairs, _ in drawn])[:CALIBRATION_PAIRS]
    targets = np.concatenate([targets for _, targets in drawn])[:CALIBRATION_PAIRS]
    distances = np.linalg.norm(embeddings[pairs[:, 0]] - embeddings[pairs[:, 1]], axis=1)
    threshold, accuracy = best_threshold(distances, targets)
    return SameDifferent(threshold, accuracy, len(pairs), source)
