"""Does it really answer? Triton calls a model ready whose Python process is dead, so only an inference can tell."""

import io

import numpy as np
from PIL import Image

from components.serving.errors import ServerFailed
from components.serving.triton_client import TritonClient

TEXT = "a picture"
UNIT_TOLERANCE = 1e-3


def probe(client: TritonClient) -> None:
    """Send one picture, one text, one search and one classification through every served model.

    Raises ServerFailed or RequestRefused when one answers badly, TransientError when nothing answers.
    """
    for name, rows in (("embed_image", client.embed_image([a_picture()])), ("embed_text", client.embed_text([TEXT]))):
        length = float(np.linalg.norm(rows[0].astype(np.float64)))
        if not abs(length - 1) <= UNIT_TOLERANCE:  # written so that NaN fails too
            raise ServerFailed(
                f"{name} at {client.address} gives an embedding of length {length:.4g} instead of 1, so scores would "
                "not be cosines. Package the model again: the encoders have to normalise."
            )
    if not client.search(TEXT, 1):
        raise ServerFailed(f"image_retrieval at {client.address} finds nothing in its index. Package the model again.")
    if client.classifies():
        only = client.classify(a_picture(), [TEXT], ["{}"]).labels
        if [answer.label for answer in only] != [TEXT] or not abs(only[0].score - 1) <= UNIT_TOLERANCE:
            raise ServerFailed(
                f"zero_shot_classifier at {client.address} is not sure of the only label there is. Package the model again."
            )


def a_picture() -> bytes:
    """Return a small encoded picture that every model takes."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(file, "PNG")
    return file.getvalue()
