"""What a step of adapting has of what the start learnt from, where nobody says so: by whether captions are labels, and whether the model reads them."""

from dataclasses import dataclass

from components.data.selection import Pool
from components.evaluation.embedding import Embedder
from components.finetuning.labels.choice import Ask, Choice
from components.stages.raced import hard_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What steps are.

    Args:
        share: of a step's pairs that are of what the start learnt from.
        batch: pairs a step.
        recall: weight of what the start said of these, beside the loss; 0 holds to nothing.
    """

    share: float
    batch: int
    recall: float = 0.0


OF_CAPTIONS, OF_LABELS = Steps(share=0.5, batch=256, recall=3.0), Steps(share=0.75, batch=128)
"""Captions are told apart from all others of a step, and labels, where there are so few that a step has room for each, are learnt in more steps. To hold to what
the start said of what is replayed as well takes 1.7 times as long a step: beside captions more came of the same time, beside labels as much (docs/adapt.md)."""
ROOM = 32  # one's own pictures in a step of labels
NOT_FOR = "other_language"  # captions that the start's own would pull away from: its texts alone are tuned to them


def unasked(embedder: Embedder, train: Pool, val: Pool, choice: Choice | None, ask: Ask) -> Steps | None:
    """Return what steps are; None where nothing is to be replayed.

    Args:
        choice: the labels that are told apart; None where captions are found.
        ask: as of `choice_of`.
    """
    if any(one.name == NOT_FOR for one in hard_of(embedder, train, val, choice, ask)):
        return None
    return OF_LABELS if choice and len(choice.labels) <= ROOM else OF_CAPTIONS
