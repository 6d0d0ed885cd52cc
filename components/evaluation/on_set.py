"""What an evaluation set is asked where nobody says, its classes by its templates or its captions, and which of its pictures nobody can be shown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from components.contracts.errors import DataError
from components.contracts.evaluator import Evaluator, Pictures
from components.data.evaluation_set import LABEL, EvaluationSet
from components.data.transforms.preprocess import BadImage
from components.evaluation.retrieval import Retrieval
from components.evaluation.zero_shot import ZeroShot

TOP = (1, 5)


def usual(one: EvaluationSet, ks: Sequence[int]) -> Evaluator:
    """Return zero-shot classification of a set that has classes, with recall by class, and retrieval of any other.

    Args:
        ks: of recall at k.
    """
    if not one.classes:
        return Retrieval(ks)
    return ZeroShot(
        label=LABEL, prompts="templates", templates=one.templates, top=TOP, per_class=True, called=one.called
    )


@contextmanager
def naming(pools: Mapping[str, Pictures], shown: Callable[[bytes], object] | None) -> Iterator[None]:
    """Turn a picture that cannot be shown to the model into a DataError that says which one it is.

    Args:
        pools: name of a set -> its pictures, which nobody has validated.
        shown: the model's transform; None of a model that names them itself.
    """
    try:
        yield
    except BadImage as err:
        if shown is None:
            raise
        for name, pool in pools.items():
            for key, picture in zip(pool.keys, pool.pictures, strict=True):
                try:
                    shown(picture)
                except BadImage as its:
                    raise DataError(unshown(key, name, its)) from err
        raise


def unshown(key: str, name: str, why: Exception) -> str:
    """Return what to say of a picture of a set that cannot be shown to a model."""
    return f"{key} of {name} cannot be shown to the model: {why}. Without it the set would be another. Fetch it again, or take it out."
