"""A look that measures is the same here and in a process of its own, to the last bit."""

import json

import pytest
from PIL import Image
from skimage.data import astronaut

from components.data.sight import Fatal
from components.validation.looking import Looking
from tests.components.validation.conftest import picture
from tests.defects import PICTURES, saved

FACE = saved(Image.fromarray(astronaut()).resize((200, 200)), "PNG")


@pytest.mark.parametrize("asked", [{}, {"faces": True, "thumbnails": True}])
def test_what_is_found_goes_through_json_unchanged(asked):
    looking = Looking(**asked)
    for data in (picture(3), FACE, b"", b"<html>", *(make(7) for _, make in PICTURES.values())):
        found = looking.see(data)
        assert looking.from_json(json.loads(json.dumps(looking.to_json(found)))) == found
        assert (found.thumbnail is not None) == (bool(asked) and bool(found.measured.decodable))


def test_faces_are_found_where_they_are_asked_for():
    assert Looking(faces=True).see(FACE).measured.face is True
    assert Looking(faces=True).see(picture(3)).measured.face is False
    assert Looking().see(FACE).measured.face is None


def test_of_a_picture_that_ended_its_process_the_reason_and_the_digest_are_known():
    lost = Looking().lost(b"?", Fatal(reason="too_slow", detail="it came to no end"))
    assert (lost.measured.flaw, lost.measured.fault, lost.measured.decodable) == (
        "too_slow",
        "it came to no end",
        False,
    )
    assert lost.sha256 == Looking().see(b"?").sha256


def test_its_program_is_told_what_is_asked_for():
    assert Looking(thumbnails=True).program == ("components.validation.looking", "thumbnails")
    assert Looking(faces=True, thumbnails=True).program[1:] == ("faces", "thumbnails")
