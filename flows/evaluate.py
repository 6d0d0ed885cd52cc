"""`diptych evaluate`: a model of anybody's on evaluation sets as CLIP_benchmark keeps them. Needs no workspace."""

import gc
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts.errors import ConfigError, DataError
from components.contracts.sealed import digest_of, sha256_of
from components.evaluation.wording import between, shown
from components.serving.errors import BadPicture, NotServed

if TYPE_CHECKING:
    from components.contracts.evaluator import Findings, Space
    from components.contracts.progress import Progress
    from components.data.evaluation_set import EvaluationSet
    from components.evaluation.fitted import Fit
    from components.recipes.given_model import GivenModel

ABOUT, METRICS = "about.json", "metrics.json"
KS = (1, 5, 10)
COLLECT_AFTER = 100_000  # objects more than before, in place of some hundreds
READ = (".json", ".txt", ".model", ".bpe", ".gz", ".yaml")  # configs, tokenizers and transforms
TRITON, SERVED = "triton:", "served"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a model.

    Args:
        path: its folder, also a package's, or its file of weights; of no meaning where an address is given.
        address: host:port of a Triton that serves it.
        library: whose it is, or None to read that off the files.
        config: where theirs lies, if not beside.
        tokenizer: likewise.
        split: of each set.
        namesakes: whether classes that are called alike are counted as CLIP_benchmark counts them; an error else.
        ks: of recall at k, where a set is for retrieval.
        fits: what else classifies by labelled pictures: `probe`, `knn`, `few_shot`.
        seed: of the draws that intervals come from.
        batch: pictures or texts encoded at once.
    """

    path: Path
    address: str | None = None
    library: str | None = None
    config: Path | None = None
    tokenizer: Path | None = None
    split: str = "test"
    namesakes: bool = False
    ks: Sequence[int] = KS
    fits: Sequence["Fit"] = ()
    seed: int = 0
    batch: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A set to test on, and its split to fit on where something is fitted and it has one."""

    tested: "EvaluationSet"
    to_fit: "EvaluationSet | None"

    @classmethod
    def of(cls, folder: Path, asked: Asked) -> "_Read":
        from components.data.evaluation_set import read_set, read_to_fit

        tested = read_set(folder, asked.split, asked.namesakes)
        return cls(tested=tested, to_fit=read_to_fit(folder, tested, asked.namesakes) if asked.fits else None)


def evaluate(asked: Asked, sets: Sequence[Path], out: Path | None, as_json: bool) -> None:
    """Measure each set, print what was found, and leave it in `out`, a folder a set.

    A set that `out` has from the same model, data and question is not measured again, so an evaluation that was interrupted goes on with the
    next. Raises DataError, ConfigError or CapabilityError for what cannot be read, before anything is encoded; what was measured stays.
    """
    from components.evaluation.ranks import sharing

    with sharing() as share, seldom_collected():
        _evaluate(asked, sets, out, as_json, is_first=share.rank == 0)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let Python look for cycles of garbage less often meanwhile: imports, and rows of answers, are many objects that stay, looked through each time."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _evaluate(asked: Asked, sets: Sequence[Path], out: Path | None, as_json: bool, is_first: bool) -> None:
    """Measure as one of several processes, all of which do this, of which the first alone prints and writes."""
    from components.contracts.progress import silent
    from components.evaluation.embedding import Embedder
    from components.evaluation.ranks import device
    from flows.data.check import Told

    check(asked)
    read = [_Read.of(folder, asked) for folder in sets]
    names = [one.tested.name for one in read]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"two sets are called alike: {', '.join(names)}. Their numbers would have one name; rename a folder."
        )
    told, found = Told(sys.stderr, stage="evaluate") if is_first else silent, {}
    with opened(asked) as model:
        if isinstance(model.encoder, Embedder):
            model.encoder.model.to(device())
        for one in read:
            name = one.tested.name
            about, where = about_of(model, one, asked), None if out is None else out / name
            before = None if where is None else measured_before(where, about)
            found[name] = before or measured(model, one, asked, about, where if is_first else None, told)
            if is_first and not as_json:
                print("\n".join(lines(found[name])), flush=True)
    if not is_first:
        return
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    elif out is not None:
        print(f"in {out}")


