"""An evaluation set that a recipe asks for."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class AskedSet:
    """An evaluation set.

    Args:
        path: its folder, in data/sets: as CLIP_benchmark keeps sets (docs/evaluation.md) or, with a `source`, whatever that reads, or what `diptych data
            feedback` wrote; None where the source takes none.
        split: of CLIP_benchmark's folder.
        namesakes: whether its classes may be called alike, as those of ImageNet are.
        source: a source of params.yaml in place of CLIP_benchmark's layout, without its path: `{name: folder}`. All its samples are the set, whatever
            their split.
        evaluators: what it is asked, each as `class_path` and `init_args` of an Evaluator; none: zero-shot classification by its templates
            where it has classes, else retrieval.
        half: which of its pictures are measured on: the `whole`, or the `first` or `second` half, of which one bounds what is tuned and the other tells what it
            lost (components/data/halves.py). A split to fit on stays whole.
    """

    path: str | None = None
    split: str = "test"
    namesakes: bool = False
    source: dict[str, Any] | None = None
    evaluators: tuple[dict[str, Any], ...] = ()
    half: Literal["whole", "first", "second"] = "whole"
