"""What a step of adapting has of what the start learnt from, where nobody says so: by whether captions are labels, and whether the model reads them."""

from components.data.selection import Pool
from components.evaluation.embedding import Embedder
from components.finetuning.labels.choice import Ask, Choice
from components.stages.raced import hard_of

OF_CAPTIONS, OF_LABELS = (0.5, 256), (0.75, 128)
"""Share of a step, and its pairs: captions are told apart from all others of a step, and labels, where there are so few that a step has room for each, are
learnt in more steps."""
ROOM = 32  # one's own pictures in a step of labels
NOT_FOR = "other_language"  # captions that the start's own would pull away from: its texts alone are tuned to them


def unasked(embedder: Embedder, train: Pool, val: Pool, choice: Choice | None, ask: Ask) -> tuple[float, int] | None:
    """Return the share and the pairs of a step; None where nothing is to be replayed.

    Args:
        choice: the labels that are told apart; None where captions are found.
        ask: as of `choice_of`.
    """
    if any(one.name == NOT_FOR for one in hard_of(embedder, train, val, choice, ask)):
        return None
    return OF_LABELS if choice and len(choice.labels) <= ROOM else OF_CAPTIONS
