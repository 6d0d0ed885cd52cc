"""The whole emoji source, once: what it gives, and what validation makes of it."""

import io
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from PIL import Image

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.contracts.sample import TEST_SPLITS
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.shards import open_pictures
from components.data.sources.emoji import EmojiSource
from components.data.sources.emoji_wheels import LANGUAGES, PINS, read_concepts
from components.data.sources.shuffled_names import shuffled_names
from components.data.sources.wheels import fetch_wheel
from components.data.splits import SplitRule
from components.validation.validate import validate


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    raw = tmp_path_factory.mktemp("emoji") / "raw"
    ingest(EmojiSource(languages=LANGUAGES), raw, seed=0)
    return raw


@pytest.fixture(scope="module")
def rows(raw) -> list[dict]:
    return read_manifest(raw / "manifest.parquet").to_pylist()


def test_three_designers_drew_every_concept(rows):
    drawn_by = defaultdict(set)
    for row in rows:
        drawn_by[row["labels"]["concept"]].add(row["source"])
    assert len(rows) == 5742
    assert len(drawn_by) == 1914
    assert set(map(frozenset, drawn_by.values())) == {frozenset({"noto", "openmoji", "twemoji"})}


def test_every_row_has_its_licence_and_a_name_in_14_languages(rows):
    licences = {(row["source"], row["licence"]) for row in rows}
    assert licences == {("noto", "OFL-1.1"), ("openmoji", "CC-BY-SA-4.0"), ("twemoji", "CC-BY-4.0")}
    assert all([text["lang"] for text in row["texts"]] == list(LANGUAGES) for row in rows)
    assert sum(bool(text["text"]) for row in rows for text in row["texts"]) == 80_388


def test_a_heart_is_called_a_heart(rows):
    heart = next(row for row in rows if row["key"] == "noto-2764-fe0f")
    said = {text["lang"]: text["text"] for text in heart["texts"]}
    assert (said["en"], said["de"], said["ja"]) == ("red heart", "rotes herz", "赤いハート")
    assert heart["labels"] == {"concept": "red heart", "category": "Smileys & Emotion", "subcategory": "heart"}


def test_most_concepts_have_a_category(rows):
    known = {row["labels"]["concept"] for row in rows if row["labels"]["category"]}
    assert len(known) > 1850


def test_a_designer_draws_in_colour_at_72_pixels(raw, rows):
    table = read_manifest(raw / "manifest.parquet")
    hearts = [row["key"].endswith("-2764-fe0f") for row in rows]
    pictures = dict(open_pictures(raw, table.filter(hearts)))
    assert sorted(pictures) == ["noto-2764-fe0f", "openmoji-2764-fe0f", "twemoji-2764-fe0f"]
    for data in pictures.values():
        picture = Image.open(io.BytesIO(data)).convert("RGBA")
        red, green, blue, alpha = picture.getpixel((36, 36))
        assert picture.size == (72, 72)
        assert alpha == 255
        assert red > 150
        assert max(green, blue) < 100
        assert picture.getpixel((0, 71))[3] == 0


def test_every_picture_differs_from_the_font_missing_glyph(raw):
    """An emoji that the font lacks would be drawn as one and the same box."""
    fingerprints = Counter(
        row["pixel_sha256"] for row in read_manifest(raw / "manifest.parquet").to_pylist() if row["source"] == "noto"
    )
    assert fingerprints.most_common(1)[0][1] <= 4  # flags of territories are their country's


def test_splits_are_of_the_size_that_results_are_quoted_for(rows):
    counts = Counter(row["split"] for row in rows)
    assert counts == {"train": 2966, "val": 211, "pair": 287, "designer": 1732, "concept": 364, "both": 182}


def test_names_do_not_move_the_pictures(raw):
    """Pictures, keys and splits are the same whichever languages are asked for."""
    english = iter(EmojiSource(languages=("en",), workers=1).samples(0, silent))
    table = read_manifest(raw / "manifest.parquet").slice(0, 30)
    for row, (key, data) in zip(table.to_pylist(), open_pictures(raw, table), strict=True):
        sample = next(english)
        assert (sample.key, sample.split, sample.media[0].data) == (key, row["split"], data)
        assert sample.texts[0].text == row["labels"]["concept"]


def test_a_rare_language_names_some_of_what_is_trained_on_and_all_that_is_held_out(raw):
    """A concept's name is there or not for all of its pictures that are trained on, and nothing else is another."""
    source = EmojiSource(languages=("en", "tr", "zh"), workers=1, named={"tr": 0.3})
    table = read_manifest(raw / "manifest.parquet").slice(0, 450).to_pylist()
    named = defaultdict(set)
    for row, sample in zip(table, source.samples(0, silent), strict=False):
        assert (sample.key, sample.split) == (row["key"], row["split"])
        told = {text.lang for text in sample.texts}
        assert {"en", "zh"} <= told
        named[sample.split == "train", sample.labels["concept"]].add("tr" in told)
    trained = [its for (is_trained, _), its in named.items() if is_trained]
    assert all(len(its) == 1 for its in trained)
    assert sum(its == {True} for its in trained) / len(trained) == pytest.approx(0.3, abs=0.12)
    assert {one for (is_trained, _), its in named.items() if not is_trained for one in its} == {True}
    assert source.describe()["named"] == {"tr": 0.3}
    with pytest.raises(ConfigError, match=r"source\.named has de: 0\.3"):
        EmojiSource(languages=("en", "tr"), named={"de": 0.3})
    with pytest.raises(ConfigError, match="Leave one language whole"):
        EmojiSource(languages=("tr",), named={"tr": 0.3})


