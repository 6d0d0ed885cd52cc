"""Ways to tune a model race on the validation split, and of the one that wins so much is taken as loses little elsewhere.

Sources: Wortsman et al. 2021, arXiv:2109.01903 (weights between the start and the tuned ones keep what the start could); Wortsman et al. 2022,
arXiv:2203.05482 (the mean of several tunings is often better than each); Kumar et al. 2022,
arXiv:2202.10054 (tuning all weights at once forgets).
"""

import copy
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.contracts.sample import SPLITS
from components.contracts.sealed import digest_of
from components.data.rows.cache import NoRoom, RowCache
from components.data.selection import Pool, distinct
from components.evaluation.embedding import Embedder
from components.evaluation.hard_data import FEW_TO_CHOOSE_BY, Hard, fewer_than_labels, hard_data, left_out
from components.finetuning.augment import Augment
from components.finetuning.continued import UNKNOWN
from components.finetuning.interpolate import Weights
from components.finetuning.labels.choice import COLUMN, Ask, Choice
from components.finetuning.labels.folds import FOLDS, few
from components.finetuning.labels.way import TIE, Fitted, LabelVectors
from components.finetuning.race import Heat, race
from components.finetuning.recall import General
from components.finetuning.strategy import Strategy
from components.models.dual_encoder import DualEncoder
from components.models.grown import shrink
from components.stages.elsewhere import Elsewhere
from components.stages.heats import Heats, LabelHeats, watching_labels
from components.stages.race_steps import batch_of, batches_of, most_of
from components.stages.racing_ways import CONTINUED, USUAL, called, label_ways, taking_part
from components.stages.recalled import Recall
from components.stages.selected import watching
from components.stages.weighed import Row, Scales, Weighed, take
from components.training.callbacks import Watch
from components.training.numbers import Optimisation

