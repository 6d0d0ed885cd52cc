"""What stands beside an adapted model in tests/benchmarks/adapt.py, on the same pictures: the start as it is, a linear probe, and plain full tuning.

Each is what most would do, and chooses as the race does: by `val`, and numbers of a linear probe of labels by folds where that is few. The start is asked by its own texts. The linear probe of labels is that of
components/finetuning/labels/linear_probe.py; of captions it is a linear map from a picture's vector to its caption's, by least squares drawn back to the identity
(Hoerl and Kennard 1970). Plain full tuning trains every weight, statistics of batch norms too, by one rate and the loss and batches that the race has, on one's own pictures alone: AdamW at two
rates and Muon as the start was trained by it race, in batches of each size that is asked for, for as much time in all as the race had, and the best of them is run once more for as many pairs as adapting learnt from,
however long that takes; the best look of all is taken, all the way. All
are tested on pictures that nobody has learnt from or chosen by: those that the draw left of one's own, and the emoji of
`pair`, where `val` is what bounds the race.
Axes: N pictures, D shared width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student
from torch import nn

from components.contracts.evaluator import Findings
from components.contracts.progress import silent
from components.data.evaluation_set import LABEL
from components.data.selection import Pool
from components.evaluation.embedding import Embedder
from components.evaluation.retrieval import Gallery, Retrieval, recall_at_1
from components.finetuning.ensemble import score
from components.finetuning.freeze import Freeze
from components.finetuning.interpolate import Weights
from components.finetuning.labels import folds
from components.finetuning.labels.answers import Answers
from components.finetuning.labels.choice import Choice
from components.finetuning.labels.linear_probe import LinearProbe
from components.finetuning.labels.way import LabelVectors, Seen, plain
from components.finetuning.race import Heat, race
from components.finetuning.strategy import Strategy
from components.recipes.given_model import read_given
from components.stages.elsewhere import found_of
from components.stages.heats import Heats, watching_labels
from components.stages.race_steps import batch_of, batches_of, most_of
from components.stages.selected import watching
from components.training.callbacks import Watch
from components.training.numbers import Optimisation

PENALTIES = (100.0, 10.0, 1.0, 0.1, 0.01)  # of the squared distance to the identity, for vectors of unit length
PLAIN = Optimisation(optimizer="adamw", lr=1.0e-4, weight_decay=0.1, warmup=0.1)
PLAINS = {
    "AdamW at 1e-4": PLAIN,
    "AdamW at 5e-4": replace(PLAIN, lr=5.0e-4),
    "Muon at 5e-3": replace(PLAIN, optimizer="muon", lr=5.0e-3),
}
"""What plain tuning can be by: as `whole` is, as training goes on of which nobody knows more, and as the start was trained."""
ARMS = ("start", "linear probe", "plain tuning")
GAIN, LOSS = 0.03, 0.01  # what is claimed: so much better than the best of these, and no more lost on the emoji


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
        pools: train and val.
        tested: one's own pictures that the draw left.
        choice: the labels that are told apart; None where captions are found.
        emoji: pictures of others to test on.
        budget_s: seconds of the race of plain tunings, in all; the best of them is then run for as many pairs as adapting learnt from.
        batches: pairs a step of plain tuning; where there are several, that with which it is best on val is taken.
        learnt: pictures that the adapted model learnt from, general ones with them: plain tuning may take as many pairs.
        seed: of draws.
    """

    start: Path
    pools: Mapping[str, Pool]
    tested: Pool
    choice: Choice | None
    emoji: Pool
    budget_s: float
    batches: Sequence[int]
    learnt: int
    seed: int

    def run(self, folder: Path) -> dict[str, dict[str, float]]:
        """Return of each arm its number on one's own, and that of the emoji."""
        at_start = embedder_of(self.start)
        kept = self.elsewhere(at_start)  # of the start and of the probe, which changes no weight
        probed = self._probe_of_labels(at_start, self.choice) if self.choice else self._probe_of_captions(at_start)
        return {
            "start": {"own": self.own(at_start), "emoji": kept},
            "linear probe": {"own": probed, "emoji": kept},
            "plain tuning": self._tuned(folder),
        }

    def own(self, embedder: Embedder, vectors: LabelVectors | None = None) -> float:
        """Return how often the first answer is right on one's own pictures: the label, or, both ways, the caption."""
        found = self.found(embedder, vectors)
        if self.choice:
            return next(one.value for one in found.metrics if one.name.endswith("class.top1"))
        return float(np.mean([one.value for one in found.metrics if one.name.endswith(".recall_at_1")]))

    def found(self, embedder: Embedder, vectors: LabelVectors | None = None) -> Findings:
        """Return what is found of a model on one's own pictures, labels told apart by vectors or by their own texts."""
        if self.choice is None:
            return found_of(embedder, "own", self.tested, Retrieval(), self.seed, silent)
        method = "what was found" if vectors else "its own text"
        return found_of(
            embedder, "own", labelled(self.tested), Answers(self.choice.labels, vectors, method), self.seed, silent
        )

    def elsewhere(self, embedder: Embedder) -> float:
        """Return mean recall of the emoji."""
        found = self.found_elsewhere(embedder)
        return next(one.value for one in found.metrics if one.name == "retrieval.emoji.mean_recall")

    def found_elsewhere(self, embedder: Embedder) -> Findings:
        """Return what is found of a model on the emoji."""
        return found_of(embedder, "emoji", self.emoji, Retrieval(), self.seed, silent)

    def _probe_of_labels(self, embedder: Embedder, choice: Choice) -> float:
        seen = Seen.of(embedder, choice, self.pools["train"], self.pools["val"], self.seed)
        fitted = folds.fit(LinearProbe(), seen, plain(embedder, choice.labels), silent)
        return self.own(embedder, fitted.vectors)

    def _probe_of_captions(self, embedder: Embedder) -> float:
        pools = {**self.pools, "own": self.tested}
        images = {name: embedder.pictures(pools[name].pictures, silent, name) for name in ("train", "val", "own")}
        said = embedder.texts([texts[0] for texts in self.pools["train"].captions])
        maps = [mapped(images["train"], said, penalty) for penalty in PENALTIES]
        scores = [self._recall(embedder, pools["val"], images["val"] @ one) for one in maps]
        return self._recall(embedder, self.tested, images["own"] @ maps[int(np.argmax(scores))])

    def _recall(self, embedder: Embedder, pool: Pool, images: Float[np.ndarray, "N D"]) -> float:
        gallery = Gallery.of(pool.keys, pool.captions, pool.concepts)
        rows = images / np.linalg.norm(images, axis=1, keepdims=True)
        return float(np.mean(list(recall_at_1(rows @ embedder.texts(gallery.texts).T, gallery.belongs).values())))

    def _tuned(self, folder: Path) -> dict[str, float]:
        embedder, train, val = embedder_of(self.start), self.pools["train"], self.pools["val"]
        watch = watching_labels(embedder, self.choice, val, silent) if self.choice else watching(embedder, val, silent)
        start = {name: value.detach().clone() for name, value in embedder.model.state_dict().items()}
        found = list[tuple[float, Heat, int, Weights]]()
        by_size = dict[int, Heats]()
        ways = {name: Plain(share=1.0, optimisation=by, alphas=(1.0,)) for name, by in PLAINS.items()}
        alike = self.choice is not None and embedder.model.logit_scale.bias is None
        sizes = sorted({min(size, len(train)) if alike else batch_of(train, size) for size in self.batches})
        for batch in sizes:
            heats = Heats(
                embedder=embedder, ways=dict(ways), batches=batches_of(embedder, train, batch, self.seed, silent, alike=alike), watch=watch, seed=self.seed,
                folder=folder / str(batch), progress=silent, start=start, alike=alike, budget_s=self.budget_s / len(sizes),
            )  # fmt: skip
            by_size[batch] = heats
            for heat in race([*ways], heats.run, self.budget_s / len(sizes), most_of(self.learnt, batch)):
                found.append(self._scored(embedder, watch, heats, heat, batch))
        _, best, batch, _ = max(found, key=lambda one: one[0])
        whole = by_size[batch].run(best.name, most_of(self.learnt, batch))
        found.append(self._scored(embedder, watch, by_size[batch], whole, batch))
        _, best, batch, weights = max(found, key=lambda one: one[0])
        embedder.model.load_state_dict(dict(weights))
        embedder.model.eval()
        return {
            "own": self.own(embedder),
            "emoji": self.elsewhere(embedder),
            "steps": best.steps,
            "batch": batch,
            "by": best.name,
        }

    def _scored(
        self, embedder: Embedder, watch: Watch, heats: Heats, heat: Heat, batch: int
    ) -> tuple[float, Heat, int, Weights]:
        """Return a heat with what `val` says of it all the way, as it is taken."""
        embedder.model.load_state_dict(dict(weights := heats.tuned(heat)))
        return score(watch(embedder.model.eval())), heat, batch, weights


