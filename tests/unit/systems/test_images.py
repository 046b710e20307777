"""Decoding: pictures turned upright, within bounded memory."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from systems.compute.producing import recipe_for
from systems.data import images
from tests.unit.input.forms import encoded, picture
from tests.unit.input.pictures import orientation
from unlearning.domain import Examples

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_is_shown_as_viewers_show_it(value: int) -> None:
    """Pillow's own transposition is the reference; scaling first and turning then is the same."""
    stored = picture(3).resize((8, 12))
    content = encoded(stored, exif=orientation(value))
    with Image.open(BytesIO(content)) as opened:
        upright = ImageOps.exif_transpose(opened)
    expected = np.asarray(upright.resize((8, 8), Image.Resampling.BILINEAR), np.int16)
    found = images.decode([content], size=8, channels=3)[0].transpose(1, 2, 0)
    assert np.abs(found - expected).max() <= 1


MEASURED = """
import io, resource, sys
import numpy as np
from PIL import Image
from systems.data import images
from systems.data.forms.pictures import inspect, shape_of
file = io.BytesIO()
Image.effect_noise((3000, 2000), 40).convert("RGB").save(file, "JPEG", quality=60)
photos = [file.getvalue()] * 60
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
shape = shape_of([inspect(photos, range(60), name="photos")], size=None)
decoded = images.decode(photos, size=shape.size, channels=shape.channels)
print(decoded.nbytes, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_sixty_photographs_do_not_ask_for_gigabytes() -> None:
    """6 megapixels each; 40 million pixels at a time, at up to 12 bytes each, are 480 MB."""
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    size, more = map(int, ran.stdout.split())
    assert size == 60 * 3 * 128 * 128
    assert more < 600


def test_the_recipe_of_large_pictures_needs_no_copy_of_them() -> None:
    pixels = np.zeros((4, 3, 500, 500), np.uint8)
    pixels[:2] = 255
    people = np.array(["a", "b", "c", "d"])
    recipe = recipe_for("resnet20", 2, Examples(pixels, np.zeros(4, np.int64), people, people))
    assert recipe.mean == (0.5,) * 3
    assert recipe.std == (0.5,) * 3