BATCH = 64
START = "start"
MOST_LOST = 0.01  # of what it could do elsewhere
DIGITS = 5  # of what the validation split says, where it is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced:
    """What came of a race.

    Args:
        way: that was chosen, or `start` where none was better on the validation split, or by folds, or all lost too much. A tuning that labels are told apart
            on top of is called after both, such as `lora + linear probe`.
        called: the way as a person reads it, such as `LoRA r=8`.
        steps: of tuning.
        alpha: how far the weights are from the start (0) to the tuned ones (1). At 0 they are the start's to the last bit, and nothing is lost elsewhere.
        trade: of each alpha of the tuning that was chosen, what it gets on the validation split, and on each other set; where none was, of the one that
            is best on the validation split.
        passed_over: the same of other tunings that were weighed, by what they are called: each is better at an alpha that loses too much, or not as good.
        heats: that were run; those of ways that tune nothing have no steps, and a soup of several has the steps of all.
        without: ways that could not be tried, or ran out of memory or numbers -> why.
        broken_s: seconds of the budget that the latter took.
        unbound: numbers of sets that bounded nothing -> why.
        kept: whether nothing that was weighed, and lost more than was allowed, is better on the validation split.
        strength: how far the labels' vectors are from those of their texts (0) to what was found (1); None where texts are what is asked.
        labels: that are told apart, where they were asked for.
        vectors: of them, None where texts are what is asked.
        hard: what makes this data hard, each with what was done about it.
        by_folds: of ways that tune nothing, where few pictures choose, the share of those that are learnt from and of `val` that each answers rightly where it was left out;
            labels count alike where one is nearly all there is.
        batch: pairs a step.
        general: general pictures that were learnt from beside one's own.
        optimisation: that training went on by; None where that took no part.
    """

    way: str
    steps: int
    alpha: float
    trade: Sequence[Mapping[str, float]]
    heats: Sequence[Heat]
    without: Mapping[str, str] = field(default_factory=dict)
    broken_s: float = 0.0
    unbound: Mapping[str, str] = field(default_factory=dict)
    passed_over: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    kept: bool = True
    strength: float | None = None
    labels: Sequence[str] = ()
    vectors: LabelVectors | None = field(default=None, compare=False)
    hard: Sequence[Hard] = ()
    by_folds: Mapping[str, float] = field(default_factory=dict)
    called: str = ""
    batch: int = 0
    general: int = 0
    optimisation: Optimisation | None = None

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values: of a trade without what breaks a tie, which scores of heats have; of vectors, how many each label has, and their sharpness."""
        of = self.vectors
        about = None if of is None else {"counts": list(of.counts), "sharpness": of.sharpness}

        def told(trade: Sequence[Row]) -> list[Row]:
            return [{**row, "val": round(row["val"], DIGITS)} for row in trade]

        return asdict(replace(self, vectors=None)) | {
            "vectors": about, "trade": told(self.trade), "passed_over": {name: told(trade) for name, trade in self.passed_over.items()},
        }  # fmt: skip


def raced(
    embedder: Embedder, train: Pool, val: Pool, others: Sequence[Elsewhere], *, digest: str, budget_s: float, seed: int, folder: Path,
    progress: Progress, most_lost: float = MOST_LOST, batch: int = BATCH, choice: Choice | None = None, by: Sequence[str] = USUAL,
    augment: Augment = "light", recall: Recall | None = None,
    most_steps: int = 0, ask: Ask = "auto", as_trained: Optimisation = UNKNOWN, named: bool = False, cache: RowCache | None = None,
) -> Raced:  # fmt: skip
    """Tune the embedder's model in place, and return what was found.

    Args:
        embedder: the start, with its tokenizer and transform, which stay.
        train: what is learnt from.
        val: what is chosen by.
        others: numbers of sets that must not fall, of those that the start can do. All tunings that raced are weighed against them before the start is kept.
        digest: of the start, so that heats of another one are not taken for its own.
        budget_s: seconds for the race.
        folder: where heats are kept, so that one that was stopped goes on; those of another start, seed, batch, or of other pictures lie apart.
        most_lost: of the main number of a set, from 0 to 1; what loses more by its middle value is not chosen.
        batch: pairs a step, cut to the captions there are.
        choice: the labels that pictures of `train` and `val` are to be told apart by, which is then what all is scored by; else it is finding captions.
        by: names of the ways to tune that take part.
        augment: how much training pictures are changed.
        recall: general pictures, of which what the start said is held to, or which are learnt from again; none of these may be in `others`.
        most_steps: of the longest heat; 0 for as many as take EPOCHS times all pictures.
        ask: as `choice` was asked for; where captions were, nobody is told that labels could be.
        as_trained: what the start was trained by.
        named: whether somebody asked for the ways, so that none is left out for what is hard about the data.
        cache: keeps decoded pictures, as of `decode`; None holds all of them in memory.

    Raises ConfigError for too few pictures, a budget that is too short, sets that are called alike or as what is the person's own, and numbers
    out of range. Where there are labels, a budget that is too short to tune is said in `without`.
    """
    share, weight = (recall.share, recall.weight) if recall else (0.0, 0.0)
    check([one.called for one in others], most_lost, batch, share, weight, most_steps)
    part = taking_part(by, as_trained)
    kinds = {"start": digest, "seed": str(seed), "batch": str(batch), **_said({"train": train, "val": val})}
    kinds |= {"augment": augment} if augment != "light" else {}
    kinds |= {"as_trained": repr(as_trained)} if CONTINUED in part and as_trained != UNKNOWN else {}
    if recall:
        if not len(recall.pool):
            raise ConfigError(
                "there is no general picture left: each is one that is measured on, or cannot be decoded. Name others: --recalled."
            )
        kinds |= {"recall": repr(recall.weight), **_said({"general": recall.pool})}
        kinds |= {"replay": repr(recall.share)} if recall.share else {}
        kinds |= (
            {"views": json.dumps(dict(recall.views), sort_keys=True)}
            if recall.share and recall.views is not None
            else {}
        )
    alike = choice is not None and embedder.model.logit_scale.bias is None
    if choice:
        kinds |= {"alike": "yes"} if alike else {}
        kinds |= {"chosen": f"fewer than {FEW_TO_CHOOSE_BY} by {FOLDS} folds"}
        if series := (*train.series, *val.series):
            kinds["series"] = digest_of({"series": repr(series)})
        kinds["labels"] = digest_of({"labels": repr(choice.labels), "of": repr((choice.of["train"], choice.of["val"]))})
    model, folder = embedder.model, folder / digest_of(kinds)[:16]
    start = {name: value.detach().clone() for name, value in model.state_dict().items()}
    watch = (
        watching_labels(embedder, choice, val, progress, cache) if choice else watching(embedder, val, progress, cache)
    )
    step, general = batch_of(train, batch), 0
    without, heats, broken_s = dict[str, str](), list[Heat](), 0.0
    unfit = _preparable(model, part)
    hard = hard_of(embedder, train, val, choice, ask, [name for name, why in unfit.items() if not why], named)
    within = 0.0 if choice else one_query(val)  # of labels, sureness tells apart what is right as often
    scales = Scales.of(embedder, start, watch, others, most_lost, progress, within)
    ends = [_End(way=START, steps=0, alpha=0.0, val=scales.row["val"])]
    told, frozen, by_folds = None, list[tuple[Heat, Fitted]](), dict[str, float]()
    if choice:
        told = LabelHeats(
            embedder=embedder, ways=label_ways(budget_s), choice=choice, train=train, val=val, seed=seed, folder=folder, progress=progress,
        )  # fmt: skip
        frozen = told.run("frozen", without)
        heats += [heat for heat, _ in frozen]
        if helps := best_of(frozen):
            ends = [_End.of(*helps, 0, 0.0)]  # in the place of the start, whatever so few of `val` say of that
        if few(len(val)):
            by_folds = {heat.name: round(fitted.chosen_by, DIGITS) for heat, fitted in frozen}
    weighed: list[Weighed] = []
    try:
        spent_s = sum(heat.seconds for heat in heats)
        of_labels = replace(train, concepts=choice.of["train"]) if choice and alike else train
        run, tried = _tuning(
            embedder, of_labels, batch, start, watch, seed, folder, progress, part, unfit, without, [] if named else hard, augment, recall, alike, budget_s, spent_s, cache,
        )  # fmt: skip
        step, pairs = run.batches.order.batch, len(run.batches.pairs.keys)
        ran = race(tried, partial(run.run_or_say, without=without), budget_s, most_of(pairs, step, most_steps), spent_s)
        broken_s = run.broken_s()
        if not ran:
            run.forget()
            raise _none_left({name: without[name] for name in part})
        general = pairs - len(train)
        candidates: list[tuple[Heat, Callable[[], Weights]]] = [
            (heat, partial(run.tuned, heat)) for heat in _winner_first(ran)
        ]
        if soup := run.soup(longest(ran)):
            ran.append(soup[0])
            candidates.append((soup[0], partial(dict, soup[1])))
        weighed = scales.best(candidates, part)
        won = weighed[-1]
        heats += [*(heat for heat in ran if heat is not won.heat), won.heat]
        if won.alpha:
            ends.append(_End(way=won.heat.name, steps=won.heat.steps, alpha=won.alpha, val=won.reached))
        if won.alpha and told:
            scales.take(won, part.get(won.heat.name))
            on_top = told.run(f"{won.heat.name}-{won.heat.steps}-{won.alpha:g}", without, won.heat.name, frozen)
            heats += [heat for heat, _ in on_top]
            ends += [_End.of(heat, fitted, won.heat.steps, won.alpha) for heat, fitted in on_top]
    except NoRoom:
        raise  # that is mended and gone on with, where a budget that is too short leaves labels
    except ConfigError as err:
        if not choice:
            raise
        without["tuning"] = str(err)
    best = max(ends, key=lambda end: end.val)  # the first of equals is the nearest to the start
    if best.alpha:
        scales.take(weighed[-1], part.get(weighed[-1].heat.name))
    else:
        shrink(model, start)
        take(model, start)
    fitted = best.fitted
    most = max((row["val"] for one in weighed for row in one.trade), default=best.val)
    return Raced(
        way=best.way, called=called(best.way, part), steps=best.steps, alpha=best.alpha, trade=weighed[-1].trade if weighed else [scales.row], heats=heats,
        without=without, broken_s=round(broken_s, 3), unbound=scales.without, passed_over={one.heat.name: one.trade for one in weighed[:-1]}, kept=max(best.val, scales.row["val"]) + TIE >= most,
        strength=fitted.strength if fitted else None, labels=choice.labels if choice else (), vectors=fitted.vectors if fitted else None, hard=hard, by_folds=by_folds, batch=step, general=general, optimisation=part[CONTINUED].optimisation if CONTINUED in part else None,
    )  # fmt: skip


def one_query(val: Pool) -> float:
    """Return what one query is worth of the mean of recall both ways, by the direction that has more of them."""
    texts = distinct([text for its in val.captions for text in its])
    return 1 / (2 * max(len(val), len(texts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """Where a race can end: a way, how far it goes, and its score on the validation split."""

    way: str
    steps: int
    alpha: float
    val: float
    fitted: Fitted | None = None

    @classmethod
    def of(cls, heat: Heat, fitted: Fitted, steps: int, alpha: float) -> "_End":
        """Return where labels' vectors end, for weights at an alpha of so many steps."""
        return cls(way=heat.name, steps=steps, alpha=alpha, val=heat.score, fitted=fitted)