def embedder_of(folder: Path) -> Embedder:
    """Return the model of a folder."""
    given = read_given(folder).encoder
    assert isinstance(given, Embedder)
    return given


def labelled(pool: Pool) -> Pool:
    """Return pictures each of which is a thing of its own, and whose label is its caption."""
    return replace(pool, concepts=pool.keys, groups=tuple({LABEL: texts[0]} for texts in pool.captions))


def mapped(image: Float[np.ndarray, "N D"], text: Float[np.ndarray, "N D"], penalty: float) -> Float[np.ndarray, "D D"]:
    """Return the linear map M with the least |image M - text|^2 + penalty |M - I|^2."""
    identity = penalty * np.eye(image.shape[1])
    return np.linalg.solve(image.T @ image + identity, image.T @ text + identity)


def against_best(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how far adapted is from the best of the arms, seed by seed, and what it lost on the emoji: means with 95% intervals over the seeds (Student 1908).

    The best is chosen anew for each seed, by the number that is compared, which favours the arms. Of one seed there is no interval.
    """
    gains = over_seeds([run["adapted"]["own"] - max(run["beside"][arm]["own"] for arm in ARMS) for run in runs])
    losses = over_seeds([run["adapted"]["emoji"] - run["beside"]["start"]["emoji"] for run in runs])
    return {
        "seeds": len(runs), "gain": {**gains, "claim": f"at least {GAIN:g}", "verdict": verdict(gains, GAIN)},
        "emoji": {**losses, "claim": f"at least {-LOSS:g}", "verdict": verdict(losses, -LOSS)},
    }  # fmt: skip


def verdict(of: Mapping[str, float | None], least: float) -> str:
    """Return whether it is shown, by the interval, that a difference is so much or more: holds, does not hold, or underpowered."""
    low, high = of["low"], of["high"]
    if low is None or high is None:
        return "underpowered"
    return "holds" if low >= least else "does not hold" if high < least else "underpowered"


def row_of(said: Mapping[str, Any]) -> str:
    """Return the row of docs/adapt-measured.md that tells what was measured of one's own pictures of a kind; `said` is what is kept of it."""
    runs = said["runs"]

    def mean(of: str, arm: str) -> float:
        return 100 * float(np.mean([(run["adapted"] if arm == "adapted" else run["beside"][arm])[of] for run in runs]))

    arms = " | ".join(f"{mean('own', arm):.1f}" for arm in (*ARMS, "adapted"))
    lost = mean("emoji", "plain tuning") - mean("emoji", "start")
    cells = [
        f"{100 * of['mean']:+.1f} ({100 * of['low']:+.1f} to {100 * of['high']:+.1f}), *{of['verdict']}*"
        for of in (said["against_best"][name] for name in ("gain", "emoji"))
    ]
    return f"| `{said['mine']}` | {said['pictures']:,} | {said['tested']:,} | {arms} | {cells[0]} | {cells[1]} | {lost:+.1f} |"


def over_seeds(values: Sequence[float]) -> dict[str, float | None]:
    """Return mean, and both ends of its interval."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return {"mean": round(mean, 4), "low": None, "high": None}
    reach = float(student.ppf(0.975, count - 1)) * float(np.std(values, ddof=1)) / count**0.5
    return {"mean": round(mean, 4), "low": round(mean - reach, 4), "high": round(mean + reach, 4)}