def test_shuffled_names_go_round_among_pictures_that_are_trained_on(raw):
    """A share of these has the name of another; each name is as frequent as before, and nothing else is another."""
    source = EmojiSource(workers=1, shuffled=0.3)
    before, after = Counter(), Counter()
    wrong = trained = 0
    for row, sample in zip(read_manifest(raw / "manifest.parquet").to_pylist(), source.samples(0, silent), strict=True):
        right, told = row["labels"]["concept"], sample.texts[0].text
        labels = {name: label for name, label in row["labels"].items() if label is not None}
        assert (sample.key, sample.split, sample.labels) == (row["key"], row["split"], labels)
        before[right] += 1
        after[told] += 1
        trained += sample.split == "train"
        wrong += told != right
        assert told == right or sample.split == "train"
    assert before == after
    assert wrong / trained == pytest.approx(0.3, abs=0.03)
    assert source.describe()["shuffled"] == 0.3


def test_more_noise_holds_the_pictures_of_less_of_it():
    codes, rule = [(f"{number:x}", f"thing {number}") for number in range(400)], SplitRule(held_out="c")
    few, many = (shuffled_names(codes, ("a", "b", "c"), rule, 3, share) for share in (0.2, 0.4))
    assert set(few) < set(many)
    assert {who for _, who in many} == {"a", "b"}
    assert all(code != other for (code, _), other in many.items())
    assert shuffled_names(codes, ("a", "b", "c"), rule, 3, 0.0) == {}
    assert shuffled_names(codes[:1], ("a", "b", "c"), rule, 3, 1.0) == {}


def test_a_share_of_what_is_trained_on_can_be_left_out(raw):
    source = EmojiSource(workers=1, kept=0.25)
    there = {sample.key: sample for sample in source.samples(0, silent)}
    trained = {sample.labels["concept"] for sample in there.values() if sample.split == "train"}
    counts = Counter()
    for row in read_manifest(raw / "manifest.parquet").to_pylist():
        counts[row["split"] == "train", row["key"] in there] += 1
        assert row["split"] not in ("pair", "val") or row["labels"]["concept"] in trained, "which these splits promise"
    assert counts[False, False] == 0, "what is held out stays whole"
    assert counts[True, True] / (counts[True, True] + counts[True, False]) == pytest.approx(0.25, abs=0.001)
    assert source.describe()["kept"] == 0.25
    with pytest.raises(ConfigError, match=r"source\.kept is 0\.1, but 17% of the pictures.*Give 0\.17 or more"):
        next(EmojiSource(workers=1, kept=0.1).samples(0, silent))


@pytest.mark.parametrize("share", [-0.1, 1.1, True, "half"])
@pytest.mark.parametrize("name", ["shuffled", "kept"])
def test_a_share_that_is_none_is_refused(name, share):
    with pytest.raises(ConfigError, match=rf"source\.{name} is .* Give the share"):
        EmojiSource(**{name: share})


def test_concepts_are_few_enough_to_read_in_a_moment():
    concepts = read_concepts(fetch_wheel(PINS["names"]), fetch_wheel(PINS["categories"]), ("en",))
    assert len({concept.code for concept in concepts}) == 1914
    assert not any(code in concept.code for concept in concepts for code in ("1f3fb", "1f3ff"))


def test_validation_finds_the_known_dirt_and_nothing_else(raw, tmp_path):
    report = validate(
        raw,
        tmp_path / "validated",
        tmp_path / "evaluation",
        max_broken=0.001,
        seed=0,
        failed_report=tmp_path / "failed.html",
    )
    assert report["reasons"]["blank"]["rows"] == report["broken"] == 1  # twemoji-2b1c, a light grey square on white
    assert {split: its["kept"] for split, its in report["splits"].items()} == KEPT
    assert json.loads((tmp_path / "validated/report.json").read_text()) == report
    pools = {split: read_manifest(tmp_path / "evaluation" / split / "manifest.parquet") for split in TEST_SPLITS}
    for split, pool in pools.items():
        concepts = [labels["concept"] for labels in pool["labels"].to_pylist()]
        assert len(set(concepts)) == len(concepts) == KEPT[split]


KEPT = {"train": 2965, "val": 208, "pair": 284, "designer": 1669, "concept": 180, "both": 180}
