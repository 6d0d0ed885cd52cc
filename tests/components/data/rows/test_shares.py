"""How often texts are drawn: by the weight of their kind within a sample, and languages by n ** alpha over all of them."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts.errors import ConfigError, DataError
from components.contracts.text_pick import TextPick, check_texts
from components.data.rows.captions import Captions
from components.data.rows.picked import Picked, picked
from components.data.samplers.distinct import Distinct, DistinctBatches
from components.data.samplers.groups import Grouped
from components.data.samplers.ordering import Rows

FIELDS = {"reference": 3.0, "alt": 1.0}


@st.composite
def samples(draw) -> tuple[list[list[str]], list[list[str]]]:
    """Kinds and languages of one to four texts of up to 30 samples; English is common."""
    text = st.tuples(st.sampled_from(["reference", "alt", "short"]), st.sampled_from(["en"] * 6 + ["de", "tr"]))
    every = draw(st.lists(st.lists(text, min_size=1, max_size=4), min_size=1, max_size=30))
    return [[kind for kind, _ in own] for own in every], [[lang for _, lang in own] for own in every]


def found_of(pick: TextPick, kinds: list[list[str]], languages: list[list[str]]) -> Picked:
    captions = [
        [f"{kind} {lang} {place}" for place, (kind, lang) in enumerate(zip(*own, strict=True))]
        for own in zip(kinds, languages, strict=True)
    ]
    return picked("caption", pick, captions, kinds, languages)


def drawn_shares(found: Picked) -> Counter[str]:
    """Return how often a text of each language is drawn where samples come as often as they say, and texts by their weights."""
    shares = Counter[str]()
    often = found.often or (1.0,) * len(found.texts)
    for times, texts, weights in zip(often, found.texts, found.weights, strict=True):
        for text, weight in zip(texts, weights, strict=True):
            shares[text.split()[1]] += times * weight / sum(weights) / len(found.texts)
    return shares


@given(own=samples(), alpha=st.sampled_from([0.0, 0.3, 0.5, 0.9]))
def test_a_language_is_drawn_n_to_the_alpha_times_whatever_samples_have_it(own, alpha):
    kinds, languages = own
    found = found_of(TextPick(language_alpha=alpha), kinds, languages)
    n = Counter[str]()
    for langs in languages:
        for lang in langs:
            n[lang] += 1 / len(langs)
    total = sum(count**alpha for count in n.values())
    wanted = {lang: count**alpha / total for lang, count in n.items()}
    assert drawn_shares(found) == pytest.approx(wanted)
    assert found.languages == pytest.approx(wanted)
    assert sum(found.often) == pytest.approx(len(found.texts))


@given(own=samples())
def test_a_kind_has_its_weight_and_what_a_sample_lacks_is_shared_out_among_what_it_has(own):
    kinds, languages = own
    if not any(kind in FIELDS for of in kinds for kind in of):
        with pytest.raises(DataError, match="asks for captions of the kinds reference, alt"):
            found_of(TextPick(weights=FIELDS), kinds, languages)
        return
    found = found_of(TextPick(weights=FIELDS), kinds, languages)
    for of, texts, weights, given_ in zip(kinds, found.texts, found.weights, found.is_given, strict=True):
        by_kind = Counter[str]()
        for text, weight in zip(texts, weights, strict=True):
            assert weight > 0
            by_kind[text.split()[0]] += weight
        there = FIELDS.keys() & set(of)
        assert given_ == bool(there)
        assert sum(weights) == pytest.approx(1)
        if there:
            assert by_kind == pytest.approx({kind: FIELDS[kind] / sum(FIELDS[one] for one in there) for kind in there})
        else:
            assert len(texts) == len(of), "who has none of them lends all it has"
    assert found.often == ()


@given(own=samples())
def test_languages_keep_their_shares_where_kinds_are_weighted_too(own):
    kinds, languages = own
    weights = {**FIELDS, "short": 2.0}
    n = drawn_shares(found_of(TextPick(weights=weights), kinds, languages))
    found = found_of(TextPick(weights=weights, language_alpha=0.5), kinds, languages)
    assert drawn_shares(found) == pytest.approx({k: v**0.5 / sum(x**0.5 for x in n.values()) for k, v in n.items()})


def test_nothing_is_weighed_where_nobody_asks():
    found = found_of(TextPick(), [["alt", "short"]], [["en", "de"]])
    assert (found.weights, found.often, found.languages) == ((), (), {})


@pytest.fixture(scope="module")
def weighted(vocabulary) -> Captions:
    texts = [["a"], ["a red square", "green", "a blue square"], ["a pink square", "black"]]
    return Captions(vocabulary, texts, weights=[[0.2], [6.0, 3.0, 1.0], [0.5, 0.5]])


def test_captions_are_drawn_by_their_weights(weighted):
    draw, rows = torch.Generator().manual_seed(0), torch.tensor([0, 1, 2]).repeat(4000)
    share = torch.bincount(weighted.choose(rows, draw), minlength=6) / 4000
    assert share.tolist() == pytest.approx([1, 0.6, 0.3, 0.1, 0.5, 0.5], abs=0.02)


def test_of_several_captions_the_first_is_drawn_by_weight_and_none_comes_twice(weighted):
    draw, rows = torch.Generator().manual_seed(0), torch.full((6000,), 1)
    drawn = weighted.choose_some(rows, draw, 2)
    first = torch.bincount(drawn[:, 0], minlength=4)[1:] / 6000
    assert first.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.02)
    second = torch.bincount(drawn[:, 1], minlength=4)[1:] / 6000  # by hand: 0.3 x 6/7 + 0.1 x 6/9, and so on
    assert second.tolist() == pytest.approx(
        [0.3 * 6 / 7 + 0.1 * 6 / 9, 0.6 * 3 / 4 + 0.1 * 3 / 9, 0.6 / 4 + 0.3 / 7], abs=0.02
    )
    assert (drawn[:, 0] != drawn[:, 1]).all()


@given(often=st.lists(st.floats(0.05, 3.0), min_size=12, max_size=40), seed=st.integers(0, 2**31))
@settings(max_examples=40)
def test_an_epoch_has_a_row_as_often_as_it_should_come_rounded(often, seed):
    scale = len(often) / sum(often)
    order = DistinctBatches([str(row) for row in range(len(often))], 2, seed, often)
    for offset in (0.0, 0.4, 0.99):
        times = Counter(order._coming(offset))
        assert sum(times.values()) == pytest.approx(len(often), abs=1)
        assert all(abs(times[row] - one * scale) < 1 + 1e-6 for row, one in enumerate(often))


def test_over_epochs_rows_come_as_often_as_they_should_and_languages_within_two_points(vocabulary):
    """Two hundred samples, of which a tenth have a rare language beside or in place of the common one."""
    languages = [["en"] if row % 10 else ["en", "tr"] if row % 20 else ["tr"] for row in range(200)]
    found = found_of(TextPick(language_alpha=0.5), [["short"] * len(own) for own in languages], languages)
    captions = Captions(vocabulary, found.texts, weights=found.weights)
    order = DistinctBatches([str(row) for row in range(200)], 20, 0, found.often)
    flat = [text.split()[1] for own in found.texts for text in own]
    draw, counts = torch.Generator().manual_seed(0), Counter[str]()
    for step in range(400):
        counts.update(flat[one] for one in captions.choose(torch.tensor(order.at(step)), draw).tolist())
    assert counts["tr"] / counts.total() == pytest.approx(found.languages["tr"], abs=0.02)
    assert found.languages["tr"] > 0.2, "the data has 0.075"


def test_an_order_that_lets_all_come_as_often_refuses_those_that_should_not():
    rows = Rows(concepts=("a", "b"), sources=("s", "s"), labels=({}, {}), lengths=list, often=(0.5, 1.5))
    with pytest.raises(ConfigError, match="Grouped has all come as often"):
        Grouped().checked(rows, batch=2, seed=0)
    assert Distinct().checked(rows, batch=2, seed=0).batch == 2


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"language_alpha": 1.5}, "language_alpha is 1.5"),
        ({"weights": {"alt": 0.0}}, "weights has alt: 0.0"),
        ({"weights": {"alt": 1.0}, "kinds": ("alt",)}, "Leave kinds out"),
        ({"weights": {"alt": 1.0}, "sentences": True}, "taken apart"),
        ({"of": "caption", "weights": {"alt": 1.0}}, "choose others"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked, why):
    with pytest.raises(ConfigError, match=why):
        TextPick(**asked)


def test_languages_are_the_captions_alone_and_have_to_be_known():
    with pytest.raises(ConfigError, match=r"texts\.other has a language_alpha"):
        check_texts({"caption": TextPick(), "other": TextPick(language_alpha=0.5)})
    with pytest.raises(DataError, match="of no caption the language is known"):
        picked("caption", TextPick(language_alpha=0.5), [["a"]], [["short"]])
