"""Soft prompt: the words around a label are vectors that are learnt, and towers stay as they are.

Source: Zhou et al. 2021, arXiv:2109.01134, section 3.2 (CoOp: unified and class-specific contexts, the label at the end or in the middle). Differs: begun
with the words of a template, by Adam; the validation split chooses among what there was every few steps, so it is stopped early where that is better;
what is kept is each label's vector, mixed with that of its text as strong as validation says.
Golden: a text tower that is handed the tokens' vectors as a plain sum, in tests.
Axes: N pictures, L labels, T tokens, M vectors of a context, F features of the text tower, D shared width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from math import isfinite
from time import monotonic
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from components.contracts.batch import Texts
from components.contracts.errors import CapabilityError, ConfigError
from components.contracts.progress import Progress
from components.data.tokenizers import Vocabulary
from components.finetuning.labels.way import SHARPNESSES, STRENGTHS, LabelVectors, LabelWay, Seen
from components.models.dual_encoder import DualEncoder
from components.models.towers.text import TextTower

MOST = 256  # labels, each of which is read at every step, and kept for its gradient

Position = Literal["end", "middle"]


class SoftPrompt(LabelWay):
    """A context that all labels share, or one a label; arguments as of LabelWay, and

    Args:
        words: what the context begins as; it has as many vectors as they have tokens.
        class_specific: whether each label has a context of its own.
        position: of the label, behind the context or in the middle of it.
        steps: over all training pictures each, 1 or more.
        every: steps after which validation looks at it, 1 or more.
        lr: highest rate of Adam, which falls along half a cosine.
        most_s: seconds after which no further step is taken.

    Raises ConfigError for numbers out of range.
    """

    def __init__(
        self, strengths: Sequence[float] = STRENGTHS, sharpnesses: Sequence[float] = SHARPNESSES, words: str = "a picture of",
        class_specific: bool = False, position: Position = "end", steps: int = 100, every: int = 10, lr: float = 0.002,
        most_s: float = float("inf"),
    ) -> None:  # fmt: skip
        super().__init__(strengths, sharpnesses)
        if steps < 1 or every < 1 or not lr > 0 or not words.strip():
            raise ConfigError(
                f"words are {words!r}, steps {steps}, every {every} and lr {lr}, but a context has a word, and learns for one step at least. 'a picture of', "
                "100, 10 and 0.002 are usual."
            )
        self.words, self.class_specific, self.position = words, class_specific, position
        self.steps, self.every, self.lr, self.most_s = steps, every, lr, most_s

    @property
    def within(self) -> str:
        """The seconds that it may learn for."""
        return f"-{self.most_s:g}s" if isfinite(self.most_s) else ""

    def in_time(self, parts: int) -> "SoftPrompt":
        """Return the same with a part of its seconds."""
        part = copy(self)
        part.most_s = self.most_s / parts
        return part

    def candidates(self, seen: Seen, begun: LabelVectors, progress: Progress) -> Iterator[LabelVectors]:
        """Yield what the labels' vectors are every few steps, at the beginning too.

        Raises CapabilityError for a text tower that takes no vectors for words, for more labels than are read at once, and where no label has room beside its context.
        """
        model, ends = seen.embedder.model, monotonic() + self.most_s
        if len(seen.choice.labels) > MOST:
            raise CapabilityError(
                f"there are {len(seen.choice.labels):,} labels, and a soft prompt reads all of them at every step, {MOST} at most. Take a linear probe."
            )
        rows, places = laid_out(seen.embedder.vocabulary, seen.choice.labels, self.words, self.position)
        device = seen.embedder.device
        rows = rows.to(device)
        with prompted(model, places) as prompt, torch.enable_grad():
            first = (
                tower_of(model).embedding(rows.ids[:1].gather(1, places[:1].to(device))).detach().clone()
            )  # (1, M, F)
            context = first.repeat(len(rows.ids) if self.class_specific else 1, 1, 1).requires_grad_(True)
            image, label = (torch.from_numpy(of).to(device) for of in (seen.train.image, seen.train.label))
            adam = torch.optim.Adam([context], lr=self.lr)
            falls = torch.optim.lr_scheduler.CosineAnnealingLR(adam, self.steps)
            for step in range(self.steps + 1):
                vectors = prompt(rows, context)
                if step % self.every == 0 or step == self.steps:
                    progress("learning a prompt", step, self.steps)
                    yield LabelVectors(vectors=vectors.detach().cpu().numpy(), counts=begun.counts)
                if step == self.steps or monotonic() > ends:
                    return
                adam.zero_grad()
                cross_entropy(seen.embedder.logit_scale * image @ vectors.T, label).backward()  # type: ignore[no-untyped-call]
                adam.step()
                falls.step()


def laid_out(
    vocabulary: Vocabulary, labels: Sequence[str], words: str, position: Position
) -> tuple[Texts, Int[Tensor, "L M"]]:
    """Return rows in which the words stand around each label, and the places of their tokens in each; a label that has no room is cut.

    Raises CapabilityError where no label has any.
    """
    uncut = vocabulary.uncut()
    around = _bare(uncut.encode(words))[1]
    before = len(around) if position == "end" else (len(around) + 1) // 2
    rows, places = [], []
    for start, name, end in (_bare(uncut.encode(label)) for label in labels):
        room = vocabulary.context - len(start) - len(end) - len(around)
        if room < 1:
            raise CapabilityError(
                f"the {len(around)} tokens of {words!r} leave no room for a label, since the text tower reads {vocabulary.context} in all. Give fewer words."
            )
        behind = min(room, len(name))
        rows.append([*start, *around[:before], *name[:room], *around[before:], *end])
        places.append([len(start) + n + (behind if n >= before else 0) for n in range(len(around))])
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[vocabulary.pad] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[place < len(row) for place in range(longest)] for row in rows])
    return Texts(ids=ids, mask=mask), torch.tensor(places)


def _bare(encoded: Any) -> tuple[list[int], list[int], list[int]]:
    """Return the tokens before, of and behind a text: its own, and those that the tokenizer puts around each."""
    own = [place for place, special in enumerate(encoded.special_tokens_mask) if not special]
    first, last = (own[0], own[-1] + 1) if own else (len(encoded.ids), len(encoded.ids))
    return encoded.ids[:first], encoded.ids[first:last], encoded.ids[last:]


def tower_of(model: DualEncoder) -> TextTower:
    """Return the text tower; CapabilityError for one whose words have no table."""
    if not isinstance(model.text, TextTower):
        raise CapabilityError(
            f"{type(model.text).__name__} has no table of words that vectors can stand beside. Take a linear probe."
        )
    return model.text


@contextmanager
def prompted(model: DualEncoder, places: Int[Tensor, "L M"]) -> Iterator[Any]:
    """Give what reads rows with a context in these places, as unit vectors [L D]; the model is as before afterwards, and gradients reach the context alone."""
    put: list[Tensor] = []

    def instead(table: nn.Module, given: Any, words: Float[Tensor, "L T F"]) -> Float[Tensor, "L T F"]:
        if not put:
            return words
        context = put[-1].expand(len(words), -1, -1).to(words)
        return words.scatter(1, places.to(words.device)[:, :, None].expand_as(context), context)

    wanted = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    modes = [(part, part.training) for part in model.modules()]
    hook = tower_of(model).embedding.register_forward_hook(instead)
    model.requires_grad_(False).eval()

    def read(rows: Texts, context: Float[Tensor, "_ M F"]) -> Float[Tensor, "L D"]:
        put.append(context)
        try:
            return normalize(model.encode_text(rows).pooled.float(), dim=-1)
        finally:
            put.clear()

    try:
        yield read
    finally:
        hook.remove()
        for parameter, did in wanted:
            parameter.requires_grad_(did)
        for part, mode in modes:
            part.training = mode
