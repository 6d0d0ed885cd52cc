import pyarrow as pa

from components.curation.ops.rewrite import Rewrite
from components.curation.phrases import phrases
from components.curation.writers.dictionary import DictionaryWriter
from components.curation.writers.grammar import GrammarWriter
from components.curation.writers.writer import Writer
from components.data.manifest import SCHEMA
from tests.components.curation.toy import apply, manifest, row


class Inventive(Writer):
    """Adds a dragon to everything."""

    def write(self, caption, named, luck, picture=None):
        return f"{caption} and a dragon"


def texts(text: str, lang: str = "en") -> list[dict[str, str]]:
    return [{"text": text, "kind": "alt", "lang": lang}]


def test_the_new_caption_stands_behind_the_old_ones_and_names_the_same():
    left, report = apply(Rewrite(GrammarWriter()), manifest())
    before = manifest()["texts"].to_pylist()
    for old, new in zip(before, left["texts"].to_pylist(), strict=True):
        assert new[: len(old)] == old
        for text in new[len(old) :]:
            assert (text["kind"], text["lang"]) == ("rewritten", "en")
            assert set(phrases(text["text"])) == set(phrases(old[0]["text"]))
    assert report.stats["written"] == len(report.examples["written"]) * 3 == 60  # a report shows 20


def test_written_again_it_takes_the_place_of_the_last_one():
    once, _ = apply(Rewrite(GrammarWriter()), manifest(), seed=0)
    twice, _ = apply(Rewrite(GrammarWriter()), once, seed=1)
    assert [len(one) for one in twice["texts"].to_pylist()] == [len(one) for one in once["texts"].to_pylist()]
    assert twice["texts"] != once["texts"]


def test_instead_of_the_old_ones():
    left, _ = apply(Rewrite(GrammarWriter(), instead=True), manifest())
    assert {len(one) for one in left["texts"].to_pylist()} == {1}


def test_what_names_more_than_the_old_caption_is_refused_and_counted():
    left, report = apply(Rewrite(Inventive()), manifest(10))
    assert left["texts"].to_pylist() == manifest(10)["texts"].to_pylist()
    assert report.stats == {"written": 0, "not written": 0, "refused": 10}
    assert len(report.examples["refused"]) == 10


def test_words_that_mean_the_same_are_nothing_made_up():
    table = pa.Table.from_pylist(
        [row(0, texts=texts("a small circle")), row(1, texts=texts("ein Kreis", "de")), row(2, texts=[])], SCHEMA
    )
    left, report = apply(Rewrite(DictionaryWriter({"circle": ["disc"]}, chance=1.0)), table)
    assert left["texts"][0].as_py()[1]["text"] == "a small disc"
    assert report.stats == {"written": 1, "not written": 2, "refused": 0}
