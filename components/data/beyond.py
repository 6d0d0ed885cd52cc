"""How many captions are longer than a text tower reads, and how much of them it never sees; counted before training."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.contracts.long_captions import LongCaptions
from components.data.long_captions import taken_apart
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
        policy: what becomes of long captions, see long_captions.py.
    """

    context: int
    captions: int
    cut: int
    longest: int
    tokens: int
    lost: int
    policy: LongCaptions = "truncate"

    def __str__(self) -> str:
        """Return it as a person would say it."""
        if not self.cut:
            return f"none of {self.captions:,} captions is longer than {self.context} tokens"
        how = {
            "truncate": "",
            "split": "each few sentences are a caption, and ",
            "sample": "a few sentences are drawn, and ",
        }
        return (
            f"{self.cut:,} of {self.captions:,} captions are longer than {self.context} tokens, the longest {self.longest:,}: "
            f"{how[self.policy]}{self.lost / self.tokens:.1%} of all tokens are cut away"
        )


def beyond(vocabulary: Vocabulary, captions: Sequence[str], policy: LongCaptions = "truncate") -> Beyond:
    """Return what is cut away from captions, each counted as often as it comes.

    `lost` counts what the vocabulary cuts: of whole captions where the policy is to truncate, of their pieces otherwise.
    """
    whole, context = vocabulary.uncut(), vocabulary.context

    def lengths(texts: Sequence[str]) -> list[int]:
        return [len(row.ids) for row in whole.encode_batch(list(texts))]

    own = lengths(captions)
    long = [caption for caption, length in zip(captions, own, strict=True) if length > context]
    pieces = [piece for one in taken_apart([long], policy, vocabulary)[0] for piece in one]
    return Beyond(
        context=context, captions=len(own), cut=len(long), longest=max(own, default=0), tokens=sum(own),
        lost=sum(max(0, length - context) for length in lengths(pieces)), policy=policy,
    )  # fmt: skip
