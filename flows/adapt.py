"""`diptych adapt FOLDER --from MODEL`: a model that is better on one's own pictures, and how much it lost elsewhere."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts.errors import ConfigError
from components.evaluation.adapting import advice
from components.evaluation.wording import percent
from components.stages.events import Teller
from components.stages.lock import hold
from flows.adapt_general import Beside
from flows.adapt_pools import HEATS, pools_of

if TYPE_CHECKING:
    from components.contracts.progress import Progress
    from components.evaluation.embedding import Embedder
    from components.finetuning.augment import Augment
    from components.finetuning.labels.choice import Ask
    from components.recipes.given_model import GivenModel
    from components.stages.adapt import Adapted
    from components.stages.elsewhere import Halved

MOST_LOST = 0.01  # of a set's number, from 0 to 1, where nobody says how much
MODEL, REPORT, DATA, LOCK, DECODED = "model", "adapted.json", ".data", "lock", "decoded"
SHOWN = 5  # labels in a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for.

    Args:
        data: the pictures, as `diptych data check` takes them.
        start: the folder of a model of open_clip, of transformers or of ours.
        sets: folders in CLIP_benchmark's layout on which it must not get worse; () takes the general sets that ship.
        budget_s: seconds for the race of ways to tune.
        most_lost: of a set's main number, from 0 to 1.
        seed: of splits, draws and intervals.
        batch: pairs a step; None for 64, or where what the start learnt from is replayed and nobody said so for 256, of few labels 128.
        ask: for labels, captions, or what fits (`auto`).
        most_steps: of the longest heat; 0 for as many as take 30 times all pictures.
        augment: how much one's own training pictures are changed: off, light or strong.
        recall: weight of what the start says of general pictures; 0 holds to nothing.
        replay: share of a step's pairs that are general pictures; 0 learns from one's own alone. None replays half, beside few labels three quarters, where the start is a workspace's run, or micro_clip, that
            still has all that it learnt from, and neither ways nor recall are said, by training that goes on alone, which gained most where it was measured; and else nothing.
        recalled: these pictures, as `data` names its own; where it is empty, those that the start learnt from, if they are there, else drawn scenes.
        ways: to tune that take part, by name; () takes the usual ones, or as of `replay`.
    """

    data: str
    start: Path
    sets: Sequence[Path] = ()
    budget_s: float = 900.0
    most_lost: float = MOST_LOST
    seed: int = 0
    batch: int | None = None
    ask: "Ask" = "auto"
    most_steps: int = 0
    ways: Sequence[str] = ()
    augment: "Augment" = "light"
    recall: float = 0.0
    replay: float | None = None
    recalled: str = ""


def adapt(asked: Asked, here: Path, out: Path, as_json: bool) -> None:
    """Leave in `out` the adapted model, and what was found as adapted.json; until then the heats, with which the same command goes on.

    Raises ConfigError, DataError or CapabilityError for what cannot be read or tuned, before anything is, and Busy where somebody adapts into `out`.
    """
    from components.data.evaluation_set import read_set
    from components.evaluation.embedding import Embedder
    from components.recipes.given_model import read_given
    from components.stages.elsewhere import of_set
    from components.stages.raced import check
    from components.stages.racing_ways import taking_part
    from flows.data.check import source_of

    _check_free(out, asked.start)
    given = read_given(asked.start)
    if not isinstance(given.encoder, Embedder) or given.described is None:
        raise ConfigError(
            f"{asked.start} is a {given.library}, whose weights cannot be tuned. Name the folder that it was made of, such as runs/clip/finetune."
        )
    others = [of_set(read_set(folder)) for folder in asked.sets]
    plain = Beside.said(asked)
    check([one.by.called for one in others], asked.most_lost, plain.batch, plain.replay, asked.recall, asked.most_steps)
    taking_part(plain.ways)
    if asked.recalled:
        source_of(asked.recalled, here)  # says what is wrong with it before anything is made
    (out / HEATS).mkdir(parents=True, exist_ok=True)
    with hold(out / HEATS / LOCK, str(out)):
        _check_free(out, asked.start)  # by now another may have ended here
        _adapt(asked, given, given.encoder, others, here, out, as_json)


def _check_free(out: Path, start: Path) -> None:
    """Raise ConfigError where something of this name is there that this command has not begun."""
    if (out / REPORT).exists():
        raise ConfigError(f"{out / REPORT} is there already, and nothing is written over. Name a new folder: --to DIR.")
    if (out / MODEL).exists() and (not (out / HEATS).exists() or (out / MODEL).resolve() == start.resolve()):
        raise ConfigError(
            f"{out / MODEL} is there already, where the adapted model would lie, and nothing is written over. Name a new folder: --to DIR."
        )


