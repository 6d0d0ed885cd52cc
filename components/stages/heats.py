"""Heats of adapting: each is run once and kept in a folder, so that what was stopped goes on with those that were done."""

import copy
import gc
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from components.contracts.errors import CapabilityError, ConfigError, DataError, OutOfMemory
from components.contracts.method import Method
from components.contracts.objective import Contrast
from components.contracts.progress import Progress, silent
from components.contracts.sealed import digest_of
from components.data.batches import StepBatches
from components.data.processes import cores
from components.data.rows.cache import RowCache
from components.data.rows.decoded import as_tensor, decode
from components.data.selection import Pool
from components.evaluation.embedding import Embedder
from components.finetuning.ensemble import ensemble, score
from components.finetuning.interpolate import Weights
from components.finetuning.labels import folds
from components.finetuning.labels.choice import Choice
from components.finetuning.labels.way import TIE, Fitted, LabelVectors, LabelWay, Seen, Shown, plain
from components.finetuning.race import FIRST, Broken, Heat, too_short
from components.finetuning.recall import General, Recalled
from components.finetuning.soup import greedy
from components.finetuning.strategy import ALPHAS, Strategy
from components.finetuning.tune import tune
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.objectives.sigmoid import SigmoidLoss
from components.objectives.softmax import SoftmaxLoss
from components.stages.heat_clock import HeatClock
from components.training.callbacks import Watch
from components.training.numbers import Scale

