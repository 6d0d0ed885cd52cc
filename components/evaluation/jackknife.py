"""How far a statistic could be off that is no mean over queries: it is taken again and again with a part of the queries left out.

Source: Kott 2001, "The delete-a-group jackknife", Journal of Official Statistics 17(4) (groups at random, a t distribution of one degree less than
there are groups). Differs: queries that belong together are left out together. A bootstrap would not do: it draws queries twice, and rows
that are there twice lie in fewer dimensions and nearer to each other than rows of as many queries do.
Golden: of a mean, the standard error that Student's t gives.
Axes: Q queries, B blocks.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from jaxtyping import Int

from components.evaluation.bootstrap import CONFIDENCE
from components.evaluation.student import student

BLOCKS = 20  # more narrow an interval by less than a tenth: t has 19 degrees, of 2.09 deviations, and 1.96 in the end

Statistics = Callable[[Int[np.ndarray, "Q"]], Mapping[str, float]]
"""Numbers by name, of some of the queries, which are given by their places."""


def intervals(
    statistics: Statistics, groups: Sequence[Hashable], seed: int, blocks: int = BLOCKS
) -> dict[str, tuple[float, float]]:
    """Return the interval of each statistic of all queries, around what it is; nothing where all are of one group.

    A statistic that is no number of what some block leaves, as one of pairs is of a single row, has none.

    Args:
        statistics: of some of the queries; called once for all, and once for each block.
        groups: what each query is about: queries of one group are left out together.
        seed: of the order in which groups are dealt into blocks.
        blocks: how many, fewer where there are fewer groups.
    """
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    if len(numbers) < 2:
        return {}
    blocks = min(blocks, len(numbers))
    dealt = np.random.default_rng(seed).permutation(len(numbers)) % blocks
    block_of = dealt[[numbers[group] for group in groups]]
    whole = statistics(np.arange(len(groups)))
    without = [statistics(np.flatnonzero(block_of != block)) for block in range(blocks)]
    reach = student(CONFIDENCE, blocks - 1)
    found = {}
    for name, value in whole.items():
        left = np.array([one[name] for one in without])
        if not np.isfinite([value, *left]).all():
            continue
        error = float(np.sqrt((blocks - 1) / blocks * ((left - value) ** 2).sum()))
        found[name] = (value - reach * error, value + reach * error)
    return found
