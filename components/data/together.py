"""Which samples belong together by what they have in common, such as a concept or a series, be it through others between them.

Axes: N samples.
"""

from collections.abc import Hashable, Sequence


def together(*columns: Sequence[Hashable | None]) -> list[int]:
    """Return for each of N samples the first that it belongs together with: they have the same in a column, or each of them has with one between.

    Args:
        columns: what each sample has; None joins a sample to no other, and an empty column says nothing.
    """
    said = [column for column in columns if len(column)]
    above = list(range(len(said[0]) if said else 0))

    def top(place: int) -> int:
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    for column in said:
        assert len(column) == len(above), "columns are of other samples"
        first: dict[Hashable, int] = {}
        for place, has in enumerate(column):
            if has is not None:
                one, other = top(place), top(first.setdefault(has, place))
                above[max(one, other)] = min(one, other)
    return [top(place) for place in range(len(above))]