def check(
    others: Sequence[str], most_lost: float, batch: int, replay: float = 0.0, recall: float = 0.0, most_steps: int = 0
) -> None:
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
    if not 0 <= replay < 1:
        raise ConfigError(
            f"replay is {replay}, but it is a share of a step's pairs, below 1. Give 0 to learn from one's own alone, or 0.5."
        )
    if not 0 <= recall < math.inf:
        raise ConfigError(f"recall is {recall}, but it is a weight beside the loss. Give 0 to hold to nothing, or 1.")
    if most_steps < 0:
        raise ConfigError(
            f"most_steps is {most_steps}, but the longest heat has one step at least. Give its steps, or 0 for as many as take 30 times all pictures."
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


def hard_of(
    embedder: Embedder,
    train: Pool,
    val: Pool,
    choice: Choice | None,
    ask: Ask = "auto",
    ways: Sequence[str] = USUAL,
    named: bool = False,
) -> list[Hard]:
    """Return what makes these pictures hard to adapt to: by the labels that are chosen among, or those of the column, or else by what they show.

    Args:
        ways: to tune that take part, and that the model can be tuned by.
        named: whether somebody asked for these.
    """
    said = [label for label in train.labelled(COLUMN) if label is not None]
    labels = choice.of["train"] if choice else said or train.concepts
    captions = [text for texts in train.captions for text in texts]
    found = hard_data(
        len(train),
        len(val),
        captions,
        labels,
        embedder.vocabulary,
        ways=ways,
        asks_labels=choice is not None,
        named=named,
    )
    if choice or ask != "auto":
        return found
    more = fewer_than_labels(len(train), [*train.labelled(COLUMN), *val.labelled(COLUMN)])
    return [*found, more] if more else found


def _preparable(model: DualEncoder, part: Mapping[str, Strategy]) -> dict[str, str]:
    """Return each way with why this model cannot be tuned so; "" where it can."""
    found = {}
    for name, strategy in part.items():
        try:
            strategy.prepare(copy.deepcopy(model))
            found[name] = ""
        except ConfigError as err:
            found[name] = str(err)
    return found


def _tuning(
    embedder: Embedder, train: Pool, batch: int, start: Weights, watch: Watch, seed: int, folder: Path, progress: Progress,
    part: Mapping[str, Strategy], unfit: Mapping[str, str], without: dict[str, str], hard: Sequence[Hard], augment: Augment, recall: Recall | None, alike: bool, budget_s: float, spent_s: float, cache: RowCache | None,
) -> tuple[Heats, list[str]]:  # fmt: skip
    """Return what runs heats of the ways that this model can be tuned by, and their names; `without` says the others."""
    batches = batches_of(embedder, train, batch, seed, progress, augment, recall, alike, cache)
    found = dict(unfit)
    found.update(left_out(hard, [name for name, why in found.items() if not why]))
    without.update({name: why for name, why in found.items() if why})
    tried = [name for name, why in found.items() if not why]
    if not tried:
        raise _none_left(found)
    run = Heats(
        embedder=embedder,
        ways={name: part[name] for name in tried},
        batches=batches,
        start=start,
        watch=watch,
        seed=seed,
        folder=folder,
        progress=progress,
        general=General.of(embedder, recall.pool, progress) if recall and recall.weight else None,
        weight=recall.weight if recall else 0.0,
        alike=alike,
        budget_s=budget_s,
        spent_s=spent_s,
    )
    return run, tried


def _none_left(found: Mapping[str, str]) -> ConfigError:
    """Return the error for ways none of which can be tuned by, each with why."""
    reasons = "; ".join(f"{name}: {why}" for name, why in found.items())
    return ConfigError(f"no way to tune is left for this model and these pictures ({reasons}). Name others: --way.")


def best_of(frozen: Sequence[tuple[Heat, Fitted]]) -> tuple[Heat, Fitted] | None:
    """Return the way that tunes nothing which is best by what chose it, of equals the first; None where none is better than what the first began with, the start."""
    best = max(frozen, key=lambda one: one[1].chosen_by, default=None)
    return best if best and best[1].chosen_by > frozen[0][1].begun_by + TIE else None


def _winner_first(heats: Sequence[Heat]) -> list[Heat]:
    """Return the longest heat of each way, that of the winner first, as of equals it is preferred."""
    return sorted(longest(heats), key=lambda heat: heat.name != heats[-1].name)


def longest(heats: Sequence[Heat]) -> list[Heat]:
    """Return of each way its longest heat."""
    found: dict[str, Heat] = {}
    for heat in heats:
        if heat.name not in found or heat.steps > found[heat.name].steps:
            found[heat.name] = heat
    return list(found.values())
