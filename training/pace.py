"""The learning rate and the averaging over a run, and when the run ends: by steps or by time."""

from __future__ import annotations

import math
import time
from typing import Any

import keras

from training.recipes import Recipe

WARM_UP = 0.1  # share of the run over which a cosine schedule rises
START, END = 0.05, 0.1  # of the highest rate


def learning_rate(recipe: Recipe, progress: float) -> float:
    """The rate when a share `progress` in [0, 1] of the run is done."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if progress < WARM_UP:
        return recipe.learning_rate * (START + (1 - START) * progress / WARM_UP)
    fallen = min(1.0, (progress - WARM_UP) / (1 - WARM_UP))
    return recipe.learning_rate * (END + (1 - END) * (1 + math.cos(math.pi * fallen)) / 2)


def momentum(recipe: Recipe, step: int) -> float:
    """How much of the averaged weights stays at a step, counted from 0.

    They are then about the mean over the last share `averaging` of the steps so far, however
    early the run ends (Shamir and Zhang, "Stochastic Gradient Descent for Non-smooth
    Optimization", ICML 2013, section 4).
    """
    return 1 - 1 / (recipe.averaging * step + 1)


class Pace(keras.callbacks.Callback):
    """Sets the learning rate and the averaging before each step.

    With a budget of time, a run that would not be done within it is: progress is then the share of
    the time that is spent, so the rate still rises and falls as it should.
    """

    def __init__(
        self, recipe: Recipe, steps: int, done: int, budget: float | None, began: float
    ) -> None:
        """For a run of `steps`, `done` of them, that began at `began` (of `time.perf_counter`)."""
        super().__init__()
        self._recipe, self._steps, self._done = recipe, steps, done
        self._budget, self._began = budget, began

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._started = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        optimizer = self.model.optimizer
        optimizer.learning_rate = learning_rate(self._recipe, self._progress())
        optimizer.ema_momentum.assign(momentum(self._recipe, self._done))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._done += 1
        if self._progress() >= 1:
            self.model.stop_training = True

    def _progress(self) -> float:
        progress = self._done / self._steps
        if self._budget is None:
            return progress
        left = max(1.0, self._budget - (self._started - self._began))  # when training began
        return min(1.0, max(progress, (time.perf_counter() - self._started) / left))
