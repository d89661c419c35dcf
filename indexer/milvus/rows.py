"""The digits of an index in Milvus: a collection with a row for each.

A row's key is the position of its digit. Rows are only ever added; which of them a generation has,
its manifest says, and every question leaves out the others: those at positions that the generation
does not reach, and those it has removed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.convention import SIDE
from data.errors import IndexCorrupt
from indexer.milvus.records import create
from indexer.milvus.server import Server

LONGEST_NAME = 512
PIXELS = -(-SIDE * SIDE // 3) * 4  # characters of a picture in base64
AT_A_TIME = 1_000  # rows written
READ = 4_096  # rows read


@dataclass(frozen=True)
class Batch:
    """Rows to write: vectors (n, d) floats, labels (n,), names, images (n, 28, 28) or None."""

    vectors: np.ndarray
    labels: np.ndarray
    names: Sequence[str]
    images: np.ndarray | None


class RowTable:
    """One collection of rows."""

    def __init__(self, server: Server, name: str) -> None:
        """The collection called `name`."""
        self.server, self.name = server, name

    def create(self, dimension: int) -> None:
        """Make it, for vectors of this length, if it is not there."""
        if self.server.call("has_collection", self.name):
            self.check(dimension)
            return
        from pymilvus import DataType

        schema = self.server.client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("position", DataType.INT64, is_primary=True)
        schema.add_field("id", DataType.VARCHAR, max_length=LONGEST_NAME)
        schema.add_field("label", DataType.INT16)
        schema.add_field("image", DataType.VARCHAR, max_length=PIXELS)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        create(self.server, self.name, schema, "vector")

    def check(self, dimension: int) -> None:
        """Make sure that it is there, with vectors of this length.

        Raises:
            IndexCorrupt: it is not.
        """
        place = self.server.address
        if not self.server.call("has_collection", self.name):
            raise IndexCorrupt(f"{place}: its collection {self.name} is gone; index again")
        fields = self.server.call("describe_collection", self.name)["fields"]
        received = [field["params"].get("dim") for field in fields if field["name"] == "vector"]
        if [int(one) for one in received] != [dimension]:
            raise IndexCorrupt(
                f"{place}: expected vectors of length {dimension} in its collection {self.name},"
                f" received {received[0] if received else 'none'}; index again"
            )

    def write(self, start: int, batch: Batch) -> None:
        """Put rows at positions from `start` on; what is there is replaced."""
        pictures = (
            [""] * len(batch.labels)
            if batch.images is None
            else [base64.b64encode(image.tobytes()).decode() for image in batch.images]
        )
        rows = [
            {
                "position": start + row,
                "id": name,
                "label": int(label),
                "image": picture,
                "vector": v,
            }
            for row, (name, label, picture, v) in enumerate(
                zip(
                    batch.names,
                    batch.labels,
                    pictures,
                    np.asarray(batch.vectors, np.float32),
                    strict=True,
                )
            )
        ]
        for first in range(0, len(rows), AT_A_TIME):
            self.server.call("upsert", self.name, rows[first : first + AT_A_TIME])

    def flush(self) -> None:
        """Have the server write down what it was given."""
        self.server.call("flush", self.name)

    def count(self, start: int, stop: int) -> int:
        """How many rows there are at positions `start` to `stop` - 1."""
        where = f"position >= {start} and position < {stop}"
        found = self.server.call("query", self.name, filter=where, output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def read(
        self, positions: np.ndarray, fields: list[str]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Rows at `positions` (m,), ascending and different, each with its place among them.

        Raises:
            IndexCorrupt: one is not there.
        """
        for start in range(0, len(positions), READ):
            asked = positions[start : start + READ]
            first, last = int(asked[0]), int(asked[-1])
            where = (
                f"position >= {first} and position <= {last}"
                if last - first + 1 == len(asked)
                else f"position in {asked.tolist()}"
            )
            rows = self.server.call(
                "query",
                self.name,
                filter=where,
                output_fields=["position", *fields],
                limit=len(asked),
            )
            if len(rows) != len(asked):
                raise IndexCorrupt(
                    f"{self.server.address}: expected {len(asked):,} rows at positions {first:,} to"
                    f" {last:,}, received {len(rows):,}; index again"
                )
            found = np.array([row["position"] for row in rows])
            for place, row in zip(start + np.searchsorted(asked, found), rows, strict=True):
                yield int(place), row

    def search(
        self, queries: np.ndarray, limit: int, where: str, fields: list[str]
    ) -> list[list[dict[str, Any]]]:
        """The rows nearest to each query, as Milvus has them."""
        found = self.server.call(
            "search",
            self.name,
            data=list(queries),
            limit=limit,
            filter=where,
            output_fields=fields,
            search_params={"metric_type": "L2"},
        )
        return list(found)
