"""What a training begins from: the words, pixels and weights of a model that was trained before, or of none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from components.contracts.errors import ConfigError, DataError
from components.contracts.inherit import Inherit
from components.contracts.model_files import MODEL, MODEL_FILES, model_digest
from components.data.selection import distinct
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.models.surgery import Inherited, inherit
from components.recipes.old_model import OldModel
from components.recipes.params import UNTRAINED, Begin
from components.recipes.recipe import Recipe
from components.recipes.trained import described_in, load_trained
from components.recipes.yaml_lines import overlay
from components.training.checkpoints import keys_that_differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A model that was trained before.

    Args:
        path: its folder, as params.yaml says it.
        files: those that make the model.
        digest: sha256 over the names and bytes of these.
        described: `class_path` and `init_args` of its architecture.
        embedder: the model with its tokenizer and transform.
    """

    path: str
    files: tuple[Path, ...]
    digest: str
    described: dict[str, Any]
    embedder: Embedder

    @classmethod
    def read(cls, root: Path, path: str) -> "Start":
        """Read the folder; DataError where it holds no model of ours, or one that is not whole."""
        folder = root / path
        missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"the start {path} lacks {', '.join(missing)}, so there is no model to begin from. A run's folder, such as "
                "runs/clip/pretrain, is made by dvc repro; a model of open_clip or transformers becomes one of ours by `diptych "
                "model import`."
            )
        files = tuple(folder / name for name in MODEL_FILES)
        return cls(
            path=path, files=files, digest=model_digest(folder), described=described_in(folder), embedder=load_trained(folder),
        )  # fmt: skip

    def as_json(self) -> dict[str, str]:
        """Return what is kept of where a model began."""
        return {"path": self.path, "digest": self.digest}

    def give(self, model: nn.Module, recipe: str, how: Inherit | None = None, of: str = "") -> Inherited | None:
        """Put its weights into a model, by name; with `how` also into a larger one, and return what became of them.

        Args:
            how: what becomes of weights that the start lacks.
            of: how the names of those begin that are for a part of a model, such as `image.`.

        Raises ConfigError with what either has and the other has not, or of another size; with `how`, as of inherit.
        """
        whole = self.embedder.model.state_dict()
        weights = {name.removeprefix(of): one for name, one in whole.items() if name.startswith(of)}
        if how is not None:
            return inherit(model, weights, how)
        if differing := keys_that_differ(weights, model.state_dict()):
            raise ConfigError(
                f"{self.path} does not fit the model of {recipe}: {'; '.join(differing)} ({MODEL} in {self.path} against `model` and "
                f"`sizes` in {recipe}.yaml). What fits would be trained on beside weights that were just drawn. Give the recipe the "
                f"start's sizes, or train the start's architecture: recipes.{recipe}.model: start."
            )
        model.load_state_dict(weights)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """With what a training begins.

    Args:
        vocabulary: the words it reads.
        preprocess: how it sees a picture.
        described: `class_path` and `init_args` of the model, with the vocabulary's sizes.
        start: whose weights it gets; None where they are drawn.
        old: the model whose index it shall search; None for an index of its own.
    """

    vocabulary: Vocabulary
    preprocess: Preprocess
    described: dict[str, Any]
    start: Start | None
    old: OldModel | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """What was read."""
        return (*(self.start.files if self.start else ()), *(self.old.files if self.old else ()))

    def as_json(self) -> dict[str, str] | None:
        """Return what is kept of it; None where weights were drawn."""
        return self.start.as_json() if self.start else None


def beginning(root: Path, begin: Begin, recipe: Recipe, pixels: int, captions: Sequence[str]) -> Beginning:
    """Return with what a recipe begins: a vocabulary learnt from captions, or all that its start comes with, the words only where they are not its own.

    What shall search an old model's index reads the words and sees the pictures of that one.

    Args:
        pixels: a side of the scale.
        captions: of the training split.

    Raises ConfigError for a start or an old model of another picture size, and for both where they read or see otherwise; DataError as of
    Start.read and OldModel.read.
    """
    old = OldModel.read(root / begin.compatible_with) if begin.compatible_with else None
    if begin.start == UNTRAINED:
        if old is not None:
            vocabulary, preprocess = old.embedder.vocabulary, old.embedder.preprocess
            _check_pixels(old.label, preprocess.size, pixels)
        else:
            vocabulary = _learnt(recipe, captions)
            preprocess = Preprocess(size=pixels, trim=recipe.training.trim)
        described = overlay(recipe.model, _words(vocabulary))
        return Beginning(vocabulary=vocabulary, preprocess=preprocess, described=described, start=None, old=old)
    start = Start.read(root, begin.start)
    vocabulary, preprocess = start.embedder.vocabulary, start.embedder.preprocess
    if not recipe.training.as_begun:
        _check_pixels(start.path, preprocess.size, pixels)
    if recipe.training.own_words:
        vocabulary = _learnt(recipe, captions)
    if old is not None:
        check_alike(old, Embedder(start.embedder.model, vocabulary, preprocess), start.path)
    theirs = begin.model == "start" or recipe.training.as_begun
    described = start.described if theirs else overlay(recipe.model, _words(vocabulary))
    return Beginning(vocabulary=vocabulary, preprocess=preprocess, described=described, start=start, old=old)


def _check_pixels(of: str, size: int, pixels: int) -> None:
    if size != pixels:
        raise ConfigError(
            f"{of} was trained on pictures of {size} pixels a side, and the scale shows {pixels}. Its transform comes "
            "with its weights, or it would see other pictures than it learnt from. Run with "
            f"--set training.pixels={size}, or begin from a model of {pixels} pixels."
        )


def check_alike(old: OldModel, new: Embedder, of: str) -> None:
    """Raise ConfigError where an old model reads or sees otherwise than the model of `of`: what is trained on one could not be shown to both."""
    same_words = (
        old.embedder.vocabulary.tokenizer.to_str() == new.vocabulary.tokenizer.to_str()
        and old.embedder.vocabulary.context == new.vocabulary.context
    )
    differs = [
        *([] if same_words else ["tokenizer"]),
        *([] if old.embedder.preprocess == new.preprocess else ["transform"]),
    ]
    if differs:
        raise ConfigError(
            f"{of} has another {' and '.join(differs)} than {old.label}, whose index is to be searched, so a batch would mean different things to "
            f"the two. Begin from {UNTRAINED} or from a model that was trained from {old.label}, or leave compatible_with out."
        )


def _learnt(recipe: Recipe, captions: Sequence[str]) -> Vocabulary:
    its = recipe.training
    return Vocabulary.train(distinct(captions), its.vocabulary, its.context, its.whole)


def _words(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the sizes of a text tower that follow from its vocabulary."""
    sizes = {"vocabulary": len(vocabulary), "context": vocabulary.context}
    return {"init_args": {"text": {"init_args": sizes | ({"pad": vocabulary.pad} if vocabulary.pad else {})}}}
