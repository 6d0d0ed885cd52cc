"""What looks like a tuple of pictures answers as one does, and reads what is asked for and no more."""

import pytest

from components.data.rows.lazy import LazyPictures, TakenPictures

WHOLE = tuple(bytes([number]) * 3 for number in range(5))


class Counted(LazyPictures):
    """Five pictures, with what was read of them."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __len__(self) -> int:
        return len(WHOLE)

    def read(self, place: int) -> bytes:
        self.seen.append(place)
        return WHOLE[place]


@pytest.mark.parametrize(
    "place", [*range(-5, 5), slice(None), slice(1, 4), slice(None, None, -2), slice(3, 99), slice(4, 1)]
)
def test_it_answers_as_a_tuple_does(place):
    assert Counted()[place] == WHOLE[place]
    assert TakenPictures([(WHOLE, at) for at in range(5)])[place] == WHOLE[place]


@pytest.mark.parametrize("place", [5, -6, 99])
def test_a_place_that_is_none_is_said(place):
    pictures = Counted()
    with pytest.raises(IndexError, match=f"no picture {place} among 5"):
        pictures[place]
    assert pictures.seen == []


def test_one_is_read_when_it_is_asked_for():
    pictures = Counted()
    taken = TakenPictures([(pictures, 4), (WHOLE, 0), (pictures, 2)])
    assert (len(taken), pictures.seen) == (3, [])
    assert taken[-1] == WHOLE[2]
    assert taken[:2] == (WHOLE[4], WHOLE[0])
    assert pictures.seen == [2, 4]
    assert list(taken) == [WHOLE[4], WHOLE[0], WHOLE[2]]
