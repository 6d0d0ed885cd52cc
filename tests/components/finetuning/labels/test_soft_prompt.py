"""Vectors in place of words: held against a tower that is handed the tokens' vectors, written out here."""

import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.errors import CapabilityError, ConfigError
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.finetuning.labels.soft_prompt import SoftPrompt, laid_out, prompted
from components.models.towers.text import TextTower


def by_hand(model, vocabulary, text, words):
    """Return the unit vector of a text whose tokens' vectors are given, without the tower's own forward."""
    tower, tokens = model.text, words
    seen = tower.visible(torch.ones(1, tokens.shape[1], dtype=torch.bool))
    tokens = tokens + tower.position[: tokens.shape[1]]
    for block in tower.blocks:
        tokens = block(tokens, seen)
    last = tower.norm(tokens)
    assert tower.pool in ("mean", "eos")
    features = last.mean(1) if tower.pool == "mean" else last[:, -1]
    return normalize(model.text_projection(features), dim=-1)[0]


def ids(vocabulary, text):
    return vocabulary.uncut().encode(text).ids


@pytest.mark.parametrize("position", ["end", "middle"])
def test_a_context_stands_where_its_words_stood(clip, vocabulary, position):
    model = clip.model.eval()
    rows, places = laid_out(vocabulary, ["red", "blue square"], "a square at", position)
    context = 0.1 * torch.randn(1, places.shape[1], model.text.width, generator=torch.Generator().manual_seed(0))
    with prompted(model, places) as prompt:
        found = prompt(rows, context)
    start, end = ids(vocabulary, "")[:1], ids(vocabulary, "")[1:]
    for row, text in zip(found, ["red", "blue square"], strict=True):
        name = ids(vocabulary, text)[1:-1]
        half = places.shape[1] if position == "end" else (places.shape[1] + 1) // 2
        of = lambda tokens: model.text.embedding(torch.tensor(tokens))  # noqa: E731
        words = torch.cat([of(start), context[0, :half], of(name), context[0, half:], of(end)])[None]
        torch.testing.assert_close(row, by_hand(model, vocabulary, text, words), atol=1e-6, rtol=1e-5)


def test_it_begins_as_its_words(clip, vocabulary):
    """The first candidate is what the texts themselves are, since no step was taken."""
    embedder = Embedder(clip.model, vocabulary, Preprocess(size=32))
    rows, places = laid_out(vocabulary, ["red", "blue"], "a square at the", "end")
    with prompted(clip.model, places) as prompt:
        context = clip.model.text.embedding(rows.ids[:1].gather(1, places[:1]))
        found = prompt(rows, context)
    wanted = embedder.texts(["a square at the red", "a square at the blue"])
    torch.testing.assert_close(found.detach(), torch.from_numpy(wanted), atol=1e-6, rtol=1e-5)


def test_gradients_reach_the_context_alone_and_each_label_its_own(clip, vocabulary):
    rows, places = laid_out(vocabulary, ["red", "blue"], "a", "end")
    context = torch.zeros(2, places.shape[1], clip.model.text.width, requires_grad=True)
    with prompted(clip.model, places) as prompt:
        prompt(rows, context)[0].sum().backward()
    assert context.grad[0].abs().sum() > 0
    assert context.grad[1].abs().sum() == 0
    assert all(parameter.grad is None for parameter in clip.model.parameters())


def test_a_tower_that_reads_padding_is_given_the_same_places(vocabulary):
    """SigLIP's rows are filled up to the context, behind the words."""
    torch.manual_seed(0)
    tower = TextTower(len(vocabulary), vocabulary.context, width=16, depth=1, heads=2, masked=False)
    rows, places = laid_out(vocabulary, ["red"], "a", "end")
    from components.models.dual_encoder import DualEncoder
    from components.models.towers.image import ImageTower

    model = DualEncoder(ImageTower("resnet18"), tower, width=8)
    with prompted(model, places) as prompt:
        read = prompt(rows, tower.embedding(rows.ids[:1].gather(1, places[:1])))
        plain = normalize(model.encode_text(vocabulary(["a red"])).pooled, dim=-1)
    torch.testing.assert_close(read, plain, atol=1e-6, rtol=1e-5)


def test_a_label_that_is_too_long_is_cut_and_words_that_leave_no_room_are_refused(vocabulary):
    rows, _ = laid_out(vocabulary, ["red " * 40], "a", "end")
    assert rows.ids.shape[1] == vocabulary.context
    with pytest.raises(CapabilityError, match="leave no room for a label"):
        laid_out(vocabulary, ["red"], "a square at the left " * 4, "end")


def test_a_vocabulary_without_a_start_has_its_context_first():
    """As SigLIP's, whose texts have an end alone."""
    from tokenizers import processors

    made = Vocabulary.train(["a red square", "a blue square"], size=300, context=12)
    made.tokenizer.post_processor = processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", 2)])
    rows, places = laid_out(made, ["red", "blue"], "a", "end")
    assert places[:, 0].tolist() == [0, 0]
    assert rows.ids[0, -1] == 2


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"every": 0}, {"lr": 0.0}, {"words": " "}])
def test_numbers_out_of_range_are_said(wrong):
    with pytest.raises(ConfigError, match="a context has a word"):
        SoftPrompt(**wrong)
