"""Faces are looked for where params.yaml names them, and not otherwise."""

import io

from PIL import Image
from skimage.data import astronaut


def portrait() -> bytes:
    held = io.BytesIO()
    Image.fromarray(astronaut()).resize((200, 200)).save(held, "JPEG", quality=90)
    return held.getvalue()


def test_a_portrait_is_told_of_or_dropped_where_that_is_asked_for(case, make):
    case.ingest([make(0), make(1, data=portrait()), make(2, data=b"no picture")])
    assert case.validate()["told"] == {}
    assert case.validate(policy={"face": "keep"})["told"]["face"]["rows"] == 1
    assert case.validate(policy={"face": "drop"})["reasons"]["face"]["rows"] == 1
