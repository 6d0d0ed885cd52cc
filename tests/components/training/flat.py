"""A CLIP without batch norm, so that it can be encoded in parts."""

from collections.abc import Sequence

import torch
from torch import nn

from components.contracts.batch import Images
from components.contracts.encoded import Encoded, Tower
from components.data.tokenizers import Vocabulary
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.models.towers.text import TextTower
from components.objectives.softmax import SoftmaxLoss


class Flat(Tower):
    """Pixels, 24 a side, to a vector, by way of group norm and dropout."""

    width = 16

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 8, 8), nn.GroupNorm(2, 8), nn.GELU(), nn.Flatten(), nn.Dropout(dropout), nn.Linear(72, 16)
        )

    def forward(self, rows: Images, need: Sequence[str] = ()) -> Encoded:
        features = self.net(rows.pixels)
        return Encoded(pooled=features, features=features, hooks={name: features * 2 for name in need})


def flat_clip(vocabulary: Vocabulary, dropout: float = 0.0) -> Clip:
    """The same at every call."""
    torch.manual_seed(5)
    text = TextTower(
        vocabulary=len(vocabulary), context=vocabulary.context, width=16, depth=1, heads=2, dropout=dropout
    )
    return Clip(DualEncoder(Flat(dropout), text, width=16), SoftmaxLoss())
