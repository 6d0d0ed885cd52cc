"""A recipe as typed values: its card, its sections, and the architecture of the chosen scale."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from components.contracts.asked_set import AskedSet
from components.contracts.errors import ConfigError
from components.contracts.inherit import Inherit
from components.contracts.long_captions import LongCaptions
from components.contracts.needs import Needs
from components.contracts.text_pick import CAPTION, TextPick, check_texts
from components.recipes.class_keys import check_keys
from components.recipes.params import INIT_FROM, OVERRIDABLE, no_init_from
from components.recipes.proof import Proof
from components.recipes.section import mapping, section, unknown
from components.recipes.views import check_views
from components.recipes.yaml_lines import Document, overlay, read_yaml
from components.training.numbers import Guards, Optimisation, Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the recipe is.

    Args:
        title: of the paper.
        arxiv: its number.
        year: when it came out.
        claim: what its proof must show.
        evidence: what was shown; `not run` until then.
        proof: how the claim is put to the test by `diptych prove`.
    """

    title: str
    arxiv: str
    year: int
    claim: str
    evidence: str = "not run"
    proof: Proof = field(default_factory=Proof)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curation:
    """Which samples are trained on.

    Args:
        splits: that are selected.
        needs: what a sample must have beside a picture and a text.
        ops: what is done to the training split, one step after the other, each as `class_path` and `init_args` of a CurationOp.
        models: name -> the model that steps may ask by it: a package's folder, or a version such as clip@3.
        engine: what does the work: `process`, this one, or `ray`, which needs the extra of that name. Both find the same.
        cpus: processor cores that decode pictures, and with `ray` do all that is done for each row; 0 for all there are.

    Raises ConfigError for fewer cores than none.
    """

    splits: tuple[str, ...] = ("train", "val")
    needs: Needs = field(default_factory=Needs)
    ops: tuple[dict[str, Any], ...] = ()
    models: dict[str, str] = field(default_factory=dict)
    engine: Literal["process", "ray"] = "process"
    cpus: int = 0

    def __post_init__(self) -> None:
        if self.cpus < 0:
            raise ConfigError(
                f"cpus is {self.cpus}, but it is a number of cores. Give 1 or more, or 0 for all there are."
            )


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Reinforced:
    """Side shards that a training learns from, as `diptych data reinforce` has written them.

    Args:
        side: their folder, relative to the workspace; empty for none.
        digest: the first digits, 12 or more, of the digest that was printed.

    Raises ConfigError for a folder without a digest.
    """

    side: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        if self.side and not re.fullmatch(r"[0-9a-f]{12,64}", self.digest):
            raise ConfigError(
                f"digest is {self.digest!r}, but the side shards in {self.side} are known by theirs: with others there, a run would "
                "learn something else and look the same. Give the 12 digits that diptych data reinforce printed, in quotes."
            )


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Thumbs:
    """Texts that people said do not fit a picture, as `diptych data feedback` has written them.

    Args:
        path: of its negatives.parquet, relative to the workspace; empty for none.
        digest: the first digits, 12 or more, of the digest that was printed.

    Raises ConfigError for a file without a digest.
    """

    path: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        if self.path and not re.fullmatch(r"[0-9a-f]{12,64}", self.digest):
            raise ConfigError(
                f"digest is {self.digest!r}, but the negatives in {self.path} are known by theirs: with others there, a run would learn "
                "something else and look the same. Give the 12 digits that diptych data feedback printed, in quotes."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How the method learns.

    Args:
        optimisation: rate and decay.
        views: what a training picture goes through; what Views takes, without its pixels. Or view name -> such numbers, `main` among
            them, and how many of each picture (`count`): see recipes/views.py.
        order: which rows make a batch, as `class_path` and `init_args` of an Ordering; null for Distinct.
        trim: whether the transform cuts even margins away, in training and ever after.
        vocabulary: tokens of the byte-pair encoding.
        context: tokens a text, start and end among them.
        whole: what is one token wherever it stands in a caption, such as what stands for the name of a person.
        own_words: whether the vocabulary is learnt from the captions although there is a start, for a method that takes none of the
            start's words, such as one that begins with its image tower alone.
        long_captions: what becomes of longer ones in training: `truncate`, `split` into captions of whole sentences, or
            `sample` such a piece each time; elsewhere a text is always cut.
        guards: what is done when it goes wrong.
        reinforce: what teachers said of the samples, for a method that learns from it.
        negatives: texts that do not fit some pictures, for a method whose contrast takes them.
        texts: name in a batch -> which captions of a sample stand under it; methods read `caption`, and some of them more.
        clusters: whether batches have the clusters of each picture, which curation's step Cluster has found, for a method that learns them.
        inherit: how weights of a smaller start come into this model; null refuses a start of other sizes.
        as_begun: whether the start passes through as it is, architecture, tokenizer, transform and weights, and all that is learnt
            is learnt in the stage finetune.
        draw: which of the trainings that one seed could give: weights, batches and what steps draw follow from both, splits and
            what is measured from the seed alone. 0 takes the seed as it is.

    Raises ConfigError for texts without a `caption`, a draw below 0, and as of check_texts.
    """

    optimisation: Optimisation
    views: dict[str, Any] = field(default_factory=dict)
    order: dict[str, Any] | None = None
    trim: bool = False
    vocabulary: int = 1024
    context: int = 24
    whole: tuple[str, ...] = ()
    own_words: bool = False
    long_captions: LongCaptions = "truncate"
    guards: Guards = field(default_factory=Guards)
    reinforce: Reinforced = field(default_factory=Reinforced)
    negatives: Thumbs = field(default_factory=Thumbs)
    texts: dict[str, TextPick] = field(default_factory=lambda: {CAPTION: TextPick()})
    clusters: bool = False
    inherit: Inherit | None = None
    as_begun: bool = False
    draw: int = 0

    def __post_init__(self) -> None:
        check_texts(self.texts)
        if self.draw < 0:
            raise ConfigError(
                f"training.draw is {self.draw}. Give 0, or another whole number for another training under the same seed."
            )

    def seed(self, seed: int) -> int:
        """Return what decides the draws of the training, from params.yaml's seed."""
        if self.draw == 0:
            return seed
        return int.from_bytes(hashlib.sha256(f"{seed}:{self.draw}".encode()).digest()[:4], "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What is measured.

    Args:
        ks: the k of recall at k.
        batch: pictures or texts encoded at once.
        evaluators: what is measured beside retrieval, each as `class_path` and `init_args` of an Evaluator.
        sets: name -> an evaluation set that is measured beside the data's own pools.
    """

    ks: tuple[int, ...] = (1, 5, 10)
    batch: int = 256
    evaluators: tuple[dict[str, Any], ...] = ()
    sets: dict[str, AskedSet] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is exported.

    Args:
        opset: of ONNX.
        tolerance: most that an exported embedding may differ from torch's, per number.
        index: which pictures the retrieval index holds; `all` that passed validation.
    """

    opset: int = 18
    tolerance: float = 1e-4
    index: Literal["all"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One paper at one scale.

    Args:
        name: of the file.
        card: what it is.
        curation: which samples.
        model: `class_path` and `init_args` of the model, sizes of the scale laid over.
        method: the same of the method, without its model.
        training: how it learns.
        finetuning: `class_path` and `init_args` of a strategy; null passes the weights of pre-training through.
        evaluation: what is measured.
        serving: what is exported.
    """

    name: str
    card: Card
    curation: Curation
    model: dict[str, Any]
    method: dict[str, Any]
    training: Training
    finetuning: dict[str, Any] | None
    evaluation: Evaluation
    serving: Serving


TYPED: Mapping[str, type] = {
    "card": Card, "curation": Curation, "training": Training, "evaluation": Evaluation, "serving": Serving,
}  # fmt: skip
SECTIONS = (*TYPED, "sizes", "model", "method", "finetuning")
RACE = "components.finetuning.raced.Race"
_SCALE = tuple(one.name for one in fields(Scale))  # laid over training, so overridden there too


def load_recipe(root: Path, name: str, scale: str) -> Recipe:
    """Read components/recipes/<name>.yaml with the architecture of `scale` laid over it.

    Raises ConfigError with file, line and nearest name for a key that nothing takes, and for a scale it has no size for.
    """
    document = read_recipe(root, name)
    sizes, method = mapping(document, "sizes"), mapping(document, "method")
    if scale not in sizes:
        raise ConfigError(
            f"{document.at('sizes')}: there is no size for the scale {scale!r}; there are {', '.join(sizes) or 'none'}. "
            "Choose one of them in params.yaml, or add a size."
        )
    model = overlay(mapping(document, "model"), sizes[scale] or {})
    sized = replace(document.laid_over("model", f"sizes.{scale}"), values={**document.values, "model": model})
    sized = overridden(sized, root, "model")
    model = sized.values["model"]
    check_keys(sized, "model", model)
    check_keys(document, "method", method)
    typed: dict[str, Any] = {key: section(document, key, kind) for key, kind in TYPED.items() if kind is not Card}
    typed["card"] = _card(document)
    _check_order(document, typed["training"].order)
    check_views(document, typed["training"].views)
    return Recipe(name=name, model=model, method=method, finetuning=document.values["finetuning"], **typed)


def _check_order(document: Document, order: Mapping[str, Any] | None) -> None:
    if order is not None and "class_path" not in order:
        raise ConfigError(
            f"{document.at('training.order')}: training.order is {dict(order)!r}, but must name an order by its class_path, such "
            "as {class_path: components.data.samplers.groups.Grouped}. null has no concept twice in a batch."
        )
    check_keys(document, "training.order", order)


def load_card(root: Path, name: str) -> Card:
    """Read that section alone; errors as of load_recipe."""
    return _card(read_recipe(root, name))


def _card(document: Document) -> Card:
    """Return the section. What its arms override stays as it is written: of what names a class, jsonargparse would make one."""
    card = mapping(document, "card")
    proof = card.get("proof")
    arms = proof.get("arms") if isinstance(proof, dict) else None
    if not isinstance(proof, dict) or not isinstance(arms, dict):
        return section(document, "card", Card)
    written = {
        name: arm["overrides"]
        for name, arm in arms.items()
        if isinstance(arm, dict) and isinstance(arm.get("overrides"), dict)
    }
    bare = {name: {**arm, "overrides": {}} if name in written else arm for name, arm in arms.items()}
    values = {**document.values, "card": {**card, "proof": {**proof, "arms": bare}}}
    read = section(replace(document, values=values), "card", Card)
    kept = {name: replace(arm, overrides=written.get(name, {})) for name, arm in read.proof.arms.items()}
    return replace(read, proof=replace(read.proof, arms=kept))


def load_curation(root: Path, name: str) -> Curation:
    """Read that section alone, for a stage that builds no model and need not wait for torch."""
    return section(read_recipe(root, name), "curation", Curation)


def load_needs(root: Path, name: str, scale: str) -> Needs:
    """Return what the recipe needs of the data, in numbers: pixels are those of the scale, context that of the recipe.

    `overrides.training` changes neither, so that a run with other numbers learns from the same samples.
    """
    needs = load_curation(root, name).needs
    recipes = root / "components" / "recipes"
    pixels = read_yaml(recipes / "scales" / f"{scale}.yaml").values["pixels"]
    training = read_yaml(recipes / f"{name}.yaml").values["training"]
    usual = next(one.default for one in fields(Training) if one.name == "context")
    return needs.at(pixels, training.get("context", usual))


def load_finetuning(root: Path, name: str) -> dict[str, Any] | None:
    """Read that section alone, its keys held against the class it names; null imports nothing.

    Raises ConfigError with file, line and nearest name.
    """
    document = read_recipe(root, name)
    values: object = document.values["finetuning"]
    if values is None:
        return None
    if not isinstance(values, dict) or "class_path" not in values:
        said = next(iter(values), "") if isinstance(values, dict) else ""
        raise ConfigError(
            f"{document.at(f'finetuning.{said}')}: finetuning is {values!r}, but must name a strategy by its class_path, "
            "such as {class_path: components.finetuning.locked.LockedImage}. null passes the pre-trained model through."
        )
    params = read_yaml(root / "params.yaml")
    if raced := _raced(params, name):
        if values["class_path"] != RACE:
            raise ConfigError(
                f"{params.at(f'recipes.{name}.race')}: {name} is tuned by {values['class_path']}, and only a race has such numbers. Take "
                f"them out, or name {RACE} in its section finetuning."
            )
        values = overlay(values, {"init_args": raced})
        said = {f"finetuning.init_args.{key}": params.at(f"recipes.{name}.race.{key}") for key in raced}
        document = replace(document, elsewhere={**document.elsewhere, **said})
    check_keys(document, "finetuning", values)
    return values


def _raced(params: Document, name: str) -> dict[str, Any]:
    """Return the numbers of a race that params.yaml has beside the recipe's start."""
    said = (params.values.get("recipes") or {}).get(name)
    numbers = said.get("race") if isinstance(said, Mapping) else None
    return dict(numbers or {})


def read_recipe(root: Path, name: str) -> Document:
    """Read the YAML; ConfigError for a section that is missing or that nothing reads."""
    document = read_yaml(root / "components" / "recipes" / f"{name}.yaml")
    for key in document.values:
        if key not in SECTIONS:
            raise unknown(document, key, key, list(SECTIONS), "a recipe")
    for key in SECTIONS:
        if key not in document.values:
            raise ConfigError(
                f"{document.path.name} has no section {key!r}. Add it; null or {{}} where it has no numbers."
            )
    if INIT_FROM in mapping(document, "training"):
        raise no_init_from(document, f"training.{INIT_FROM}")
    for key in SECTIONS:
        if key != "model":  # there the size of the scale comes between
            document = overridden(document, root, key)
    return document


def load_scale(root: Path, name: str) -> Scale:
    """Read components/recipes/scales/<name>.yaml; errors as of load_recipe."""
    document = read_yaml(root / "components" / "recipes" / "scales" / f"{name}.yaml")
    params, numbers = _overrides(root, "training")
    ours = {key: value for key, value in numbers.items() if key in _SCALE}
    return section(document.changed("", ours, params, "overrides.training"), "", Scale)


def batch_asked(root: Path) -> str | None:
    """Return where params.yaml asks for a batch of its own, such as `params.yaml, line 12`; None where the scale's is taken."""
    params, numbers = _overrides(root, "training")
    return params.at("overrides.training.batch") if "batch" in numbers else None


def overridden(document: Document, root: Path, key: str) -> Document:
    """Return the recipe with what params.yaml's `overrides` says of one section in place of its own numbers."""
    params, values = _overrides(root, key)
    if key == "training":
        known = (*(one.name for one in fields(Training)), *_SCALE)
        for name in values:
            if name == INIT_FROM:
                raise no_init_from(params, f"overrides.training.{name}")
            if name not in known:
                raise unknown(params, f"overrides.training.{name}", name, known, "training")
        values = {name: value for name, value in values.items() if name not in _SCALE}
    return document.changed(key, values, params, f"overrides.{key}") if values else document


def _overrides(root: Path, key: str) -> tuple[Document, dict[str, Any]]:
    """Return params.yaml, and what its `overrides` has for a section; nothing where it has none."""
    params = read_yaml(root / "params.yaml")
    said = mapping(params, "overrides") if "overrides" in params.values else {}
    for name in said:
        if name not in OVERRIDABLE:
            raise unknown(params, f"overrides.{name}", name, OVERRIDABLE, "overrides")
    values = said.get(key) or {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{params.at(f'overrides.{key}')}: overrides.{key} is {values!r}, but must be names with values, such as "
            "{steps: 500}."
        )
    return params, values