def address_of(said: str, here: Path) -> str | None:
    """Return host:port where a server is meant: `triton:HOST:PORT`, or `served`, that of the workspace around `here`; None for anything else.

    Raises ConfigError for an address that is none, and NotServed where the workspace serves nothing.
    """
    if said.startswith(TRITON):
        address = said.removeprefix(TRITON)
        host, _, port = address.rpartition(":")
        if not host or "/" in address or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise ConfigError(
                f"{said} names no server: after {TRITON} come host and port of its HTTP endpoint, such as {TRITON}127.0.0.1:8000, and nothing else."
            )
        return address
    if said != SERVED:
        return None
    from components.serving.endpoint import read_endpoint
    from flows.run import find_root

    endpoint = read_endpoint(root := find_root(here))
    if endpoint is None:
        raise NotServed(
            f"No model is served from {root}. Run `make run`, which ends with one, or name a server: {TRITON}HOST:PORT."
        )
    return endpoint.http


def opened(asked: Asked) -> AbstractContextManager["GivenModel"]:
    """Give the model that is asked."""
    from components.recipes.given_model import asked_of, read_given

    if asked.address is not None:
        return asked_of(asked.address, asked.batch)
    return nullcontext(read_given(asked.path, asked.library, asked.config, asked.tokenizer, asked.batch))  # type: ignore[arg-type]  # argparse has checked it


def check(asked: Asked) -> None:
    """Raise ConfigError for numbers that make no sense."""
    if not asked.ks or min(asked.ks) < 1:
        raise ConfigError(
            f"--k is {list(asked.ks)}, but recall is looked for among the first k answers: 1 or more. 1, 5 and 10 are usual."
        )
    beside = [f"--{name}" for name in ("config", "tokenizer") if getattr(asked, name) is not None]
    beside += ["--from"] if asked.library is not None else []
    if asked.address is not None and beside:
        raise ConfigError(
            f"{' and '.join(beside)} say how a folder is read, but {asked.address} is a server, which has read its own. Leave them out."
        )
    if asked.batch < 1:
        raise ConfigError(f"--batch is {asked.batch}, but so many are encoded at once: 1 or more. 64 is usual.")


def about_of(model: "GivenModel", read: _Read, asked: Asked) -> dict[str, Any]:
    """Return what decides the numbers: who was asked what, and how."""
    from components.evaluation.on_set import TOP

    one, beside_it = read.tested, read.to_fit
    what = (
        {"classes": len(one.called), "templates": len(one.templates), "top": list(TOP)}
        | ({"namesakes": list(one.namesakes)} if one.namesakes else {})
        if one.called
        else {"ks": list(asked.ks)}
    )
    beside = {
        name: _digest(path)
        for name, path in (("config", asked.config), ("tokenizer", asked.tokenizer))
        if path is not None
    }
    return {
        "model": {"library": model.library, "weights": model.named, "sha256": model.sha256, **_beside(asked), **beside},
        "set": {"name": one.name, "split": one.split, "digest": one.digest, "pictures": len(one.pool)}
        | ({"fitted_on": {"split": beside_it.split, "digest": beside_it.digest, "pictures": len(beside_it.pool)}} if beside_it else {}),
        "asked": {**what, **({"fits": list(asked.fits)} if asked.fits else {}), "seed": asked.seed},
    }  # fmt: skip


def _beside(asked: Asked) -> dict[str, str]:
    """Return the digest of the small files beside the weights, which say how pictures and texts are read; nothing of a server, which has its own."""
    if asked.address is not None:
        return {}
    folder = asked.path if asked.path.is_dir() else asked.path.parent
    files = [file for file in folder.iterdir() if file.is_file() and file.suffix in READ]
    return {"files": digest_of({file.name: sha256_of(file) for file in files})}


def _digest(path: Path) -> str:
    """Return the sha256 of a file, or over all files of a folder."""
    if path.is_file():
        return sha256_of(path)
    return digest_of({file.relative_to(path).as_posix(): sha256_of(file) for file in path.rglob("*") if file.is_file()})


