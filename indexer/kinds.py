"""The kinds of index, as data, and how an empty one of each is made.

A kind is a way to store vectors (whole, half or 8-bit floats, or short codes) and a way to find
candidates (all of them, a graph, or the lists of the nearest centroids).
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import faiss
import numpy as np

from data.errors import UsageError

FAISS: Any = faiss  # its stubs do not know all of it
Way = Literal["all", "graph", "lists"]
ID_BYTES = 16  # in a list: the id, and in the table of ids: the place
LINKS = 16
BUILD_EFFORT = 80
PASSES = 8  # of k-means
SAMPLE_PER_LIST = 64
CODEBOOK = 256


class Kind(NamedTuple):
    """One kind of index.

    Attributes:
        name: as `--kind` and the manifest have it.
        factory: FAISS's own word for it, with places for its options.
        way: how candidates are found.
        number_bytes: how much a number of a vector takes.
        row_bytes: how much a vector takes besides.
        coded: candidates come by codes and are ranked again by stored half floats.
        smallest: number of vectors it can learn from.
        largest: number of vectors up to which building one is a matter of minutes.
    """

    name: str
    factory: str
    way: Way
    number_bytes: float
    row_bytes: int = 0
    coded: bool = False
    smallest: int = 1
    largest: float = math.inf

    @property
    def can_be_exact(self) -> bool:
        """Whether it can find what exact search finds, and promise it."""
        return self.number_bytes == 4 and self.way != "graph"

    def bytes_per_vector(self, dimension: int) -> float:
        """Bytes a vector takes, in the file and in memory."""
        return self.number_bytes * dimension + self.row_bytes

    def check_count(self, count: int) -> None:
        """Refuse to learn from so few vectors.

        Raises:
            UsageError: there must be more.
        """
        if count < self.smallest:
            raise UsageError(
                f"expected at least {self.smallest:,} digits for an index of kind {self.name},"
                f" received {count:,}; choose --kind flat"
            )


KINDS = {
    kind.name: kind
    for kind in (
        Kind("flat", "Flat", "all", 4),
        Kind("fp16", "SQfp16", "all", 2),
        Kind("sq8", "SQ8", "all", 1),
        Kind("hnsw", f"HNSW{LINKS}", "graph", 4, 8 * LINKS + 24, largest=1_000_000),
        Kind("ivf-flat", "IVF{lists},Flat", "lists", 4, ID_BYTES),
        Kind("ivf-fp16", "IVF{lists},SQfp16", "lists", 2, ID_BYTES),
        Kind("ivf-sq8", "IVF{lists},SQ8", "lists", 1, ID_BYTES),
        Kind(
            "ivf-pq",
            "IVF{lists},PQ{parts}np,Refine(SQfp16)",
            "lists",
            2.5,
            ID_BYTES,
            coded=True,
            smallest=CODEBOOK,
        ),
    )
}
FLAT = KINDS["flat"]


def find_kind(name: str) -> Kind:
    """The kind called `name`.

    Raises:
        UsageError: there is none.
    """
    if name not in KINDS:
        raise UsageError(f"expected a kind of index, {', '.join(KINDS)}, received {name!r}")
    return KINDS[name]


def structure(kind: Kind, count: int, dimension: int, *, exact: bool = False) -> dict[str, Any]:
    """The options that fix how an index of `count` vectors of length `dimension` is laid out.

    There are about twice as many lists as the square root of the count, so that finding the
    nearest centroids takes about as long as reading a few lists. An `exact` search reads about as
    many vectors whatever their lists, and was fastest with half as many of these.
    """
    options: dict[str, Any] = {}
    if kind.way == "lists":
        power = round(math.log2(2 * math.sqrt(count))) - (1 if exact else count < 1000)
        options["lists"] = 1 << max(0, power)
    if kind.coded:
        options["parts"] = dimension // 2 if dimension % 2 == 0 else dimension
    return options


def sample_size(options: dict[str, Any], count: int) -> int:
    """How many of `count` vectors an index learns from."""
    return min(count, SAMPLE_PER_LIST * max(int(options.get("lists", 0)), CODEBOOK))


def empty_engine(kind: Kind, options: dict[str, Any], sample: np.ndarray) -> Any:
    """A FAISS index without vectors that has learned from a sample (s, d) float32.

    Raises:
        UsageError: the sample is too small for this kind.
    """
    kind.check_count(len(sample))
    engine: Any = faiss.index_factory(sample.shape[1], kind.factory.format(**options))
    if kind.way == "graph":
        engine.hnsw.efConstruction = BUILD_EFFORT
    elif kind.way == "lists":
        ivf = faiss.extract_index_ivf(engine)
        ivf.cp.niter = PASSES
        ivf.cp.min_points_per_centroid = 1
        ivf.cp.max_points_per_centroid = SAMPLE_PER_LIST
    if kind.coded:
        coded: Any = faiss.downcast_index(ivf)
        coded.pq.cp.niter = PASSES
        coded.pq.cp.min_points_per_centroid = 1
        coded.pq.cp.max_points_per_centroid = SAMPLE_PER_LIST
        coded.use_precomputed_table = -1  # it would be as large as the codes, at every opening
    engine.train(np.ascontiguousarray(sample, np.float32))
    if kind.way == "lists":
        ivf.set_direct_map_type(FAISS.DirectMap.Array)
    return engine
