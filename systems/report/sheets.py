"""A sheet of what generators draw of a class that is forgotten: pixels in, PNG bytes out."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from unlearning.domain import ByteArray

PIXELS = 32
"""At least so many on each side of a picture."""

GREY = 160
"""Between pictures, so that a white one is seen as such."""


def sheet_png(sheet: ByteArray) -> bytes | None:
    """Lay out pictures (generators, n, channels, size, size), a line each; None of none."""
    if not sheet.size:
        return None
    times = max(1, -(-PIXELS // sheet.shape[3]))
    large = sheet.repeat(times, 3).repeat(times, 4)
    framed = np.pad(large, [(0, 0)] * 3 + [(1, 1)] * 2, constant_values=GREY)
    lines = [np.concatenate(list(line.transpose(0, 2, 3, 1)), axis=1) for line in framed]
    page = np.concatenate(lines)
    grey = page.shape[2] == 1
    out = BytesIO()
    Image.fromarray(page[:, :, 0] if grey else page[:, :, :3]).save(out, "PNG")
    return out.getvalue()