def _adapt(
    asked: Asked, given: "GivenModel", encoder: "Embedder", others: "Sequence[Halved]", here: Path, out: Path, as_json: bool
) -> None:  # fmt: skip
    from components.finetuning.continued import UNKNOWN
    from components.recipes.trained import save_trained
    from components.stages.adapt import adapt as adapted
    from components.stages.general import general_sets
    from components.stages.race_steps import HELD_BYTES
    from components.stages.recalled import known_by
    from components.stages.selected import cache_in

    told = listener()
    pools, near = pools_of(asked, here, out / DATA, told)
    beside = Beside.of(asked, here, out, told).fit(asked, pools, encoder)
    recall = beside.recall(asked.recall)
    decoded = out / HEATS / DECODED
    decoded.mkdir(exist_ok=True)
    with nullcontext(others) if others else general_sets(out / HEATS, told) as held:
        found = adapted(
            encoder, pools, held, digest=given.digest, budget_s=asked.budget_s, seed=asked.seed, folder=out / HEATS, progress=told,
            most_lost=asked.most_lost, batch=beside.batch, ask=asked.ask, by=beside.ways, augment=asked.augment, recall=recall,
            most_steps=asked.most_steps, as_trained=beside.as_trained or UNKNOWN, named=bool(asked.ways), cache=cache_in(decoded, HELD_BYTES),
        )  # fmt: skip
    half_model = out / HEATS / MODEL
    for left in (half_model, out / MODEL):  # of a run that was killed here
        shutil.rmtree(left, ignore_errors=True)
    half_model.mkdir()
    save_trained(half_model, encoder.model, dict(given.described or {}), encoder.vocabulary, encoder.preprocess)
    half_model.rename(out / MODEL)
    if found.served:
        found.served.write(out)
    said = {
        "start": {"library": given.library, "sha256": given.sha256},
        "pictures": {name: len(pool) for name, pool in pools.items()},
        **({"recalled": known_by(beside.named, recall)} if recall else {}),
        **found.as_json(),
    }
    said["hard"] += [asdict(near)] if near else []
    half = out / f".{REPORT}"
    half.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    half.replace(out / REPORT)
    shutil.rmtree(out / HEATS, ignore_errors=True)
    print(json.dumps(said) if as_json else "\n".join(lines(found, said, out, asked.ask)))


def listener() -> "Progress":
    """Return whom progress is told: who listens to DIPTYCH_EVENTS, as to a stage's, else the person at the terminal."""
    if events := os.environ.get("DIPTYCH_EVENTS"):
        return Teller("adapt", None, Path(events).with_suffix(".position"), events, lambda: None)
    from flows.data.check import Told

    return Told(sys.stderr, stage="adapt")


def lines(found: "Adapted", said: Mapping[str, Any], out: Path, ask: "Ask" = "auto") -> Iterator[str]:
    """Yield what a person reads: what is hard about the data, the race, the trade, gain and loss with intervals, and one sentence.

    Args:
        found: what became of the model.
        said: what adapted.json says.
        out: where it lies.
        ask: as labels or captions were asked for; where nobody said, that captions were taken for labels is told.
    """
    pictures = said["pictures"]
    yield f"{pictures['train']:,} pictures to learn from, {pictures['val']:,} to choose by, {pictures['pair']:,} to test on"
    if (recalled := said.get("recalled")) and recalled["replay"]:
        held = ", and what the start says of them is held to" if recalled["recall"] else ""
        yield f"{percent(recalled['replay'])} of each step are general pictures, {recalled['pictures']:,} of {recalled['data']}, which are learnt from again{held}. --replay 0 learns from yours alone"
    if ask == "auto" and (labels := found.raced.labels):
        shown = ", ".join(labels[:SHOWN]) + (f" and {len(labels) - SHOWN:,} more" if len(labels) > SHOWN else "")
        yield f"captions were taken for labels, of which there are {len(labels):,} ({shown}): what is asked of a picture is which it has. --ask captions asks for captions"
    for hard in said["hard"]:
        yield f"  {hard['sentence']}"
    by_folds = found.raced.by_folds
    for heat in found.raced.heats:
        folds = f"   folds {percent(by_folds[heat.name]):>6}" if heat.name in by_folds else ""
        yield f"  {heat.name:<14}{heat.steps:>6,} steps   val {percent(heat.score):>6}{folds}   {heat.seconds:,.0f} s"
    for name, why in found.raced.without.items():
        yield f"  {name} was not tried: {why}"
    for row in found.raced.trade:
        others = "".join(f"   {name} {percent(value)}" for name, value in row.items() if name not in ("alpha", "val"))
        yield f"  alpha {row['alpha']:<6g} val {percent(row['val'])}{others}"
    for way, trade in found.raced.passed_over.items():
        for row in trade[1:]:
            others = "".join(
                f"   {name} {percent(value)}" for name, value in row.items() if name not in ("alpha", "val")
            )
            yield f"  {way}, not taken: alpha {row['alpha']:<6g} val {percent(row['val'])}{others}"
    for name, why in found.raced.unbound.items():
        yield f"  {name} bounds nothing: {why}"
    yield advice(said, {"own": adapted_of(said["own"]), "elsewhere": by_set(said["elsewhere"])}, found.more)
    yield f"in {out}"


def adapted_of(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the lines of the adapted model."""
    return [line for line in lines if line["arm"] == "adapted"]


def by_set(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return them by the set that they are of."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for line in adapted_of(lines):
        found.setdefault(line["metric"].split(".")[1], []).append(line)
    return found
