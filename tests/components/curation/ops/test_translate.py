"""What a step that translates adds, leaves and refuses, by translators of which it is known what they say."""

from collections import Counter

import pyarrow as pa
import pytest
import torch

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.curation.making import Making
from components.curation.ops.translate import Translate, shared_words
from components.curation.pieces import InProcess
from components.curation.pipeline import curated
from components.curation.translators.dictionary import DictionaryTranslator
from components.curation.translators.translator import Translator
from components.data.manifest import SCHEMA
from components.data.rows.captions import Captions
from tests.components.curation.toy import apply, row

WORDS = {"de": {"red": "rot", "cat": "Katze", "circle": "Kreis"}, "es": {"red": "rojo", "cat": "gato"}}


class Listed(Translator):
    """Says what it was told to say, and notes what it was asked."""

    def __init__(self, said: dict[tuple[str, str], str], *pairs: tuple[str, str]) -> None:
        self.said, self.asked, self._pairs = said, list[str](), frozenset(pairs or {("en", "ru")})

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        return self._pairs

    @property
    def kept_as(self) -> str:
        return "listed"

    def translate(self, text: str, of: str, into: str) -> str | None:
        self.asked.append(text)
        return self.said.get((text, into))


def table(*texts: list[tuple[str, str]]) -> pa.Table:
    """Return a row for each list of (text, language)."""
    rows = [
        row(place, texts=[{"text": text, "kind": "short", "lang": lang} for text, lang in own])
        for place, own in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def said(table: pa.Table) -> list[list[tuple[str, str]]]:
    return [[(one["text"], one["lang"]) for one in own] for own in table["texts"].to_pylist()]


def test_each_caption_is_said_in_each_language_behind_those_that_were_there():
    left, report = apply(
        Translate(DictionaryTranslator(WORDS), ["de", "es"]),
        table([("Red cat", "en"), ("cat", "en")], [("red circle", "en")], [("chat", "fr")]),
    )
    assert said(left) == [
        [("Red cat", "en"), ("cat", "en"), ("rot Katze", "de"), ("rojo gato", "es"), ("Katze", "de"), ("gato", "es")],
        [("red circle", "en"), ("rot Kreis", "de")],
        [("chat", "fr")],
    ]
    assert report.stats == {"translated de": 3, "translated es": 2, "missing es": 1}
    assert report.examples == {"translated": ("k000", "k001"), "missing": ("k001",)}
    assert report.warnings == ()
    assert {one["kind"] for own in left["texts"].to_pylist() for one in own} == {"short"}


def test_done_again_it_adds_nothing_and_what_people_wrote_is_kept():
    op = Translate(DictionaryTranslator(WORDS), ["de"])
    left, report = apply(op, table([("red cat", "en"), ("eine rote Katze", "de")], [("cat", "en")]))
    assert said(left) == [[("red cat", "en"), ("eine rote Katze", "de")], [("cat", "en"), ("Katze", "de")]]
    again, report = apply(op, left)
    assert again.equals(left)
    assert report.stats == {}


def test_strict_makes_an_error_of_what_cannot_be_said():
    with pytest.raises(DataError, match=r"1 captions could not be translated \(missing: k001\)"):
        apply(Translate(DictionaryTranslator(WORDS), ["es"], strict=True), table([("cat", "en")], [("circle", "en")]))


def test_what_is_in_another_script_or_comes_back_otherwise_is_refused():
    pairs = (("en", "ru"), ("ru", "en"))
    translator = Listed(
        {
            ("red cat", "ru"): "красный кот", ("красный кот", "en"): "red cat", ("dog", "ru"): "собака", ("собака", "en"): "horse",
            ("sun", "ru"): "太陽",
        }, *pairs,
    )  # fmt: skip
    left, report = apply(
        Translate(translator, ["ru"], back=0.5), table([("red cat", "en")], [("dog", "en")], [("sun", "en")])
    )
    assert said(left) == [[("red cat", "en"), ("красный кот", "ru")], [("dog", "en")], [("sun", "en")]]
    assert report.stats == {"translated ru": 1, "wrong script ru": 1, "not the same back ru": 1, "back ru": 0.5}
    assert report.examples["wrong script"] == ("k002",)


@pytest.mark.parametrize(("same", "warns"), [(1, False), (2, True)])
def test_a_language_in_which_more_than_a_fifth_stays_as_it_was_is_warned_of(same, warns):
    names = ["a", "b", "c", "d", "e"]
    translator = Listed(
        {(name, "it"): name if at < same else f"{name}o" for at, name in enumerate(names)}, ("en", "it")
    )
    left, report = apply(Translate(translator, ["it"]), table(*([(name, "en")] for name in names)))
    assert report.stats["unchanged it"] == same
    assert [own[-1] for own in said(left)][:same] == [(name, "it") for name in names[:same]]
    wanted = ["2 of 5 translations into it say the same as before, 40%"] if warns else []
    assert [one.partition(":")[0] for one in report.warnings] == wanted
    assert report.as_json().get("warnings", []) == list(report.warnings)


def test_a_caption_that_many_pictures_have_is_asked_once_and_what_was_said_is_kept(tmp_path):
    translator = Listed({("cat", "ru"): "кот"})
    rows = table(*([("cat", "en")] for _ in range(20)))

    def done() -> pa.Table:
        making = Making(tmp_path / "raw", {}, tmp_path / "kept", InProcess(silent, 1))
        return curated([Translate(translator, ["ru"])], rows, making, 0, silent)[0]

    first = done()
    assert translator.asked == ["cat"]
    assert done().equals(first)
    assert translator.asked == ["cat"]
    assert len([*(tmp_path / "kept").iterdir()]) == 1


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"languages": ["de", "nl"]}, "languages asks for en to nl, but DictionaryTranslator translates de to en, en to de"),
        ({"languages": []}, r"languages is \[\]"), ({"languages": ["de", "de"]}, "Give different codes"),
        ({"languages": ["de"], "back": 2.0}, r"back is 2\.0"), ({"languages": ["es"], "of": "de"}, "asks for de to es"),
    ],
)  # fmt: skip
def test_languages_that_the_translator_has_not_are_refused_before_anything_is_read(numbers, message):
    with pytest.raises(ConfigError, match=message):
        Translate(DictionaryTranslator(WORDS), **numbers)


def test_words_that_are_shared_are_counted_as_often_as_they_come():
    assert shared_words("a red cat", "A cat") == pytest.approx(0.8)
    assert shared_words("a a", "a") == pytest.approx(2 / 3)
    assert shared_words("a", "b") == shared_words("", "") == 0


def test_a_step_reads_each_language_as_often_and_none_that_a_picture_lacks(vocabulary):
    """4,000 draws: a share of a third lies within 3 points by more than 4 deviations."""
    left, _ = apply(Translate(DictionaryTranslator(WORDS), ["de", "es"]), table([("red", "en")], [("circle", "en")]))
    captions = Captions(vocabulary, [[text for text, _ in own] for own in said(left)], is_kept=True)
    draw = torch.Generator().manual_seed(0)
    all_three, without_es = (
        Counter(captions.said(captions.choose(torch.full((4000,), row), draw))) for row in range(2)
    )
    assert {text: count / 4000 for text, count in all_three.items()} == pytest.approx(
        {"red": 1 / 3, "rot": 1 / 3, "rojo": 1 / 3}, abs=0.03
    )
    assert {text: count / 4000 for text, count in without_es.items()} == pytest.approx(
        {"circle": 1 / 2, "Kreis": 1 / 2}, abs=0.03
    )