CHECKPOINT_EVERY = 50  # steps, which a heat that is killed loses at most
LOOKS = 4  # of a heat at the validation split, the best of which is taken
HEAT, TUNED, VECTORS, OUT = "heat.json", "tuned.safetensors", "vectors.safetensors", "out.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heats:
    """What runs a heat, or reads one that was kept.

    Args:
        embedder: the model, whose weights are the start's again after each.
        ways: to tune, by name.
        batches: what is learnt from.
        start: its weights.
        watch: scores a model on the validation split.
        seed: of what is drawn.
        folder: where they are kept.
        progress: is told.
        general: pairs of which what the start said is held to, by that weight; None holds to nothing.
        weight: of that.
        budget_s: seconds for all heats, and for what was before them; a first heat that takes longer by itself than is left is not run to its end.
        spent_s: seconds of it that ways which tune nothing took before.
    """

    embedder: Embedder
    ways: Mapping[str, Strategy]
    batches: StepBatches
    start: Weights
    watch: Watch
    seed: int
    folder: Path
    progress: Progress
    general: General | None = None
    weight: float = 0.0
    alike: bool = False
    budget_s: float = math.inf
    spent_s: float = 0.0

    def run(self, name: str, steps: int) -> Heat:
        """Tune by a way for so many steps, and score the best place between the start and what came of it.

        Raises ConfigError, which says the least, when a first heat has taken longer than there is for all.
        """
        kept = self._place(name, steps)
        if (found := _kept(kept)) is not None:
            return found
        return self._run(name, steps, kept, HeatClock(kept, CHECKPOINT_EVERY, self.progress))

    def _run(self, name: str, steps: int, kept: Path, clock: HeatClock) -> Heat:
        kept.mkdir(parents=True, exist_ok=True)
        model = self.embedder.model
        model.load_state_dict(dict(self.start))
        torch.manual_seed(self.seed)
        scale = Scale(
            batch=self.batches.order.batch, steps=steps, pixels=self.embedder.preprocess.size, watch_every=max(FIRST, -(-steps // LOOKS)), checkpoint_every=CHECKPOINT_EVERY,
        )  # fmt: skip
        own = copy.deepcopy(model)
        self.embedder.model = own  # whom the watch looks at
        try:
            tune(
                self._method(own), self.ways[name], self.batches, scale, seed=self.seed, folder=kept, progress=self._told(steps, clock),
                log=lambda step, values: None, watch=self.watch, best=kept,
            )  # fmt: skip
            tuned = {key: value.detach().clone() for key, value in own.state_dict().items()}
            best = ensemble(own, dict(self.start), ALPHAS, self.watch, self.progress)
        finally:
            self.embedder.model = model
        heat = Heat(
            name=name,
            steps=steps,
            score=score(best.tried[best.alpha]),
            seconds=round(clock.seconds, 3),
        )
        shutil.rmtree(kept)  # its checkpoints, several times as large as the model
        kept.mkdir()
        save_file({key: value.contiguous() for key, value in tuned.items()}, kept / TUNED)
        _keep(kept, heat)
        return heat

    def run_or_say(self, name: str, steps: int, without: dict[str, str]) -> Heat | Broken:
        """Return the same; Broken where memory runs out, this machine or model cannot, or a loss is no number, and `without` says why.

        Why is kept in the place of the heat, with its seconds, so that a race that was stopped goes on without this way, too.
        """
        kept = self._place(name, steps)
        if (found := _kept(kept)) is not None:
            return found
        if not (kept / OUT).is_file():
            clock = HeatClock(kept, CHECKPOINT_EVERY, self.progress)
            try:
                return self._run(name, steps, kept, clock)
            except OutOfMemory as err:
                fewer = max(2, self.batches.order.batch // 2)
                why = f"{err.why.removesuffix('.')}. Fewer pairs a step take less: --batch {fewer}"
            except CapabilityError as err:
                why = str(err)  # which has a remedy of its own
            except DataError as err:
                why = err.why
            gc.collect()  # what it held of a GPU's memory, the next has room in
            shutil.rmtree(kept)  # its checkpoints
            kept.mkdir()
            _write_whole(kept / OUT, json.dumps({"why": why, "seconds": round(clock.seconds, 3)}))
        out = json.loads((kept / OUT).read_text(encoding="utf-8"))
        without[name] = out["why"]
        return Broken(seconds=out["seconds"])

    def broken_s(self) -> float:
        """Return the seconds that these ways took which broke."""
        outs = (out for name in self.ways for out in self.folder.glob(f"{_slug(name)}-*/{OUT}"))
        return sum(float(json.loads(out.read_text(encoding="utf-8"))["seconds"]) for out in outs)

    def forget(self) -> None:
        """Have all ways tried again that are out, since nothing came of the race: there may be more room then."""
        for out in self.folder.glob(f"*/{OUT}"):
            out.unlink()

    def _told(self, steps: int, clock: HeatClock) -> Progress:
        """Return whom the steps of a heat are told: of a first one, also who looks whether it has taken all the time there is."""
        if steps > FIRST:
            return clock

        first_s, taken_s = 0.0, self.broken_s()
        left_s = self.budget_s - self.spent_s - taken_s

        def told(doing: str, done: int, total: int, **seen: float) -> None:
            nonlocal first_s
            clock(doing, done, total, **seen)
            now_s = clock.seconds
            if done == 1:
                first_s = now_s  # what the first one takes says little of the others
            elif now_s > left_s:
                a_heat = now_s + (total - done) * (now_s - first_s) / (done - 1)
                raise too_short(self.budget_s, len(self.ways) * a_heat, len(self.ways), steps, self.spent_s, taken_s)

        return told

    def _method(self, model: DualEncoder) -> Method:
        """Return what the model is tuned by."""
        method = method_of(model, self.alike)
        if self.general is None:
            return method
        return Recalled(method, self.general, weight=self.weight, rows=self.batches.order.batch, seed=self.seed)

    def soup(self, heats: Sequence[Heat]) -> tuple[Heat, Weights] | None:
        """Return the mean of those tunings that are no worse together, as a heat with its weights; None where the best is best alone.

        Args:
            heats: one a way. Those that add a part to the model are left out: no other has it.
        """
        began, model = monotonic(), self.embedder.model
        candidates = [(heat, weights) for heat in heats if (weights := self.tuned(heat)).keys() == self.start.keys()]
        if len(candidates) < 2:
            return None
        told = {f"{heat.name} {heat.steps}": repr(heat.score) for heat, _ in candidates}
        kept = self.folder / f"soup-{digest_of(told)[:16]}"
        if (found := _kept(kept)) is not None:
            return found, load_file(kept / TUNED)

        def score_of(weights: Weights) -> float:
            model.load_state_dict(dict(weights))
            best = ensemble(model, dict(self.start), ALPHAS, self.watch, silent)
            return score(best.tried[best.alpha])

        soup = greedy([(heat.name, heat.score, weights) for heat, weights in candidates], score_of, within=TIE)
        model.load_state_dict(dict(self.start))
        if len(soup.names) < 2:
            return None
        heat = Heat(
            name=f"soup of {', '.join(soup.names[:-1])} and {soup.names[-1]}", score=soup.score, seconds=round(monotonic() - began, 3),
            steps=sum(heat.steps for heat, _ in candidates if heat.name in soup.names),
        )  # fmt: skip
        kept.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous() for key, value in soup.weights.items()}, kept / TUNED)
        _keep(kept, heat)
        return heat, soup.weights

    def tuned(self, heat: Heat) -> Weights:
        """Return the weights that a heat came to."""
        return load_file(self._place(heat.name, heat.steps) / TUNED)

    def _place(self, name: str, steps: int) -> Path:
        return self.folder / f"{_slug(name)}-{steps}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelHeats:
    """The same of ways that yield label vectors, for weights as they are.

    Args:
        embedder: the model.
        ways: by name; all others begin with the vectors of the first, of which it has one a label.
        choice: the labels.
        train: pictures to learn from.
        val: pictures to choose by.
        seed: of what is drawn.
        folder: where they are kept.
        progress: is told.
    """

    embedder: Embedder
    ways: Mapping[str, LabelWay]
    choice: Choice
    train: Pool
    val: Pool
    seed: int
    folder: Path
    progress: Progress

    def run(
        self, place: str, without: dict[str, str], after: str = "", frozen: Sequence[tuple[Heat, Fitted]] = ()
    ) -> list[tuple[Heat, Fitted]]:
        """Run all, and say in `without` why one could not be.

        Args:
            place: of the weights that the model has now, so that heats of others lie apart.
            without: way -> why.
            after: the tuning that these weights come from.
            frozen: what came of them before it, whose choices are taken where few pictures choose.
        """
        chosen = {heat.name: fitted.which for heat, fitted in frozen}
        done, seen, begun = list[tuple[Heat, Fitted]](), None, None
        for way, its in self.ways.items():
            name = f"{after} + {way}" if after else way
            kept = self.folder / f"{place}-{way}{its.within}".replace(" ", "-")
            if (heat := _kept(kept)) is not None:
                fitted = _read(kept)
            else:
                began = monotonic()
                seen = seen or Seen.of(self.embedder, self.choice, self.train, self.val, self.seed, self.progress)
                first = begun or plain(self.embedder, self.choice.labels)
                try:
                    if not after:
                        fitted = folds.fit(its, seen, first, self.progress)
                    elif folds.few(len(self.val)) and way in chosen:
                        fitted = folds.again(its, seen, first, chosen[way], self.progress)
                    else:
                        fitted = its.fit(seen, first, self.progress)
                except (ConfigError, CapabilityError, DataError) as err:
                    without[name] = str(err)
                    continue
                heat = Heat(name=name, steps=0, score=fitted.score, seconds=round(monotonic() - began, 3))
                kept.mkdir(parents=True, exist_ok=True)
                _write(kept, fitted)
                _keep(kept, heat)
            done.append((heat, fitted))
            begun = begun or fitted.vectors
        return done


def watching_labels(
    embedder: Embedder, choice: Choice, val: Pool, progress: Progress, cache: RowCache | None = None
) -> Watch:
    """Return what scores the model on the validation split: the share of pictures whose label's own text is nearest, as of `Answered.score`.

    `cache` keeps its decoded pictures, as of `decode`.
    """
    pixels = as_tensor(decode(val, embedder.preprocess, 3, progress, cache, cores()))
    places = {label: place for place, label in enumerate(choice.labels)}
    label = np.array([places[one] for one in choice.of["val"]])

    def watch(model: torch.nn.Module) -> Mapping[str, float]:
        shown = Shown(image=embedder.pixels_embedded(pixels), label=label)
        return {"val.class.top1": shown.answered(plain(embedder, choice.labels), embedder.logit_scale).score()}

    return watch


def method_of(model: DualEncoder, alike: bool = False) -> Method:
    """Return the contrast that the model was made for: of pairs alone where it has a bias, else of the batch.

    Args:
        alike: whether pairs of the same label are right answers to each other; of a model without a bias.
    """
    objective: Contrast = SigmoidLoss() if model.logit_scale.bias is not None else SoftmaxLoss(alike=alike)
    return Clip(model=model, objective=objective)


def any_kept(folder: Path) -> bool:
    """Return whether a heat was kept anywhere in a folder, so that something was learnt from its pictures."""
    return any(folder.rglob(HEAT))


def _slug(name: str) -> str:
    return name.replace(" ", "-")


def _kept(folder: Path) -> Heat | None:
    path = folder / HEAT
    return Heat(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def _keep(folder: Path, heat: Heat) -> None:
    """Write what was found, after all else of the heat."""
    _write_whole(folder / HEAT, json.dumps(asdict(heat)))


def _write_whole(path: Path, said: str) -> None:
    """Write a file, whole or not at all."""
    half = path.with_name(f".{path.name}")
    half.write_text(said, encoding="utf-8")
    half.replace(path)


def _write(folder: Path, fitted: Fitted) -> None:
    of = fitted.vectors
    numbers = np.array(
        [of.sharpness, fitted.strength, fitted.score, fitted.tried, *fitted.which, fitted.chosen_by, fitted.begun_by]
    )
    save_arrays({"vectors": of.vectors, "counts": np.array(of.counts), "numbers": numbers}, folder / VECTORS)


def _read(folder: Path) -> Fitted:
    its = load_arrays(folder / VECTORS)
    sharpness, strength, score_, tried, place, at, chosen_by, begun_by = its["numbers"].tolist()
    vectors = LabelVectors(vectors=its["vectors"], counts=tuple(its["counts"].tolist()), sharpness=sharpness)
    return Fitted(
        vectors=vectors,
        strength=strength,
        score=score_,
        tried=int(tried),
        which=(int(place), int(at)),
        chosen_by=chosen_by,
        begun_by=begun_by,
    )
