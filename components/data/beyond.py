"""How many captions are longer than a text tower reads, and how much of them it never sees; counted before training."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from components.data.tokenizers import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What is cut away.

    Args:
        context: tokens that are read of a caption, start and end among them.
        captions: counted.
        cut: those with more tokens.
        longest: tokens of the longest caption.
        tokens: of all captions.
        lost: of these, the tokens that are never read.
    """

    context: int
    captions: int
    cut: int
    longest: int
    tokens: int
    lost: int

    def __str__(self) -> str:
        """Return it as a person would say it."""
        if not self.cut:
            return f"none of {self.captions:,} captions is longer than {self.context} tokens"
        return (
            f"{self.cut:,} of {self.captions:,} captions are longer than {self.context} tokens, the longest {self.longest:,}: "
            f"{self.lost / self.tokens:.1%} of all tokens are cut away"
        )


def beyond(vocabulary: Vocabulary, captions: Sequence[str]) -> Beyond:
    """Return what the vocabulary's own truncation cuts away from captions, each counted as often as it comes."""
    whole = Tokenizer.from_str(vocabulary.tokenizer.to_str())  # a copy: the vocabulary goes on cutting
    whole.no_truncation()
    whole.no_padding()
    lengths = [len(row.ids) for row in whole.encode_batch(list(captions))]
    return Beyond(
        context=vocabulary.context, captions=len(lengths), cut=sum(length > vocabulary.context for length in lengths),
        longest=max(lengths, default=0), tokens=sum(lengths), lost=sum(max(0, length - vocabulary.context) for length in lengths),
    )  # fmt: skip
