"""A version began as the versions whose model its start was, and as what these began as; what only passed a model on is none of them."""

import pytest

from components.contracts.model_files import MODEL_FILES
from components.contracts.sealed import digest_of
from components.registry.forebears import MADE, begun_from, forebears, models_of

FILES = {name: f"sha256 of {name}" for name in MODEL_FILES}


def made(start: str | None = None, **models: str) -> dict:
    return {MADE: models, "start": start and {"path": "models/theirs", "digest": start}}


OTHERS = {
    "clip@1": made(pretrain="P", finetune="F"),
    "clip@2": made(pretrain="P", finetune="G"),
    "adapted@1": made("F", pretrain="F", finetune="A"),
    "adapted@2": made("F", pretrain="F", finetune="F"),
    "adapted@3": made("A", pretrain="A", finetune="B"),
}


@pytest.mark.parametrize(
    ("start", "began"),
    [
        (None, ()),
        ("somebody's", ()),
        ("G", ("clip@2",)),
        ("P", ("clip@1", "clip@2")),
        ("F", ("clip@1",)),  # which adapted@2, that learnt nothing, has too
        ("A", ("adapted@1", "clip@1")),
        ("B", ("adapted@3", "adapted@1", "clip@1")),
    ],
)
def test_a_version_began_as_those_whose_model_was_its_start(start, began):
    assert forebears(made(start, finetune="mine"), OTHERS) == began


def test_what_only_passed_its_start_on_began_as_that_and_not_as_itself():
    assert forebears(OTHERS["adapted@2"], OTHERS) == ("clip@1",)


def test_what_began_as_a_model_or_as_what_that_became_is_found_by_the_first_digits_of_it():
    assert begun_from(OTHERS, {"F": 2}) == {"adapted@1": 2, "adapted@2": 2, "adapted@3": 2}
    assert begun_from(OTHERS, {"A": 1, "theirs": 5}) == {"adapted@3": 1}
    assert begun_from(OTHERS, {}) == begun_from(OTHERS, {"B": 1}) == {}


def test_a_package_that_does_not_say_its_models_is_known_by_its_files():
    assert models_of({"files": {**FILES, "encoder.onnx": "another"}}) == {"package": digest_of(FILES)}
    assert models_of({"files": {"weights": "alone"}}) == models_of({}) == {}
