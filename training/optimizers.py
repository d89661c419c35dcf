"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("digit_search")
class ConvMuon(keras.optimizers.Muon):
    """Muon for convolutions too: a kernel is the matrix (height * width * channels in, out).

    The momentum of a matrix is orthogonalised before each step, so that all its directions learn
    at one pace; scales and offsets take AdamW steps. Source: Jordan et al., "Muon: An optimizer
    for hidden layers in neural networks", 2024. Keras's own applies it to dense layers only.
    """

    def _should_use_adamw(self, variable: Any) -> bool:
        return len(variable.shape) not in (2, 4)

    def _muon_update_step(self, gradient: Any, variable: Any, rate: Any, momentum: Any) -> None:
        self.assign_add(momentum, ops.add(gradient, momentum * (self.momentum - 1)))
        rows, columns = int(np.prod(variable.shape[:-1])), variable.shape[-1]
        step = ops.reshape(ops.add(gradient, self.momentum * momentum), (rows, columns))
        step = self.zeropower_via_newtonschulz5(step, self.ns_steps)
        step = step * (max(rows, columns) ** 0.5 * self.rms_rate)
        self.assign_sub(variable, rate * ops.reshape(step, variable.shape))


OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "muon": ConvMuon,
}
