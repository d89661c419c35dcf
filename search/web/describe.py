"""What the routes take, as they are described to programs (OpenAPI) and checked."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from search.web.body import JSON
from search.web.limits import MOST_NEIGHBOURS

FORM = "multipart/form-data"
PIXELS = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
BODY: dict[str, Any] = {
    "requestBody": {
        "description": "A picture; or numbers: one digit of 28 x 28 or several, or a picture",
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            JSON: {"schema": PIXELS},
        },
    }
}
PAIR: dict[str, Any] = {
    "requestBody": {
        "description": "Two pictures as a form, or one body with two digits",
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        name: {"type": "string", "format": "binary"} for name in ("a", "b")
                    },
                }
            },
            **BODY["requestBody"]["content"],
        },
    }
}

Neighbours = Annotated[
    int | None, Query(ge=1, le=MOST_NEIGHBOURS, description="How many neighbours")
]
Ids = Annotated[list[str], Query(alias="id", description="Stored digits to ask about")]
Single = Annotated[bool, Query(description="Take all ink on a picture as one digit")]
Input = Annotated[
    bool, Query(alias="input", description="Add each digit as the model sees it, 28 rows of 28")
]
Place = Annotated[bool, Query(description="Add the place of each digit on the map")]
