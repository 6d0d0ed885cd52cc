"""Training batches, each a pure function of (seed, step): no worker holds state, and a resume needs only the step.

An order says which rows, the rows lie decoded on disk or in memory, views make a batch of them: where the batch is made,
or later, on the device that it goes to.
Axes: B rows of a batch, C channels, S pixels of the kept pictures.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from components.contracts.batch import Batch, Images, Movable, Texts, stack_ids
from components.contracts.errors import ConfigError
from components.contracts.long_captions import LongCaptions
from components.contracts.order import Order
from components.contracts.text_pick import CAPTION, TextPick
from components.data.clusters import COLUMN as CLUSTERS
from components.data.rows.captions import Captions
from components.data.rows.mentions import Mentions
from components.data.rows.negatives import Negatives
from components.data.rows.pairs import Pairs
from components.data.rows.picked import picked
from components.data.share import Share
from components.data.side.read import SideRows
from components.data.tokenizers import Vocabulary
from components.data.transforms.draws import RowDraws, seed_of
from components.data.transforms.several import Several, SeveralDrawn
from components.data.transforms.text_noise import noised
from components.data.transforms.views import Drawn, Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen(Movable):
    """A batch whose pictures are still to be shown, so that they move as bytes and are shown where they went.

    A picture of 8 bits and 4 channels at 4/3 of the size takes 0.6 of the room of its view.

    Args:
        batch: all of it but the pictures.
        pictures: uint8 [B C S S], RGBA or RGB.
        drawn: what the view of each is, drawn on the CPU, so that no device has a draw of its own.
        views: what shows them.
        more: name -> further views of the same pictures.
    """

    batch: Batch
    pictures: UInt8[Tensor, "B C S S"]
    drawn: Drawn
    views: Views
    more: Mapping[str, SeveralDrawn] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.batch)

    def seen(self) -> Batch:
        """Return the batch, its pictures shown on the device where they are; nothing is read back from there."""
        main = Images(pixels=self.views.show(self.pictures, self.drawn))
        more = {name: several.shown(self.pictures) for name, several in self.more.items()}
        return replace(self.batch, images={**self.batch.images, "main": main, **more})


Made = Batch | Unseen
PLAIN: Mapping[str, TextPick] = {CAPTION: TextPick()}
ONLY_MAIN: Mapping[str, Several] = {}
NO_NEGATIVES: Mapping[str, Sequence[str]] = {}


class StepBatches(Dataset[Made]):
    """Batch number `step`, made when it is asked for.

    Args:
        pairs: the training selection.
        vocabulary: makes tokens of the captions.
        views: what each picture goes through, and is then `main` of a batch.
        order: which rows come at which step.
        seed: decides caption and view of every row of every step.
        share: the part of each batch that is made here; the others' parts have the same bits as if it were made whole.
        long: what becomes of captions that are longer than the vocabulary reads.
        side: what teachers said of the pairs; pictures are then shown in the views that those saw, and batches have what they said.
        texts: name -> which captions of a sample stand under it, `caption` among them; `ids` has `<name>_given`, 0 where a sample
            has none of these and lends another, and of each label of the data which group a sample is of, -1 where of none; and `clusters`,
            several of each, where the selection has them. Where one asks for mentions, `spans` has them under its name.
        more: name -> further views, several of each picture if need be.
        negatives: key -> texts that its picture does not fit, all of which a step reads with it, as `negative`; a batch without any has none, and
            of another each part has as many.

    Raises ConfigError for captions that are taken apart, or chosen, where teachers read all of them whole, and for mentions in what
    is taken apart, DataError for kinds of captions that no sample has, and for mentions that nobody looked for.
    """

    late = False

    def __init__(
        self, pairs: Pairs, vocabulary: Vocabulary, views: Views, order: Order, *, seed: int, share: Share | None = None,
        long: LongCaptions = "truncate", side: SideRows | None = None, texts: Mapping[str, TextPick] = PLAIN,
        more: Mapping[str, Several] = ONLY_MAIN, negatives: Mapping[str, Sequence[str]] = NO_NEGATIVES,
    ) -> None:  # fmt: skip
        self.pairs, self.views, self.order, self.seed, self.side = pairs, views, order, seed, side
        if side is not None and long != "truncate":
            raise ConfigError(
                f"long_captions is {long}, so parts of captions would be read, but the teachers of {side.side.folder} read each caption "
                "as a whole. Set training.long_captions to truncate, or leave training.reinforce out."
            )
        if side is not None and dict(texts) != dict(PLAIN):
            raise ConfigError(
                f"training.texts chooses among captions for {', '.join(texts)}, but the teachers of {side.side.folder} read all of them. "
                "Leave training.texts or training.reinforce out."
            )
        self.part = (share or Share()).of(order.batch)
        self.negatives = Negatives.of(vocabulary, pairs.keys, negatives)
        found = {
            name: picked(name, pick, pairs.captions, pairs.kinds, pairs.languages)
            for name, pick in texts.items()
            if not pick.of
        }
        self.texts, self.more, self.vocabulary = dict(texts), dict(more), vocabulary
        noisy = {pick.of or name for name, pick in texts.items() if not pick.noise.is_off}
        self.captions = {
            name: Captions(vocabulary, one.texts, long, name in noisy, one.weights) for name, one in found.items()
        }
        self.given = {
            f"{name}_given": stack_ids([int(given) for given in one.is_given])
            for name, one in found.items()
            if texts[name].asked
        }
        self.mentions = {
            name: Mentions.of(vocabulary, pairs, found[name].texts, long)
            for name, pick in texts.items()
            if pick.mentions
        }
        labels = sorted({label for group in pairs.groups for label in group})
        self.known = self.given | {
            "concept": _numbered(pairs.concepts),
            **{label: _numbered([group.get(label) for group in pairs.groups]) for label in labels},
        }
        if pairs.clusters and CLUSTERS in labels:
            raise ConfigError(
                f"the data has a label {CLUSTERS!r}, which is what batches call the clusters that curation made. Rename the label, or leave training.clusters out."
            )
        if pairs.clusters:
            self.known[CLUSTERS] = torch.tensor(pairs.clusters)  # (M, l)

    def made_for(self, share: Share, *, late: bool) -> "StepBatches":
        """Return the same batches as one rank takes them.

        Args:
            share: its part; ConfigError when the batch does not split.
            late: whether a batch is given Unseen, to be shown on the device that it goes to.
        """
        other = copy.copy(self)
        other.part, other.late = share.of(self.order.batch), late
        return other

    def __getitem__(self, step: int) -> Made:
        unseen = self.unseen(step)
        return unseen if self.late else unseen.seen()

    def unseen(self, step: int) -> Unseen:
        """Return a batch before its pictures are shown."""
        draw = torch.Generator().manual_seed(seed_of(self.seed, "batch", step))
        rows = torch.tensor(self.order.at(step))
        wrong = self.negatives.of_part(rows, self.part)
        captions, count = self.captions[CAPTION], self.texts[CAPTION].count
        first = captions.choose(rows, draw)[:, None] if count == 1 else captions.choose_some(rows, draw, count)
        chosen = {CAPTION: first}
        said: Mapping[str, Tensor] = {}
        if self.side is None:
            drawn = self.views.drawn_of(rows, draw).part(self.part)
            for name, others in self.captions.items():
                if name != CAPTION:
                    chosen[name] = others.choose_some(rows, draw, self.texts[name].count)
            rows = rows[self.part]
        else:
            which, numbers = self.side.which(len(rows), draw)[self.part], captions.number(rows, first[:, 0])[self.part]
            rows = rows[self.part]
            drawn, said = self.side.drawn(self.views, rows, which), self.side.said(rows, which, numbers)
        batch = Batch(
            keys=tuple(self.pairs.keys[row] for row in rows.tolist()),
            images={},
            texts={name: self._texts(name, chosen[pick.of or name], step) for name, pick in self.texts.items()} | wrong,
            ids={name: numbers[rows] for name, numbers in self.known.items()},
            said=said,
            spans={name: one.spans(chosen[name][self.part].flatten()) for name, one in self.mentions.items()},
        )
        more = {
            name: several.drawn(self.order.batch, seed_of(self.seed, "view", name, step), self.part)
            for name, several in self.more.items()
        }
        return Unseen(batch=batch, pictures=self.pairs.pictures[rows], drawn=drawn, views=self.views, more=more)

    def _texts(self, name: str, chosen: Int[Tensor, "B N"], step: int) -> Texts:
        """Return this part's N texts of each sample, one sample after the other, as wide on every rank."""
        pick = self.texts[name]
        chosen = chosen.expand(-1, pick.count)
        whole, count = self._read(name, pick, chosen.flatten(), step), chosen.shape[1]
        rows = slice(self.part.start * count, self.part.stop * count)
        owner = None if count == 1 else torch.arange(self.part.stop - self.part.start).repeat_interleave(count)
        return Texts(ids=whole.ids[rows], mask=whole.mask[rows], owner=owner)

    def _read(self, name: str, pick: TextPick, chosen: Int[Tensor, "N"], step: int) -> Texts:
        """Return texts by number, [N L], noised by a stream each: all of the batch, whose longest is as wide as all are."""
        captions = self.captions[pick.of or name]
        if pick.noise.is_off:
            return captions.texts(chosen)
        first = seed_of(self.seed, "noise", name, step)
        said = noised(captions.said(chosen), pick.noise, RowDraws(range(first, first + len(chosen))))
        read = self.vocabulary(said)
        mask = read.mask[:, : int(read.mask.sum(1).max())]
        return Texts(ids=read.ids[:, : mask.shape[1]].masked_fill(~mask, 0), mask=mask)


def _numbered(groups: Sequence[str | None]) -> Tensor:
    """Return int64 [M], a number for each group in the order of their names, -1 for none."""
    names = {group: number for number, group in enumerate(sorted({group for group in groups if group is not None}))}
    return stack_ids([-1 if group is None else names[group] for group in groups])
