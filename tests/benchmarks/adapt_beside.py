"""What stands beside an adapted model in tests/benchmarks/adapt.py, on the same splits: the start as it is, a linear probe, and plain full tuning.

Each is what most would do, and chooses by `val` as the race does. The start is asked by its own texts. The linear probe of labels is that of
components/finetuning/labels/linear_probe.py; of captions it is a linear map from a picture's vector to its caption's, by least squares drawn back to the identity
(Hoerl and Kennard 1970). Plain full tuning trains every weight, statistics of batch norms too, by one rate and the same loss, for as many steps as the budget has
room for; the best of its looks is taken, all the way.
Axes: N pictures, D shared width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student
from torch import nn

from components.contracts.progress import silent
from components.data.evaluation_set import EvaluationSet
from components.data.selection import Pool
from components.evaluation.embedding import Embedder
from components.evaluation.retrieval import Gallery, Retrieval, recall_at_1
from components.finetuning.freeze import Freeze
from components.finetuning.labels.answers import Answers
from components.finetuning.labels.choice import Choice
from components.finetuning.labels.linear_probe import LinearProbe
from components.finetuning.labels.way import Seen, plain
from components.finetuning.race import race
from components.finetuning.strategy import Strategy
from components.recipes.given_model import read_given
from components.stages.adapt import of_set
from components.stages.heats import Heats, watching_labels
from components.stages.raced import batch_of, batches_of, found_of, most_of
from components.stages.selected import watching
from components.training.numbers import Optimisation

PENALTIES = (100.0, 10.0, 1.0, 0.1, 0.01)  # of the squared distance to the identity, for vectors of unit length
PLAIN = Optimisation(optimizer="adamw", lr=1.0e-4, weight_decay=0.1, warmup=0.1)
ARMS = ("start", "linear probe", "plain tuning")


class Plain(Strategy):
    """Trains all there is."""

    def prepare(self, model: nn.Module) -> Freeze:
        """Return nothing as what stays."""
        return Freeze(model, ("*",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What all arms share.

    Args:
        start: the folder of the model.
        pools: train, val and pair.
        choice: the labels that are told apart; None where captions are found.
        emoji: the set of others.
        budget_s: seconds of plain tuning.
        batch: pairs a step.
        seed: of draws.
    """

    start: Path
    pools: Mapping[str, Pool]
    choice: Choice | None
    emoji: EvaluationSet
    budget_s: float
    batch: int
    seed: int

    def run(self, folder: Path) -> dict[str, dict[str, float]]:
        """Return of each arm its number on one's own `pair`, and that of the emoji."""
        at_start = self._embedder()
        kept = self._elsewhere(at_start)  # of the start and of the probe, which changes no weight
        probed = self._probe_of_labels(at_start, self.choice) if self.choice else self._probe_of_captions(at_start)
        return {
            "start": {"own": self._own(at_start), "emoji": kept},
            "linear probe": {"own": probed, "emoji": kept},
            "plain tuning": self._tuned(folder),
        }

    def _embedder(self) -> Embedder:
        given = read_given(self.start).encoder
        assert isinstance(given, Embedder)
        return given

    def _own(self, embedder: Embedder) -> float:
        pair = self.pools["pair"]
        if self.choice:
            asks = Answers(self.choice.labels, None, "its own text")
            found = found_of(embedder, "pair", self.choice.pool("pair", pair), asks, self.seed, silent)
            return next(one.value for one in found.metrics if one.name.endswith("class.top1"))
        found = found_of(embedder, "pair", pair, Retrieval(), self.seed, silent)
        return float(np.mean([one.value for one in found.metrics if one.name.endswith(".recall_at_1")]))

    def _elsewhere(self, embedder: Embedder) -> float:
        return of_set(self.emoji).number(embedder, silent)

    def _probe_of_labels(self, embedder: Embedder, choice: Choice) -> float:
        seen = Seen.of(embedder, choice, self.pools["train"], self.pools["val"], self.seed)
        fitted = LinearProbe().fit(seen, plain(embedder, choice.labels), silent)
        asks = Answers(choice.labels, fitted.vectors, "linear probe")
        found = found_of(embedder, "pair", choice.pool("pair", self.pools["pair"]), asks, self.seed, silent)
        return next(one.value for one in found.metrics if one.name.endswith("class.top1"))

    def _probe_of_captions(self, embedder: Embedder) -> float:
        images = {name: embedder.pictures(pool.pictures, silent, name) for name, pool in self.pools.items()}
        said = embedder.texts([texts[0] for texts in self.pools["train"].captions])
        maps = [mapped(images["train"], said, penalty) for penalty in PENALTIES]
        scores = [self._recall(embedder, "val", images["val"] @ one) for one in maps]
        return self._recall(embedder, "pair", images["pair"] @ maps[int(np.argmax(scores))])

    def _recall(self, embedder: Embedder, split: str, images: Float[np.ndarray, "N D"]) -> float:
        pool = self.pools[split]
        gallery = Gallery.of(pool.keys, pool.captions, pool.concepts)
        rows = images / np.linalg.norm(images, axis=1, keepdims=True)
        return float(np.mean(list(recall_at_1(rows @ embedder.texts(gallery.texts).T, gallery.belongs).values())))

    def _tuned(self, folder: Path) -> dict[str, float]:
        embedder, train, val = self._embedder(), self.pools["train"], self.pools["val"]
        watch = watching_labels(embedder, self.choice, val, silent) if self.choice else watching(embedder, val, silent)
        batch = batch_of(train, self.batch)
        heats = Heats(
            embedder=embedder, ways={"plain": Plain(share=1.0, optimisation=PLAIN, alphas=(1.0,))},
            batches=batches_of(embedder, train, batch, self.seed, silent), watch=watch, seed=self.seed, folder=folder, progress=silent,
            start={name: value.detach().clone() for name, value in embedder.model.state_dict().items()}, budget_s=self.budget_s,
        )  # fmt: skip
        last = race(["plain"], heats.run, self.budget_s, most_of(len(train), batch))[-1]
        embedder.model.load_state_dict(dict(heats.tuned(last)))
        embedder.model.eval()
        return {"own": self._own(embedder), "emoji": self._elsewhere(embedder), "steps": last.steps}


def mapped(image: Float[np.ndarray, "N D"], text: Float[np.ndarray, "N D"], penalty: float) -> Float[np.ndarray, "D D"]:
    """Return the linear map M with the least |image M - text|^2 + penalty |M - I|^2."""
    identity = penalty * np.eye(image.shape[1])
    return np.linalg.solve(image.T @ image + identity, image.T @ text + identity)


def against_best(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how far adapted is from the best of the arms, seed by seed, and what it lost on the emoji: means with 95% intervals over the seeds (Student 1908).

    The best is chosen anew for each seed, by the number that is compared, which favours the arms. Of one seed there is no interval.
    """
    gains = [run["adapted"]["own"] - max(run["beside"][arm]["own"] for arm in ARMS) for run in runs]
    losses = [run["adapted"]["emoji"] - run["beside"]["start"]["emoji"] for run in runs]
    return {"seeds": len(runs), "gain": over_seeds(gains), "emoji": over_seeds(losses)}


def over_seeds(values: Sequence[float]) -> dict[str, float | None]:
    """Return mean, and both ends of its interval."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return {"mean": round(mean, 4), "low": None, "high": None}
    reach = float(student.ppf(0.975, count - 1)) * float(np.std(values, ddof=1)) / count**0.5
    return {"mean": round(mean, 4), "low": round(mean - reach, 4), "high": round(mean + reach, 4)}
