"""The grid of examples, on pictures of one colour whose neighbours are known by eye."""

import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from components.evaluation.examples import (
    CELL,
    HEAD,
    LABEL,
    MARGIN,
    RIGHT,
    WRONG,
    Example,
    Shown,
    draw,
    nearest_pictures,
)

COLOURS = {"red": (230, 20, 20), "green": (20, 200, 40), "blue": (30, 40, 220)}


def png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def found() -> list[Example]:
    names = ["red", "green", "blue"]
    rows = np.eye(3, dtype=np.float32)

    def embed(texts):
        towards = {"red": [1, 0.5, 0], "green": [0, 1, 0.5], "blue": [0.9, 0, 0.8]}  # blue is taken for red
        return np.array([towards[text] for text in texts], np.float32)

    return nearest_pictures(embed, names, names, [png(COLOURS[name]) for name in names], rows, texts=3, each=2)


def test_the_nearest_pictures_come_first_and_are_right_where_they_show_the_text(found):
    assert [example.text for example in found] == ["blue", "green", "red"]
    assert [[shown.right for shown in example.shown] for example in found] == [
        [False, True],
        [True, False],
        [True, False],
    ]
    assert found[0].shown[0].picture == png(COLOURS["red"])


def test_names_are_spread_over_the_alphabet_and_no_more_are_shown_than_there_are():
    names = [f"{letter}" for letter in "abcdefgh"]
    rows = np.eye(8, dtype=np.float32)

    def embed(texts):
        return rows[[names.index(text) for text in texts]]

    pictures = [png(COLOURS["red"])] * 8
    assert [one.text for one in nearest_pictures(embed, names, names, pictures, rows, texts=2)] == ["c", "g"]
    every = nearest_pictures(embed, names, names, pictures, rows, texts=20, each=20)
    assert [one.text for one in every] == names
    assert {len(one.shown) for one in every} == {8}


def test_a_picture_of_the_same_concept_under_another_name_is_right():
    rows = np.eye(2, dtype=np.float32)
    names, concepts = ["heart", "red heart"], ["2764", "2764"]
    found = nearest_pictures(lambda texts: rows[: len(texts)], names, concepts, [png(COLOURS["red"])] * 2, rows)
    assert all(shown.right for example in found for shown in example.shown)


def test_frames_say_what_is_right(found):
    sheet = Image.open(io.BytesIO(draw(found, "The nearest"))).convert("RGB")
    for row, example in enumerate(found):
        for column, shown in enumerate(example.shown):
            at = (MARGIN + LABEL + column * CELL, MARGIN + HEAD + row * CELL + 10)
            wanted = np.array(ImageColor.getrgb(RIGHT if shown.right else WRONG))
            assert np.abs(np.array(sheet.getpixel(at)) - wanted).max() <= 8, "few colours are kept, but these are"


@pytest.mark.parametrize(
    "text", ["", "Åland", "心", "a text that is far too long for the space that is left of its pictures"]
)
def test_any_text_can_be_drawn(text):
    data = draw([Example(text=text, shown=(Shown(picture=png(COLOURS["blue"]), right=True),))], text)
    assert Image.open(io.BytesIO(data)).format == "PNG"
    assert data == draw([Example(text=text, shown=(Shown(picture=png(COLOURS["blue"]), right=True),))], text)
