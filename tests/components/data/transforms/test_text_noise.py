"""Noised texts: each change is what it says, never an empty text, and a function of the text's own numbers (seed 38, property 6)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts.errors import ConfigError
from components.contracts.text_noise import TextNoise
from components.data.synthetic.words import COLOURS, OPPOSITE, SHAPES, SIZES, TEXTURES
from components.data.transforms.draws import RowDraws
from components.data.transforms.synonyms import GROUPS, STOP_WORDS, SYNONYMS
from components.data.transforms.text_noise import noised

SAID = "A small red circle, above the large blue square"


def draws(count: int, seed: int = 0) -> RowDraws:
    return RowDraws(range(seed, seed + count))


def many(noise: TextNoise, text: str = SAID, count: int = 300) -> list[str]:
    return noised([text] * count, noise, draws(count))


def test_without_noise_words_stay_as_they_are():
    assert TextNoise().is_off
    assert noised(["a  red\ncircle", "", "  "], TextNoise(), draws(3)) == ["a red circle", "", "  "]


def test_stop_words_go_from_as_many_texts_as_are_asked_for():
    said = many(TextNoise(stop_words=0.8))
    without = "small red circle, above large blue square"
    assert set(said) == {SAID, without}
    assert 205 < said.count(without) < 275  # of 300 at 0.8: beyond five deviations otherwise


def test_a_swap_changes_the_places_of_two_words():
    for text in many(TextNoise(swap=1.0)):
        assert sorted(text.split()) == sorted(SAID.split())
        assert sum(one != other for one, other in zip(text.split(), SAID.split(), strict=True)) == 2


def test_a_share_of_the_words_is_left_out():
    kept = [text.split() for text in many(TextNoise(delete=1.0, rate=0.33))]
    assert {len(words) for words in kept} == {6}  # of nine
    assert len(set(map(tuple, kept))) > 50
    whole = SAID.split()
    assert all([word for word in whole if word in words] == words for words in kept)


def test_a_synonym_stands_where_its_word_stood_within_the_same_marks():
    said = set(many(TextNoise(synonym=1.0)))
    assert said == {
        SAID.replace("small", "little"), SAID.replace("large", "big"), SAID.replace("circle,", "disc,"),
    }  # fmt: skip
    assert noised(["no such word"], TextNoise(synonym=1.0), draws(1)) == ["no such word"]


def test_changes_come_by_their_weights():
    said = many(TextNoise(nothing=1.0, delete=3.0), count=400)
    assert 50 < said.count(SAID) < 150  # of 400 at a quarter: beyond five deviations otherwise


@given(
    texts=st.lists(st.text("athe red.\t红", min_size=1, max_size=12), min_size=1, max_size=5),
    noise=st.builds(TextNoise, stop_words=st.floats(0, 1), synonym=st.just(0.4), swap=st.just(0.4), delete=st.just(0.2), rate=st.floats(0.1, 1)),
    seed=st.integers(0, 2**62),
)  # fmt: skip
@settings(max_examples=60)
def test_no_text_is_left_without_a_word_and_none_depends_on_the_others(texts, noise, seed):
    said = noised(texts, noise, draws(len(texts), seed))
    assert all(bool(text.split()) >= bool(before.split()) for text, before in zip(said, texts, strict=True))
    longer = noised([*texts, "a much longer text than all of the others before it"], noise, draws(len(texts) + 1, seed))
    assert longer[:-1] == said


@pytest.mark.parametrize("text", ["the", "a the of", "circle", "红色的圆"])
def test_texts_of_which_nothing_would_be_left_stay(text):
    assert set(many(TextNoise(stop_words=1.0, delete=1.0, rate=1.0), text, 20)) <= set(text.split()) | {text}


def test_lists_hold_each_word_once_and_none_that_captions_differ_in():
    words = [word for group in GROUPS for word in group]
    assert len(words) == len(set(words)) == len(SYNONYMS)
    assert not STOP_WORDS & set(words)
    scenes = {*SHAPES, *COLOURS, *SIZES, *TEXTURES, *(word for relation in OPPOSITE for word in relation.split())}
    assert not STOP_WORDS & (scenes - {"of"})
    assert not [group for group in GROUPS if len(scenes & set(group)) > 1]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"stop_words": 1.5}, "stop_words is 1.5"),
        ({"rate": 0.0}, "rate is 0.0"),
        ({"swap": -1.0}, "none can be below 0"),
        ({"nothing": 1.0}, "nothing is all that can be drawn"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(numbers, said):
    with pytest.raises(ConfigError, match=said):
        TextNoise(**numbers)
