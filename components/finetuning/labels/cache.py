"""Cache: a label is also what its training pictures look like, so that a picture is told by its text and by its neighbours.

Source: Zhang et al. 2021, arXiv:2111.03930, section 3.1 (Tip-Adapter: keys are training pictures, and an answer falls off with exp of the distance).
Differs: the text is mixed into each key and not added to the answers, so that a label is nothing but vectors: of one at strength m,
exp(s cos) is about exp(s (1 - m) cos(text)) exp(s m cos(key)), the product of the two answers. Where a label has more pictures than it may
have keys, its keys are the centres of spherical k-means. All labels have as many keys, so that none counts for more because it was shown oftener.
Axes: N pictures of a label, K keys, D shared width.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.finetuning.labels.way import SHARPNESSES, STRENGTHS, LabelVectors, LabelWay, Seen, unit

MOST = 4_096  # vectors of all labels together


class Cache(LabelWay):
    """Keys of each label; arguments as of LabelWay, and

    Args:
        keys: of a label, several numbers to choose from; 1 is the mean of its pictures.

    Raises ConfigError for fewer than one.
    """

    def __init__(
        self, strengths: Sequence[float] = STRENGTHS, sharpnesses: Sequence[float] = SHARPNESSES,
        keys: Sequence[int] = (1, 4, 16, 64),
    ) -> None:  # fmt: skip
        super().__init__(strengths, sharpnesses)
        if not keys or min(keys) < 1:
            raise ConfigError(f"keys are {list(keys)}, but a label has one at least. 1, 4 and 16 are usual.")
        self.keys = tuple(sorted(keys))

    def candidates(self, seen: Seen, begun: LabelVectors, progress: Progress) -> Iterator[LabelVectors]:
        """Yield the keys of all labels, by how many there are; a label without pictures has its text alone."""
        labels = len(seen.choice.labels)
        largest = int(np.bincount(seen.train.label, minlength=labels).max())
        for done, count in enumerate(self.keys, 1):
            if done > 1 and (count * labels > MOST or self.keys[done - 2] >= largest):
                return
            rows = [
                _keys(own, count, seen.seed) if len(own) else np.repeat(text[None], count, axis=0)
                for own, text in ((seen.train.image[seen.train.label == place], begun.vectors[place]) for place in range(labels))
            ]  # fmt: skip
            progress("filling the cache", done, len(self.keys))
            yield LabelVectors(vectors=np.concatenate(rows), counts=(count,) * labels)


def _keys(rows: Float[np.ndarray, "N D"], count: int, seed: int) -> Float[np.ndarray, "K D"]:
    """Return centres of the rows; the different rows themselves, in turn, where there are no more of them."""
    different = np.unique(rows, axis=0)
    if len(different) <= count:
        return different[np.arange(count) % len(different)]
    if count == 1:
        return unit(rows.mean(0, keepdims=True))
    from sklearn.cluster import KMeans  # a second to import

    return unit(KMeans(count, n_init=1, random_state=seed).fit(rows).cluster_centers_)
