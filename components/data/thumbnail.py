"""A picture as a page for people shows it: small, encoded anew, inside the page."""

import base64
import io

from PIL import Image

SIDE = 72  # pixels, at most


def data_uri(picture: Image.Image) -> str:
    """Return the address of a PNG of at most SIDE pixels a side. Bytes that came in are never handed to a browser."""
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    held = io.BytesIO()
    small.save(held, "PNG")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"
