import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.sealed import BrokenSeal, seal, unseal

RECORD = {"name": "zwölf", "count": 12, "share": 0.1, "parts": [1, {"deep": None}], "empty": {}}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=10,
)  # fmt: skip


@settings(deadline=None)  # a busy machine is no failure
@given(st.dictionaries(st.text("xyz", min_size=1), json_values))
def test_what_is_sealed_is_unsealed(record: dict[str, object]) -> None:
    assert unseal(seal(record)) == record


def test_every_flipped_bit_is_noticed() -> None:
    content = seal(RECORD)
    for bit in range(8 * len(content)):
        broken = bytearray(content)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BrokenSeal):
            unseal(bytes(broken))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b'{"seal": 1}', seal(RECORD)[:-1], seal(RECORD) + b"\n",
     seal(RECORD).replace(b"  ", b"   ", 1), b'{"a": NaN, "seal": ""}', b"[" * 100_000,
     b'{"a": ' + b"[" * 900 + b"]" * 900 + b', "seal": ""}', b'{"a": "\\ud800", "seal": ""}'],
)  # fmt: skip
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(BrokenSeal):
        unseal(content)
