"""What becomes of a caption that is longer than the text tower reads: cut, or read a few sentences at a time.

Source: Zheng et al. 2024, arXiv:2403.17007 (DreamLIP), draws sentences of a long caption as captions of their own.
Differs: as many neighbours as the tower reads stay together, so a short caption is never taken apart.
"""

from collections.abc import Sequence

from components.contracts.long_captions import LongCaptions
from components.data.sentences import sentences
from components.data.tokenizers import Vocabulary


class InPieces:
    """Takes a caption apart where it is longer than `vocabulary` reads: runs of whole sentences, each as long as fits.

    A sentence that is too long by itself is a piece of its own, and is cut.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.context, self._whole = vocabulary.context, vocabulary.uncut()

    def __call__(self, caption: str) -> tuple[str, ...]:
        """Return the pieces in order; the caption itself where it fits or has one sentence."""
        if self.length(caption) <= self.context:
            return (caption,)
        pieces: list[str] = []
        for sentence in sentences(caption):
            longer = f"{pieces[-1]} {sentence}" if pieces else sentence
            if pieces and self.length(longer) <= self.context:
                pieces[-1] = longer
            else:
                pieces.append(sentence)
        return tuple(pieces) or (caption,)

    def length(self, text: str) -> int:
        """Return the tokens of a text, start and end among them."""
        return len(self._whole.encode(text).ids)


def taken_apart(
    captions: Sequence[Sequence[str]], policy: LongCaptions, vocabulary: Vocabulary
) -> list[list[tuple[str, ...]]]:
    """Return the captions of each sample, each as its pieces, of which one is drawn when the caption is.

    Args:
        captions: of each sample.
        policy: `truncate` leaves them, and the vocabulary cuts; `split` makes each piece a caption beside the others, so a
            long caption comes more often; `sample` draws one of its pieces each time that the caption is drawn.
        vocabulary: says how long is too long.
    """
    if policy == "truncate":
        return [[(caption,) for caption in own] for own in captions]
    apart = InPieces(vocabulary)
    pieces = [[apart(caption) for caption in own] for own in captions]
    if policy == "sample":
        return pieces
    return [[(piece,) for of_caption in own for piece in of_caption] for own in pieces]