def measured_before(folder: Path, about: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what `folder` has of the very same, None where there is no such folder; DataError where it has something else."""
    if not folder.exists():
        return None
    try:
        held = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(
            f"{folder} holds no evaluation that can be read ({err}), and nothing is written over. Give a new folder with --to."
        ) from err
    if not about["model"]["sha256"]:
        raise DataError(
            f"{folder} has numbers already, and {about['model']['weights']} does not say which weights it serves (package_digest), so nobody knows whether "
            "they are of the same. Give a new folder with --to."
        )
    if not any(name.startswith("canary.") for name in metrics):
        raise DataError(
            f"{folder} was measured without the canary, so nobody knows whether it was measured as it would be now, and nothing is written over. "
            "Give a new folder with --to, where it is measured again."
        )
    differs = [name for name in about if held.get(name) != about[name]]
    if differs:
        raise DataError(
            f"{folder} has numbers of another {' and '.join(differs)}, and nothing is written over. Give a new folder with --to."
        )
    return {**held, "metrics": metrics}


def measured(
    model: "GivenModel",
    read: _Read,
    asked: Asked,
    about: Mapping[str, Any],
    out: Path | None,
    told: "Progress",
) -> dict[str, Any]:
    """Return about and metrics of one set, and leave them in the new folder `out` with a row a query."""
    from components.data.new_folder import new_folder
    from components.evaluation.kept import write

    began, one = (time.perf_counter(), time.process_time()), read.tested
    found = findings(model, read, asked, told)
    metrics = tuple(
        replace(metric, data=metric.data or one.digest, weights=model.sha256 or None) for metric in found.metrics
    )
    found = replace(found, metrics=metrics)
    spent = {"wall_s": round(time.perf_counter() - began[0], 2), "cpu_s": round(time.process_time() - began[1], 2)}
    said = {**about, "left_out": dict(one.left_out), "without": dict(found.without), "spent": spent}
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(out) as folder:
            write(found, folder)
            (folder / ABOUT).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return {**said, "metrics": {metric.name: metric.as_json() for metric in found.metrics}}


def findings(model: "GivenModel", read: _Read, asked: Asked, told: "Progress") -> "Findings":
    """Return what the evaluators of such a set find; DataError that names a picture that cannot be decoded."""
    from components.data.selection import Pool
    from components.evaluation.canary import Canary
    from components.evaluation.embedding import Embedder
    from components.evaluation.fitted import fitted
    from components.evaluation.labelled import joined
    from components.evaluation.on_set import naming, unshown, usual
    from components.evaluation.subject import TrainedModel

    one = read.tested
    spaces: tuple[Space, ...] = ("pooled", "features") if isinstance(model.encoder, Embedder) else ("pooled",)
    nothing = Pool(keys=(), pictures=(), captions=(), concepts=(), sources=())  # nobody knows what it was trained on
    subject = TrainedModel(
        encoder=model.encoder, untrained=lambda: model.untrained(asked.seed), train=nothing, pools={one.name: one.pool},
        seed=asked.seed, progress=told, to_fit={one.name: read.to_fit.pool} if read.to_fit else {},
    )  # fmt: skip
    pools = {one.name: one.pool} | ({f"{one.name}, {read.to_fit.split}": read.to_fit.pool} if read.to_fit else {})
    found = []
    with naming(pools, model.encoder.preprocess if isinstance(model.encoder, Embedder) else None):
        for asks in (Canary(), usual(one, asked.ks), *fitted(asked.fits, spaces)):
            beside = read.to_fit if asks.fits else None
            fitted_on = [f"{beside.split}/{key}" for key in beside.pool.keys] if beside else []
            keys = [*fitted_on, *one.pool.keys]  # as they are encoded
            try:
                found.append(asks.measure(subject))
            except BadPicture as err:
                raise DataError(unshown(keys[err.place], one.name, err)) from err
    model.check_same()
    return joined(found)


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return what a person reads of one set: what it is, and a line a metric."""
    what, asked = found["set"], found["asked"]
    kind = f"{asked['classes']:,} classes, {asked['templates']:,} templates" if "classes" in asked else "captions"
    if alike := asked.get("namesakes"):
        kind += f", several called {', '.join(alike)}"
    said = [f"{what['name']} ({what['split']}): {what['pictures']:,} pictures, {kind}"]
    for name, its in found["metrics"].items():
        if name.startswith("canary."):  # not of this model: said where it tells something
            if its["value"] != its["baseline"]:
                was = shown(its["baseline"], its["unit"])
                said.append(
                    f"  {name} is {shown(its['value'], its['unit'])} and was {was} when it was frozen: not the evaluation that others had"
                )
            continue
        short = re.sub(rf"^(\w+)\.{re.escape(what['name'])}\.", r"\1.", name)
        value, chance = (shown(its[name], its["unit"]) for name in ("value", "chance"))
        said.append(
            f"  {short:<44}{value:>7}   {between(its) or 'of one group alone, no interval'}, chance {chance}, n {its['n']:,}"
        )
    said += [f"  {name} is not measured: {why}" for name, why in found.get("without", {}).items()]
    return said + [f"  left out: {times:,} {name}" for name, times in found["left_out"].items()]
