import json
from pathlib import Path

import numpy as np
import pytest

from components.contracts.errors import DataError
from components.data.masks import pack, unpack

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/masks.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["masks"], ids=lambda case: case["name"])
def test_masks_are_packed_as_coco_packs_them(case):
    mask = np.array([[letter == "x" for letter in row] for row in case["rows"]])
    assert pack(mask) == case["packed"]
    assert (unpack(case["packed"], mask.shape) == mask).all()


def test_any_mask_comes_back():
    draw = np.random.default_rng(0)
    for share in (0.0, 0.02, 0.5, 1.0):
        mask = draw.random((37, 64)) < share
        assert (unpack(pack(mask), mask.shape) == mask).all()


@pytest.mark.parametrize("packed", ["", "0", "`", "l2", "9999"])
def test_runs_that_do_not_fill_the_picture_are_an_error(packed):
    with pytest.raises(DataError, match="the picture has 8 x 9"):
        unpack(packed, (8, 9))
