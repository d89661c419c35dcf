"""How an embedder is learned: the only place with Keras and TensorFlow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from data.errors import MissingExtra
from data.processors import abreast, processors


def require_backend() -> None:
    """Import Keras on TensorFlow, without their start-up chatter.

    Raises:
        MissingExtra: they are not installed.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # else only where the CPU has AVX-512
    try:
        with _native_stderr_closed():
            import keras
            import tensorflow

            tensorflow.config.list_physical_devices()  # says now what it would say later
    except ImportError as exc:
        raise MissingExtra(
            f"training needs Keras and TensorFlow ({exc.name} is missing):"
            " pip install 'digit-search[train]'"
        ) from exc
    del keras


def run_abreast() -> None:
    """Two operations side by side, each on half of the processors, unless it is set otherwise.

    Small batches do not keep more of them busy. To be called before TensorFlow's first operation.
    """
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(abreast(processors())))


def require_tensorboard() -> None:
    """Make sure that logs can be written before anything is trained.

    Raises:
        MissingExtra: TensorBoard is not installed.
    """
    import importlib.util

    if not importlib.util.find_spec("tensorboard"):
        raise MissingExtra("TensorBoard's logs need it: pip install 'digit-search[tensorboard]'")


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Hide what native code prints past Python: TensorFlow logs before its log level is read."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
