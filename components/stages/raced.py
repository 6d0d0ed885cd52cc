"""Ways to tune a model race on the validation split, and of the one that wins so much is taken as loses little elsewhere.

Sources: Wortsman et al. 2021, arXiv:2109.01903 (weights between the start and the tuned ones keep what the start could); Kumar et al. 2022,
arXiv:2202.10054 (tuning all weights at once forgets).
"""

import copy
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Evaluator, Findings, Pictures
from components.contracts.method import Method
from components.contracts.objective import Contrast
from components.contracts.progress import Progress
from components.contracts.sample import SPLITS
from components.contracts.sealed import digest_of
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.selection import Pool
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.evaluation.on_set import naming
from components.evaluation.subject import TrainedModel
from components.finetuning.ensemble import ensemble, score
from components.finetuning.interpolate import interpolate
from components.finetuning.last_layers import LastLayers
from components.finetuning.locked import LockedImage
from components.finetuning.lora import Lora
from components.finetuning.race import Heat, race
from components.finetuning.strategy import ALPHAS, Strategy
from components.finetuning.tune import tune
from components.finetuning.whole import Whole
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.softmax import SoftmaxLoss
from components.stages.selected import KEPT, watching
from components.training.numbers import Optimisation, Scale

BATCH = 64
CHECKPOINT_EVERY = 50  # steps, which a heat that is killed loses at most
EPOCHS = 30  # at most, of the longest heat
START = "start"
MOST_LOST = 0.01  # of what it could do elsewhere


