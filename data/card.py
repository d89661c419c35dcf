"""`embedder.json`: what an embedder says of itself.

Training writes it, the indexer reads it; this schema is all that the two share.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import numpy as np

from data.convention import SIDE
from data.errors import EmbedderCorrupt
from data.sealed import BrokenSeal, seal, unseal

CARD_VERSION = 3
CARD_NAME = "embedder.json"
ONNX_NAME = "embedder.onnx"
KERAS_NAME = "embedder.keras"
CHECKPOINT_NAME = "checkpoint.npz"  # of a training run that is not done
LOCK_NAME = "lock"  # held by the process that trains
FILES = (CARD_NAME, ONNX_NAME, KERAS_NAME, CHECKPOINT_NAME, LOCK_NAME)  # that training writes


class SameDifferent(NamedTuple):
    """The distance up to which two digits count as the same class.

    Attributes:
        threshold: Euclidean distance between the numbers of embeddings that tell the class.
        accuracy: share of `pairs` it judges rightly.
        pairs: how many pairs it was calibrated on, half of them of the same class.
        source: which images the pairs were made of.
    """

    threshold: float
    accuracy: float
    pairs: int
    source: str


class EmbedderCard(NamedTuple):
    """Everything known of an embedder but its weights.

    Attributes:
        recipe: name and every parameter of the recipe, as it was run.
        dataset: `name`, `split`, `count` and `sha256` of what it was trained on.
        seed: of the training run.
        normaliser: version of the normaliser its inputs went through.
        dimension: length of an embedding.
        class_dimension: how many of its first numbers tell the class; the rest tell the hand.
        metric: `"euclidean"`.
        onnx_sha256: of `embedder.onnx`; the embedder's identity.
        history: one record per epoch.
        same_different: calibrated threshold for comparing two digits.
        canary_images: (8, 28, 28) uint8.
        canary_embeddings: (8, dimension) float32, what the embedder gave for them when exported.
        seconds: how long training took.
        created: UTC, ISO 8601.
        program: version of digit-search that wrote it.
    """

    recipe: dict[str, Any]
    dataset: dict[str, Any]
    seed: int
    normaliser: int
    dimension: int
    class_dimension: int
    metric: str
    onnx_sha256: str
    history: list[dict[str, float]]
    same_different: SameDifferent
    canary_images: np.ndarray
    canary_embeddings: np.ndarray
    seconds: float
    created: str
    program: str

    def to_bytes(self) -> bytes:
        """The content of `embedder.json`."""
        record = self._asdict() | {
            "version": CARD_VERSION,
            "same_different": self.same_different._asdict(),
            "input_shape": [SIDE, SIDE],
            "canary_images": base64.b64encode(self.canary_images.tobytes()).decode(),
            "canary_embeddings": [[float(x) for x in row] for row in self.canary_embeddings],
        }
        return seal(record)

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> EmbedderCard:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            EmbedderCorrupt: damaged, or of another format version; `name` says which file.
        """
        try:
            record = unseal(content)
        except BrokenSeal as exc:
            raise EmbedderCorrupt(
                f"{name}: expected a sealed embedder record, but {exc}; train again"
            ) from exc
        version = record.pop("version", None)
        if version != CARD_VERSION:
            raise EmbedderCorrupt(
                f"{name}: expected format version {CARD_VERSION}, received {version!r};"
                " train again with this program"
            )
        try:
            return cls._from_record(record)
        except (KeyError, TypeError, ValueError) as exc:
            raise EmbedderCorrupt(
                f"{name}: a field is missing or of the wrong kind: {exc}; train again with this"
                " program"
            ) from exc

    @classmethod
    def _from_record(cls, record: dict[str, Any]) -> EmbedderCard:
        del record["input_shape"]
        pixels = np.frombuffer(base64.b64decode(record.pop("canary_images")), np.uint8)
        card = cls(
            same_different=SameDifferent(**record.pop("same_different")),
            canary_images=pixels.reshape(-1, SIDE, SIDE),
            canary_embeddings=np.array(record.pop("canary_embeddings"), np.float32),
            **record,
        )
        if card.canary_embeddings.shape != (len(card.canary_images), card.dimension):
            raise ValueError("an embedding of a test digit has not the dimension")
        return card
