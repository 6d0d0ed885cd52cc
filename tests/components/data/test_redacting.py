"""Pictures as they may be stored: what is asked for goes, both at once too, and comes through JSON unchanged."""

import io
import json

import pytest
from PIL import Image
from skimage.data import astronaut

from components.data.container import container_of
from components.data.faces import FaceFinder
from components.data.pictures import on_white
from components.data.redacting import Redacted, Redacting
from components.data.sight import Fatal
from tests.defects import drawn, jpeg, tagged

PLACED = jpeg(Image.fromarray(astronaut()), exif=tagged(latitude=52.0))


@pytest.mark.parametrize("faces", [False, True])
@pytest.mark.parametrize("places", [False, True])
def test_what_is_asked_for_goes_and_nothing_else(faces, places):
    redacting = Redacting(faces=faces, places=places)
    found = redacting.see(PLACED)
    assert found.gone == (*(["gps"] if places else []), *(["face"] if faces else []))
    data = found.data or PLACED
    assert container_of(data).says_where == (not places and not faces)  # a picture that is drawn anew says nothing
    assert FaceFinder()(on_white(data)) == (not faces)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"
    assert redacting.from_json(json.loads(json.dumps(redacting.to_json(found)))) == found
    assert redacting.see(jpeg(drawn(1))) == Redacted() == redacting.see(b"no picture")


def test_how_one_ended_its_process_comes_through_too():
    redacting = Redacting(faces=True)
    lost = redacting.lost(b"?", Fatal(reason="too_slow", detail="it came to no end"))
    assert redacting.from_json(json.loads(json.dumps(redacting.to_json(lost)))) == lost
    assert redacting.program == ("components.data.redacting", "faces")
