"""How much of the captions a tokenizer has no token for: whether it was made for the writing that they are in."""

from collections.abc import Sequence

from components.contracts.errors import DataError
from components.data.tokenizers import Vocabulary

MOST = 0.05
"""Share of tokens that may be unknown. A tokenizer of another script has nearly all unknown; rare signs are a share of a percent."""


def unread(vocabulary: Vocabulary, captions: Sequence[str]) -> float:
    """Return the share of the captions' tokens that stand for anything unknown; 0 of byte pairs, which read every text."""
    token = getattr(vocabulary.tokenizer.model, "unk_token", None)
    unknown = None if token is None else vocabulary.tokenizer.token_to_id(token)
    if unknown is None:
        return 0.0
    rows = vocabulary.uncut().encode_batch(list(captions), add_special_tokens=False)
    total = sum(len(row.ids) for row in rows)
    return sum(row.ids.count(unknown) for row in rows) / total if total else 0.0


def check_read(vocabulary: Vocabulary, captions: Sequence[str], most: float = MOST) -> None:
    """Raise DataError, with a caption, where more than `most` of the tokens are unknown."""
    if (share := unread(vocabulary, captions)) > most:
        worst = next(caption for caption in captions if unread(vocabulary, [caption]) > most)
        raise DataError(
            f"the tokenizer has no token for {share:.0%} of what the captions say, such as in {worst[:60]!r}; {most:.0%} is the most. A model would "
            "learn that all of it is the same. Begin from a model whose tokenizer reads this writing, or let the recipe learn words of its own "
            "(training.own_words)."
        )
