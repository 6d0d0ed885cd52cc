"""Pictures that are named go through other views than the rest, each as if its views were alone."""

import pytest
import torch

from components.contracts.errors import ConfigError
from components.data.transforms.views import Views
from components.data.transforms.views_by_row import ViewsByRow

NAMED = torch.tensor([False, True, True, False, False, True, False, True])
ROWS = torch.tensor([7, 0, 3, 1, 5, 4])
PLAIN = {"degrees": 5.0, "shift": 0.05, "zoom": (0.9, 1.1), "colour": 0.1, "grey": 0.0, "background": 0.0}
DRAWN = {**PLAIN, "degrees": 20.0, "grey": 0.5, "background": 0.9, "sketched": 0.4, "outlined": 0.4}
CUT = {**PLAIN, "erase": 0.9, "flip": 0.5, "blur": 0.9, "solarise": 0.7, "crop": (0.3, 0.6)}


@pytest.fixture
def pictures():
    return torch.randint(0, 256, (len(ROWS), 4, 40, 40), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def seeded():
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize(("views", "others"), [(PLAIN, DRAWN), (DRAWN, PLAIN), (PLAIN, CUT), (CUT, DRAWN)])
def test_each_picture_is_what_its_own_views_make_of_it(pictures, views, others):
    views, others = (Views(pixels=32, **numbers) for numbers in (views, others))
    both = ViewsByRow(views, others, NAMED)
    found = both.show(pictures, both.drawn_of(ROWS, seeded()))
    draw = seeded()
    alone = [one.show(pictures, one.drawn(len(ROWS), draw)) for one in (views, others)]
    named = NAMED[ROWS]
    assert 0 < named.sum() < len(ROWS)
    torch.testing.assert_close(found[~named], alone[0][~named])
    torch.testing.assert_close(found[named], alone[1][named])
    assert not torch.allclose(alone[0], alone[1])


def test_what_others_are_named_changes_no_draw(pictures):
    views, others = Views(pixels=32, **PLAIN), Views(pixels=32, **DRAWN)
    one, two = (
        ViewsByRow(views, others, named).drawn_of(ROWS, seeded()) for named in (NAMED, NAMED | (torch.arange(8) == 0))
    )
    same = ROWS != 0
    torch.testing.assert_close(one.angle[same], two.angle[same])
    assert one.angle[~same] != two.angle[~same]


def test_views_without_rows_are_as_ever():
    views = Views(pixels=32, **DRAWN)
    torch.testing.assert_close(views.drawn_of(ROWS, seeded()).angle, views.drawn(len(ROWS), seeded()).angle)


def test_which_pictures_they_are_is_to_be_said():
    with pytest.raises(TypeError, match="drawn_of"):
        ViewsByRow(Views(pixels=32), Views(pixels=32), NAMED).drawn(8, seeded())


def test_two_sizes_are_refused():
    with pytest.raises(ConfigError, match="views are 32 and 48 pixels a side"):
        ViewsByRow(Views(pixels=32), Views(pixels=48), NAMED)
