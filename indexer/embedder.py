"""Encode digits with ONNX Runtime; knows nothing of Keras.

An embedder is its ONNX bytes and its card. It is opened only if the bytes are those the card
names, and only if it still gives the card's canaries their recorded embeddings on this machine.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from data.card import CARD_NAME, ONNX_NAME, EmbedderCard
from data.convention import SIDE
from data.errors import (
    EmbedderCorrupt,
    EmbedderMismatch,
    EmbedderNotFound,
    UsageError,
)
from data.files import Content, read_plain, unreadable
from data.names import named
from data.normalise import NORMALISER_VERSION, scale_to_unit
from data.processors import usable
from data.progress import Progress, silent
from indexer.manifest import Manifest

BATCH = 128  # enough to be worth a call; what it takes stays in the processor's cache
CANARY_TOLERANCE = 1e-3
LARGEST_CARD, LARGEST_ONNX = 16 << 20, 1 << 30  # bytes; larger ones are none


@dataclass(frozen=True)
class Embedder:
    """An encoder of digits.

    Attributes:
        card: what it says of itself.
        onnx: the network, as bytes.
        session: ONNX Runtime's; it computes a batch in the thread that asks.
        threads: how many batches are encoded side by side.
    """

    card: EmbedderCard
    onnx: bytes
    session: onnxruntime.InferenceSession
    threads: int

    @classmethod
    def open(cls, folder: Path, threads: int | None = None) -> Embedder:
        """Open the embedder in `folder`.

        Raises:
            EmbedderNotFound: there is none.
            EmbedderCorrupt: damaged; the message names the file.
            EmbedderMismatch: made for another normaliser.
            StorageError: a file may not be read.
        """
        try:
            content = read_plain(folder / CARD_NAME, LARGEST_CARD)
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise EmbedderNotFound(
                f"no embedder in {folder}: {CARD_NAME} is not there; make one with: digits train"
                f" --embedder {shlex.quote(named(folder))}"
            ) from exc
        except OSError as exc:
            raise unreadable(folder / CARD_NAME, exc, EmbedderCorrupt, "train again") from exc
        card = EmbedderCard.from_bytes(content, str(folder / CARD_NAME))
        try:
            onnx = read_plain(folder / ONNX_NAME, LARGEST_ONNX)
        except OSError as exc:
            raise unreadable(folder / ONNX_NAME, exc, EmbedderCorrupt, "train again") from exc
        return cls.from_bytes(onnx, card, str(folder / ONNX_NAME), threads)

    @classmethod
    def from_bytes(
        cls, onnx: bytes, card: EmbedderCard, name: str, threads: int | None = None
    ) -> Embedder:
        """Open an embedder from its content; `name` is the file to blame.

        Raises:
            EmbedderCorrupt: not the bytes the card names, or the canaries moved.
            EmbedderMismatch: made for another normaliser.
        """
        received = hashlib.sha256(onnx).hexdigest()
        if received != card.onnx_sha256:
            raise EmbedderCorrupt(
                f"{name}: expected SHA-256 {card.onnx_sha256}, received {received}; train again"
            )
        if card.normaliser != NORMALISER_VERSION:
            raise EmbedderMismatch(
                f"{name}: made for normaliser {card.normaliser}, this program has"
                f" {NORMALISER_VERSION}; train again"
            )
        embedder = cls(card, onnx, _session(onnx, name), usable(threads))
        embedder._check_canaries(name)
        return embedder

    @classmethod
    def of_generation(
        cls,
        place: str,
        manifest: Manifest,
        contents: Mapping[str, Content],
        threads: int | None = None,
    ) -> Embedder:
        """Open the embedder that a generation of the index at `place` was built with.

        Raises:
            EmbedderCorrupt: as for :meth:`from_bytes`.
            EmbedderMismatch: the manifest tells of another one.
        """
        onnx_name, card_name = (manifest.files[role].name for role in ("embedder", "card"))
        card = EmbedderCard.from_bytes(bytes(contents[card_name]), f"{place}/{card_name}")
        for fact in ("normaliser", "metric", "dimension"):
            told, expected = getattr(manifest, fact), getattr(card, fact)
            if told != expected:
                raise EmbedderMismatch(
                    f"{place}: expected {fact} {expected}, which its embedder has, in its manifest,"
                    f" received {told}; build the index again"
                )
        if card.onnx_sha256 != manifest.embedder:
            raise EmbedderMismatch(
                f"{place}/{card_name}: expected the card of embedder {manifest.embedder[:12]},"
                f" received that of {card.onnx_sha256[:12]}; build the index again"
            )
        return cls.from_bytes(bytes(contents[onnx_name]), card, f"{place}/{onnx_name}", threads)

    @property
    def identity(self) -> str:
        """What an index remembers it by: the SHA-256 of the ONNX file."""
        return self.card.onnx_sha256

    def embed(self, images: np.ndarray, progress: Progress = silent) -> np.ndarray:
        """Encode digits.

        Args:
            images: (n, 28, 28) uint8, or float32 in [0, 1], ink bright.
            progress: told after every few batches.

        Returns:
            (n, d) float32 embeddings.

        Raises:
            UsageError: wrong shape or dtype, or pixels that are not numbers in [0, 1].
        """
        check_images(images)
        embeddings = np.empty((len(images), self.card.dimension), np.float32)
        starts = range(0, len(images), BATCH)

        def encode(start: int) -> int:
            batch = images[start : start + BATCH]
            pixels = scale_to_unit(batch) if batch.dtype == np.uint8 else batch
            embeddings[start : start + len(batch)] = self._run(pixels)
            return start + len(batch)

        for done in _side_by_side(encode, starts, self.threads):
            progress(done, len(images), "encoding")
        return embeddings

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        (embeddings,) = self.session.run(None, {self.session.get_inputs()[0].name: pixels})
        return np.asarray(embeddings)

    def _check_canaries(self, name: str) -> None:
        expected = self.card.canary_embeddings
        try:
            received = self._run(scale_to_unit(self.card.canary_images))
        except Exception as exc:
            _give_up_without_memory(exc)
            raise EmbedderCorrupt(
                f"{name}: a network that cannot encode (n, 28, 28) float32; train again"
            ) from exc
        if received.shape != expected.shape:
            raise EmbedderCorrupt(
                f"{name}: expected embeddings of shape {expected.shape}, received"
                f" {received.shape}; train again"
            )
        moved = np.abs(received - expected).max()
        if not moved <= CANARY_TOLERANCE:
            raise EmbedderCorrupt(
                f"{name}: its test digits moved by {moved:.2g} (allowed: {CANARY_TOLERANCE:g}), so"
                " distances to stored digits would be wrong; train and index again on this machine"
            )


def check_images(images: np.ndarray) -> None:
    """Refuse anything but digits in the MNIST convention, before it reaches native code.

    Raises:
        UsageError: not (n, 28, 28) uint8 or float32 in [0, 1].
    """
    if not isinstance(images, np.ndarray):
        raise UsageError(f"expected an array of images, received {type(images).__name__}")
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise UsageError(f"expected images of shape (n, 28, 28), received {images.shape}")
    if images.dtype == np.uint8:
        return
    if images.dtype != np.float32:
        raise UsageError(f"expected uint8 or float32 images, received {images.dtype}")
    if len(images) and not (images.min() >= 0 and images.max() <= 1):
        raise UsageError("expected float32 images with finite values in [0, 1]")


def _side_by_side(work: Callable[[int], int], starts: range, threads: int) -> Iterator[int]:
    """What `work` gives for each start, in order; in this very thread where one is enough."""
    if min(threads, len(starts)) <= 1:
        yield from map(work, starts)
    else:
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(work, starts)


def _session(onnx: bytes, name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # A batch in each thread scales better than a batch spread over threads layer by layer, and
    # leaves FAISS no sleeping or spinning workers to share the cores with.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        _give_up_without_memory(exc)
        raise EmbedderCorrupt(
            f"{name}: not a network that ONNX Runtime can run; train again"
        ) from exc


def _give_up_without_memory(exc: Exception) -> None:
    """ONNX Runtime raises classes of its own, one for each status, but has none for this.

    Raises:
        MemoryError: that was the matter.
    """
    if isinstance(exc, MemoryError) or "bad_alloc" in str(exc):
        raise MemoryError from exc