def ways() -> dict[str, Strategy]:
    """Return the ways to tune that race, the cheapest to keep first."""

    def rate(lr: float, layer_decay: float = 1.0) -> Optimisation:
        return Optimisation(lr=lr, weight_decay=0.1, warmup=0.1, layer_decay=layer_decay)

    alone = {"share": 1.0, "alphas": (1.0,)}
    return {
        "lora": Lora(optimisation=rate(1e-3), **alone),  # type: ignore[arg-type]  # a literal
        "last layers": LastLayers(optimisation=rate(3e-4), **alone),  # type: ignore[arg-type]
        "locked image": LockedImage(optimisation=rate(3e-4), **alone),  # type: ignore[arg-type]
        "whole": Whole(optimisation=rate(1e-4, 0.75), **alone),  # type: ignore[arg-type]
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A set of others, on which a model must not get worse.

    Args:
        name: as its numbers bear it.
        pool: its pictures.
        asks: what it is asked.
        main: the name of the number that must not fall.
    """

    name: str
    pool: Pictures
    asks: Evaluator
    main: str

    def number(self, embedder: Embedder, progress: Progress) -> float:
        """Return that number of a model."""
        found = found_of(embedder, self.name, self.pool, self.asks, 0, progress)
        return next(metric.value for metric in found.metrics if metric.name == self.main)


def found_of(
    embedder: Embedder, name: str, pool: Pictures, evaluator: Evaluator, seed: int, progress: Progress
) -> Findings:
    """Return what an evaluator finds of a model on a set; nobody knows what it was trained on."""
    nothing = Pool(keys=(), pictures=(), captions=(), concepts=(), sources=())
    subject = TrainedModel(embedder, lambda: embedder, nothing, {name: pool}, seed, progress)
    with naming({name: pool}, embedder.preprocess):
        return evaluator.measure(subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced:
    """What came of a race.

    Args:
        way: that was chosen, or `start` where none was better on the validation split, or all lost too much.
        steps: of it.
        alpha: how far from the start (0) to the tuned weights (1).
        trade: of each alpha of the way that won, what it gets on the validation split, and on each other set.
        heats: that were run.
        without: ways that could not be tried -> why.
        kept: whether no set lost more than was allowed.
    """

    way: str
    steps: int
    alpha: float
    trade: Sequence[Mapping[str, float]]
    heats: Sequence[Heat]
    without: Mapping[str, str] = field(default_factory=dict)
    kept: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


def raced(
    embedder: Embedder, train: Pool, val: Pool, others: Sequence[Elsewhere], *, digest: str, budget_s: float, seed: int, folder: Path,
    progress: Progress, most_lost: float = MOST_LOST, batch: int = BATCH,
) -> Raced:  # fmt: skip
    """Tune the embedder's model in place, and return what was found.

    Args:
        embedder: the start, with its tokenizer and transform, which stay.
        train: what is learnt from.
        val: what is chosen by.
        others: sets on which it must not get worse.
        digest: of the start, so that heats of another one are not taken for its own.
        budget_s: seconds for the race.
        folder: where heats are kept, so that one that was stopped goes on; those of another start, seed, batch, or of other pictures lie apart.
        most_lost: of the main number of a set, from 0 to 1; what loses more by its middle value is not chosen.
        batch: pairs a step, cut to the captions there are.

    Raises ConfigError for too few pictures, a budget that is too short, sets that are called alike or as what is the person's own, and numbers
    out of range.
    """
    check([one.name for one in others], most_lost, batch)
    kinds = {"start": digest, "seed": str(seed), "batch": str(batch), **_said({"train": train, "val": val})}
    model, folder = embedder.model, folder / digest_of(kinds)[:16]
    start = {name: value.detach().clone() for name, value in model.state_dict().items()}
    watch = watching(embedder, val, progress)
    batches = batches_of(embedder, train, batch, seed, progress)
    tried, without = _preparable(model), dict[str, str]()
    for name, why in list(tried.items()):
        if why:
            without[name] = why
            del tried[name]
    run = _runner(embedder, batches, start, watch, seed, folder, progress)
    most = max(1, EPOCHS * len(train) // batches.order.batch)
    heats = race(list(tried), run, budget_s, most)
    last = heats[-1]
    tuned = load_file(_kept(folder, last.name, last.steps) / "tuned.safetensors")
    trade = _trade(embedder, start, tuned, watch, others, progress)
    alpha, kept = chosen(trade, most_lost, [one.name for one in others])
    model.load_state_dict(interpolate(start, tuned, alpha))
    model.eval()
    return Raced(
        way=last.name if alpha else START,
        steps=last.steps if alpha else 0,
        alpha=alpha,
        trade=trade,
        heats=heats,
        without=without,
        kept=kept,
    )


def check(others: Sequence[str], most_lost: float, batch: int) -> None:
    """Raise ConfigError for names that would be taken for another's, and numbers out of range."""
    taken = ("alpha", *SPLITS)
    if wrong := next((name for place, name in enumerate(others) if name in taken or name in others[:place]), None):
        raise ConfigError(
            f"a set is called {wrong!r}, as another or as what is your own ({', '.join(taken)}), and their numbers would have one name. Rename its folder."
        )
    if not 0 <= most_lost <= 1 or batch < 2:
        raise ConfigError(
            f"most_lost is {most_lost} and batch {batch}, but the one is a share, from 0 to 1, and a contrast needs two pairs at least. 0.01 and 64 are usual."
        )


def _said(pools: Mapping[str, Pool]) -> dict[str, str]:
    """Return what decides which pictures are learnt from and chosen by, and what is said of them."""
    return {
        name: digest_of(
            {key: repr((sha, said)) for key, sha, said in zip(pool.keys, _shas(pool), pool.captions, strict=True)}
        )
        for name, pool in pools.items()
    }


def _shas(pool: Pool) -> Sequence[str]:
    return pool.sha256s or [hashlib.sha256(data).hexdigest() for data in pool.pictures]


def chosen(trade: Sequence[Mapping[str, float]], most_lost: float, others: Sequence[str]) -> tuple[float, bool]:
    """Return the alpha that is best on the validation split of those that lose no more elsewhere, and whether the best of all is among them.

    Args:
        trade: a row an alpha, `alpha`, `val` and each other set's main number; alpha 0 is the start.
    """
    start = next(row for row in trade if row["alpha"] == 0)
    allowed = [row for row in trade if all(row[name] >= start[name] - most_lost for name in others)]
    best, best_of_all = (max(rows, key=lambda row: (row["val"], -row["alpha"])) for rows in (allowed, trade))
    return best["alpha"], best_of_all in allowed


def batches_of(embedder: Embedder, pool: Pool, batch: int, seed: int, progress: Progress) -> StepBatches:
    """Return what is learnt from: each caption at most once a batch; ConfigError for fewer than two."""
    distinct = len(set(pool.concepts))
    if distinct < 2:
        raise ConfigError(
            f"all {len(pool):,} pictures to learn from have one caption, so there is nothing to tell apart. Say of each what it shows."
        )
    size = embedder.preprocess.size
    pairs = decode_pairs(pool, replace(embedder.preprocess, size=round(size * KEPT)), progress)
    views = Views(pixels=size, degrees=5.0, shift=0.05, zoom=(0.9, 1.1), colour=0.1, grey=0.0, background=0.0)
    order = DistinctBatches(pairs.concepts, min(batch, distinct), seed=seed)
    return StepBatches(pairs, embedder.vocabulary, views, order, seed=seed)


def _preparable(model: DualEncoder) -> dict[str, str]:
    """Return each way with why this model cannot be tuned so; "" where it can."""
    found = {}
    for name, strategy in ways().items():
        try:
            strategy.prepare(copy.deepcopy(model))
            found[name] = ""
        except ConfigError as err:
            found[name] = str(err)
    return found


def _kept(folder: Path, name: str, steps: int) -> Path:
    return folder / f"{name.replace(' ', '-')}-{steps}"


def _runner(
    embedder: Embedder, batches: StepBatches, start: Mapping[str, torch.Tensor], watch: Callable[..., Mapping[str, float]], seed: int,
    folder: Path, progress: Progress,
) -> Callable[[str, int], Heat]:  # fmt: skip
    """Return what runs a heat, or reads one that was kept."""

    def run(name: str, steps: int) -> Heat:
        kept = _kept(folder, name, steps)
        if (kept / "heat.json").is_file():
            return Heat(**json.loads((kept / "heat.json").read_text(encoding="utf-8")))
        kept.mkdir(parents=True, exist_ok=True)
        began, model = monotonic(), embedder.model
        model.load_state_dict(dict(start))
        torch.manual_seed(seed)
        scale = Scale(
            batch=batches.order.batch,
            steps=steps,
            pixels=embedder.preprocess.size,
            watch_every=steps,
            checkpoint_every=CHECKPOINT_EVERY,
        )
        own = copy.deepcopy(model)
        embedder.model = own  # whom the watch looks at
        try:
            tune(
                method_of(own),
                ways()[name],
                batches,
                scale,
                seed=seed,
                folder=kept,
                progress=progress,
                log=lambda step, values: None,
                watch=watch,
            )
            tuned = {key: value.detach().clone() for key, value in own.state_dict().items()}
            found = ensemble(own, dict(start), ALPHAS, watch, progress)
        finally:
            embedder.model = model
        heat = Heat(
            name=name, steps=steps, score=score(found.tried[found.alpha]), seconds=round(monotonic() - began, 3)
        )
        shutil.rmtree(kept)  # its checkpoints, several times as large as the model
        kept.mkdir()
        save_file({key: value.contiguous() for key, value in tuned.items()}, kept / "tuned.safetensors")
        half = kept / ".heat.json"
        half.write_text(json.dumps(asdict(heat)), encoding="utf-8")
        half.replace(kept / "heat.json")
        return heat

    return run


def method_of(model: DualEncoder) -> Method:
    """Return the contrast that the model was made for: of pairs alone where it has a bias, else of the batch."""
    objective: Contrast = SigmoidLoss() if model.logit_scale.bias is not None else SoftmaxLoss()
    return Clip(model=model, objective=objective)


def _trade(
    embedder: Embedder, start: Mapping[str, torch.Tensor], tuned: Mapping[str, torch.Tensor], watch: Callable[..., Mapping[str, float]],
    others: Sequence[Elsewhere], progress: Progress,
) -> list[dict[str, float]]:  # fmt: skip
    """Return what each alpha gets, on the validation split and elsewhere."""
    rows = []
    for done, alpha in enumerate(ALPHAS, 1):
        embedder.model.load_state_dict(interpolate(start, tuned, alpha))
        embedder.model.eval()
        with torch.no_grad():
            row = {"alpha": alpha, "val": score(watch(embedder.model))}
        for one in others:
            row[one.name] = one.number(embedder, progress)
        rows.append(row)
        progress("weighing what is lost elsewhere", done, len(ALPHAS))
    return rows
