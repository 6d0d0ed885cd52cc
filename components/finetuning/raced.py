"""In place of one strategy: several race within a budget, on the validation split, and the best of them is kept."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from components.contracts.errors import ConfigError

SCENES = {"name": "scenes", "pictures": 240}
START = "start"  # as the name of general pictures: what the start learnt from
AUTO = "auto"


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Race:
    """How long it runs, and how much it may cost elsewhere.

    Args:
        budget_s: seconds for the race.
        most_lost: of a main number of an evaluation set, 0 to 1; what loses more by its middle value is not chosen.
        batch: pairs a step, cut to the captions there are; null takes 64, or what fits where `replay` is auto.
        ask: for `labels`, `captions`, or what fits (`auto`).
        ways: to tune that take part, by name; null takes the usual four.
        augment: how much one's own training pictures are changed, and general ones of which it is not known what they went through before.
        recall: weight of what the start says of general pictures, beside the loss; 0 holds to nothing.
        replay: share of a step's pairs that are general pictures, learnt from beside one's own; 0 learns from none. These are what the start learnt from, or drawn
            scenes: what lineage, licences and the list of what was taken down say of a model is by rows of the workspace and of its start, which those of another
            source are not. `auto` takes what fits, of what the start learnt from, by training that goes on alone, and nothing where captions are in a language
            that the start does not read.
        recalled: the source of these pictures, as params.yaml has one, without a path; or what the start learnt from, {name: start, digest: …}, the digest of
            what `diptych adapt` laid into data/learnt.
        as_trained: the numbers of the optimizer that the start was trained by, with which training goes on; none where nobody knows.
        sets: name -> a set on which it must not get worse, as `evaluation.sets` has one, and for one with a path the first digits, 12 or more, of its
            `digest`, that of the whole: those of the evaluation may change without a tuning anew, and these may not. What is told at the end should be of the other
            `half`.

        most_steps: of the longest heat; 0 for as many as take 30 times all pictures.

    Raises ConfigError for numbers out of range.
    """

    budget_s: float = 900.0
    most_lost: float = 0.01
    batch: int | None = None
    ask: Literal["auto", "labels", "captions"] = "auto"
    ways: list[str] | None = None
    augment: Literal["off", "light", "strong"] = "light"
    recall: float = 0.0
    replay: float | Literal["auto"] = 0.0
    recalled: dict[str, Any] = field(default_factory=lambda: dict(SCENES))
    as_trained: dict[str, Any] = field(default_factory=dict)
    sets: dict[str, Any] = field(default_factory=dict)
    most_steps: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.budget_s < math.inf:
            raise ConfigError(f"budget_s is {self.budget_s}, but a race takes time. Give seconds, such as 900.")
        if not 0 <= self.most_lost <= 1:
            raise ConfigError(f"most_lost is {self.most_lost}, but it is a share, from 0 to 1. 0.01 is usual.")
        if not 0 <= self.recall < math.inf:
            raise ConfigError(
                f"recall is {self.recall}, but it is a weight beside the loss. Give 0 to hold to nothing, or 1."
            )
        if isinstance(self.replay, str) and (self.of_start is None or self.ways or self.recall):
            raise ConfigError(
                "replay is auto, which is for what the start learnt from, by no other way and no recall. Give recalled as diptych adapt writes it, {name: start, "
                "digest: …}, without ways and recall; or a share, such as 0.5."
            )
        if not isinstance(self.replay, str) and not 0 <= self.replay < 1:
            raise ConfigError(f"replay is {self.replay}, but it is a share of a step's pairs, below 1. Give 0 or 0.5.")
        if self.recalled.get("name") == START and not self.of_start:
            raise ConfigError(
                f"recalled is {self.recalled}, and lacks the digest of what was laid into data/learnt. `diptych adapt` writes it."
            )
        if self.replay and self.recalled.get("name") not in (SCENES["name"], START):
            raise ConfigError(
                f"replay learns from what the start learnt from, or from drawn scenes, and recalled is {self.recalled}, whose rows neither lineage nor data/takedown.txt would reach. "
                "Outside of a workspace any will do: diptych adapt … --to DIR."
            )
        if self.batch is not None and self.batch < 2:
            raise ConfigError(f"batch is {self.batch}, but a contrast needs two pairs at least. 64 is usual.")
        if self.most_steps < 0:
            raise ConfigError(f"most_steps is {self.most_steps}. Give the steps of the longest heat, or 0.")
        for name, one in self.sets.items():
            if one.get("path") and len(str(one.get("digest", ""))) < 12:
                raise ConfigError(
                    f"sets names {name} without its digest, and with other pictures there a race would choose otherwise and look the same. "
                    "`diptych adapt --set` writes it."
                )

    @property
    def of_start(self) -> str | None:
        """The digest of what the start learnt from, where general pictures are that."""
        return str(self.recalled.get("digest", "")) if self.recalled.get("name") == START else None
