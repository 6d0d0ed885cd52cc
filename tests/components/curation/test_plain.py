"""Colours and edges: what is alike lies together, and what cannot be said is not."""

import numpy as np
import pytest

from components.contracts.embedder import Embedder
from components.contracts.errors import CapabilityError
from components.curation.plain import PlainEmbedder
from tests.squares import square_pool


def test_a_colour_or_a_place_in_common_makes_squares_nearer():
    pool = square_pool()
    rows = PlainEmbedder().pictures(pool.pictures)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows.T
    colour, place = (np.array([group[label] for group in pool.groups]) for label in ("category", "subcategory"))
    same_colour, same_place = (labels[:, None] == labels[None] for labels in (colour, place))
    neither = cosines[~same_colour & ~same_place].mean()
    assert cosines[same_colour & ~same_place].mean() > neither + 0.01
    assert cosines[same_place & ~same_colour].mean() > neither + 0.01
    assert cosines[same_colour & same_place].mean() > neither + 0.1


def test_what_cannot_be_decoded_is_no_number_and_each_stands_alone():
    first, second = square_pool().pictures[:2]
    rows = PlainEmbedder().pictures([first, b"nothing", second])
    assert np.isnan(rows[1]).all()
    assert (rows[2] == PlainEmbedder().pictures([second])[0]).all()


def test_it_knows_no_text():
    assert isinstance(PlainEmbedder(), Embedder)
    with pytest.raises(CapabilityError, match=r"and no text\. Name a package"):
        PlainEmbedder().texts(["a square"])
