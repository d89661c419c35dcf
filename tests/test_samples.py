"""The committed sample pictures are those the code draws."""

import io

import pytest
from PIL import Image, ImageChops

from tests.samples import FOLDER, samples


@pytest.mark.parametrize("name", sorted(samples()))
def test_a_sample_is_what_the_code_draws(name: str) -> None:
    with Image.open(FOLDER / name) as stored:
        drawn = io.BytesIO()
        samples()[name].save(drawn, stored.format)
        with Image.open(drawn) as again:
            assert (
                ImageChops.difference(stored.convert("RGB"), again.convert("RGB")).getbbox() is None
            )
