"""A few dozen coloured squares with captions, and a CLIP small enough to train on them in a second."""

import itertools

import pytest
import torch

from components.data.batches import StepBatches
from components.data.rows.pairs import Pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.tokenizers import Vocabulary
from components.data.transforms.views import Views
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.models.towers.image import ImageTower
from components.models.towers.text import TextTower
from components.objectives.softmax import SoftmaxLoss

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 180, 60),
    "blue": (40, 60, 220),
    "black": (10, 10, 10),
    "pink": (250, 120, 190),
}
PLACES = {"left": (0, 0), "right": (0, 16), "low": (16, 8), "high": (0, 8), "middle": (8, 8)}


@pytest.fixture(scope="session")
def pairs() -> Pairs:
    """Every colour in every place, twice: 50 pictures, 25 concepts."""
    pictures, captions = [], []
    for (colour, rgb), (place, (top, left)), size in itertools.product(COLOURS.items(), PLACES.items(), (12, 16)):
        picture = torch.zeros(4, 32, 32, dtype=torch.uint8)
        picture[:3, top : top + size, left : left + size] = torch.tensor(rgb, dtype=torch.uint8)[:, None, None]
        picture[3, top : top + size, left : left + size] = 255
        pictures.append(picture)
        captions.append((f"a {colour} square at the {place}",))
    names = tuple(text for (text,) in captions)
    keys = tuple(f"{name}/{number}" for number, name in enumerate(names))
    return Pairs(keys=keys, pictures=torch.stack(pictures), captions=tuple(captions), concepts=names)


@pytest.fixture(scope="session")
def vocabulary(pairs: Pairs) -> Vocabulary:
    """A vocabulary of the captions."""
    return Vocabulary.train([text for texts in pairs.captions for text in texts], size=300, context=12)


@pytest.fixture
def batches(pairs: Pairs, vocabulary: Vocabulary) -> StepBatches:
    """Eight pairs a step."""
    return StepBatches(pairs, vocabulary, Views(pixels=24), DistinctBatches(pairs.concepts, 8, seed=3), seed=3)


@pytest.fixture
def method(vocabulary: Vocabulary) -> Clip:
    """A CLIP of a few thousand weights, the same at every call; with dropout, so that its draws are tested too."""
    torch.manual_seed(5)
    image = ImageTower("resnet18", {"channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1]})
    text = TextTower(vocabulary=len(vocabulary), context=vocabulary.context, width=16, depth=1, heads=2, dropout=0.1)
    return Clip(DualEncoder(image, text, width=16), SoftmaxLoss())
