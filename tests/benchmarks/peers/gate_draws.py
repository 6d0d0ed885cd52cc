"""Two models that are asked the same questions, drawn; imported by both sides, so it needs nothing but numpy.

A model is right about a caption where a number is below the share of all captions that it is right about. Part of the number is the
picture's, so captions of one picture go wrong together; part of it is the same for both models, so that they mostly agree.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

RIGHT = 0.6  # share of the captions that the champion is right about
ALIKE = 0.9  # how much the two models' numbers go together
OF_PICTURE = 0.9  # share of a number that all captions of a picture have in common


@dataclass(frozen=True)
class Scene:
    """What is drawn.

    Args:
        pictures: of each set.
        captions: of each picture.
        guards: sets besides the primary one.
        gain: how much better the challenger is in the primary set, as a share of the captions.
        fall: how much worse it is in each guard, or in the first ones.
        fallen: how many of the first ones; all of them unless given.
        margin: how much a guard may fall.
        runs: how often.
    """

    pictures: int
    captions: int = 1
    guards: int = 0
    gain: float = 0.0
    fall: float = 0.0
    fallen: int | None = None
    margin: float = 0.02
    runs: int = 2000

    def drawn(self, run: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which captions challenger and champion are right about [1 + guards, pictures * captions], the primary set first."""
        rng = np.random.default_rng([run, self.pictures, self.captions, self.guards])
        shares = np.full((1 + self.guards, 1), RIGHT)
        shares[1 : 1 + (self.guards if self.fallen is None else self.fallen)] -= self.fall
        shares[0] += self.gain
        both, ours, theirs = (self._numbers(rng) for _ in range(3))
        return tuple(
            ALIKE**0.5 * both + (1 - ALIKE) ** 0.5 * own < np.vectorize(NormalDist().inv_cdf)(share)
            for own, share in ((ours, shares), (theirs, np.full_like(shares, RIGHT)))
        )  # type: ignore[return-value]  # two of them

    def _numbers(self, rng: np.random.Generator) -> np.ndarray:
        shape = (1 + self.guards, self.pictures)
        of_picture = np.repeat(rng.standard_normal(shape, np.float32), self.captions, 1)
        own = rng.standard_normal((shape[0], self.pictures * self.captions), np.float32)
        return OF_PICTURE**0.5 * of_picture + (1 - OF_PICTURE) ** 0.5 * own


SCENES = {
    "equal models": Scene(pictures=1000),
    "two points better": Scene(pictures=5000, gain=0.02),
    "worse by the margin": Scene(pictures=1000, captions=5, guards=1, gain=0.1, fall=0.02),
    "ten equal guards": Scene(pictures=5000, guards=10, gain=0.1, margin=0.015, runs=400),
    "five captions, one guard of ten worse by the margin": Scene(
        pictures=1000, captions=5, guards=10, gain=0.1, fall=0.02, fallen=1
    ),
    "five captions, ten equal guards": Scene(pictures=1000, captions=5, guards=10, gain=0.1, margin=0.023, runs=400),
}
