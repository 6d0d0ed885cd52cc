import hashlib
from collections import Counter, defaultdict

import pytest

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.contracts.sample import SPLITS
from components.data.pictures import look
from components.data.synthetic.scene import Kinds
from components.data.synthetic.scenes import ScenesSource
from components.data.synthetic.writer import GRAMMARS, KINDS, concept


def test_a_sample_depends_on_seed_and_index_alone():
    few, many = (list(ScenesSource(pictures=n, twins=0.5).samples(5, silent)) for n in (12, 30))
    assert few == many[:12]
    assert few != list(ScenesSource(pictures=12, twins=0.5).samples(6, silent))


def test_scenes_and_sentences_are_those_of_when_this_was_written():
    """A change here is a change of every data set of scenes: say so in the changelog."""
    total = hashlib.sha256()
    source = ScenesSource(pictures=40, languages=tuple(GRAMMARS), captions=KINDS, twins=1.0)
    for shown in source.shown(0):
        total.update(repr((shown.key, shown.split, shown.scene, [one.text for one in shown.captions])).encode())
    assert total.hexdigest()[:16] == "5ad5efb0d7d04e06"


def test_pictures_are_sound_and_name_who_drew_them():
    for sample in ScenesSource(pictures=40).samples(0, silent):
        seen = look(sample.media[0].data)
        assert (seen.width, seen.height) == (64, 64)
        assert seen.contrast > 0.01
        assert (sample.split in ("designer", "both")) == (sample.source == "chalk")


def test_what_is_held_out_is_never_drawn_nor_said_in_training():
    rule = {"swapped": 0.3, "lie": 0.3}
    source = ScenesSource(pictures=1500, captions={"short": rule}, twins=1.0)
    kinds = Kinds.of(source.scene, 3)
    unseen = {f"{colour} {shape}" for colour, shape in kinds.held_out}
    assert len(unseen) == 6
    splits = Counter()
    for shown in source.shown(3):
        splits[shown.split] += 1
        there = {f"{thing.colour} {thing.shape}" for thing in shown.scene.things}
        assert bool(there & unseen) == (shown.split in ("concept", "both"))
        if shown.split == "train":
            assert not any(phrase in one.text_true for phrase in unseen for one in shown.captions)
            swapped = [one.text for one in shown.captions if one.fault == "swapped"]
            assert not any(phrase in text for phrase in unseen for text in swapped)
    assert set(splits) == set(SPLITS)
    assert min(splits.values()) > 60


def test_what_the_same_is_said_of_is_in_one_split():
    splits = defaultdict(set)
    for shown in ScenesSource(pictures=3000, scene={"things": [1, 1]}, twins=1.0).shown(0):
        if shown.scene.designer != "chalk":
            splits[concept(shown.scene)].add(shown.split)
    assert sum(map(len, splits.values())) == len(splits) > 1000


def test_there_are_more_sentences_than_a_model_can_learn_by_heart():
    said = Counter(concept(shown.scene) for shown in ScenesSource(pictures=3000, scene={"things": [2, 3]}).shown(0))
    assert max(said.values()) <= 2
    assert len(said) >= 2995  # of 3,000 drawn at most 5 came twice: by the birthday rule there are some 900,000 or more


def test_one_thing_alone_has_classes_and_several_have_none():
    for sample in ScenesSource(pictures=60).samples(0, silent):
        words = sample.labels["concept"].split(" in ")[0].split(" at ")[0].split(" on ")[0].split()
        if "category" in sample.labels:
            assert (sample.labels["subcategory"], sample.labels["category"]) == tuple(words[-2:])
        else:
            assert len([word for word in words if word in ("a", "an")]) > 1


def test_twins_differ_in_one_thing_and_stay_in_the_split():
    shown = {one.key: one for one in ScenesSource(pictures=400, twins=1.0).shown(0)}
    pairs = [(one, shown[one.twin_of]) for one in shown.values() if one.twin_of]
    assert len(pairs) > 90
    assert set(Counter(twin.change for twin, _ in pairs)) == {"colour", "shape", "size", "texture", "place"}
    for twin, other in pairs:
        assert twin.split == other.split != "train"
        assert concept(twin.scene) != concept(other.scene)
        differ = [name for one, its in zip(twin.scene.things, other.scene.things, strict=True)
                  for name in ("colour", "shape", "size", "texture") if getattr(one, name) != getattr(its, name)]  # fmt: skip
        assert differ == ([] if twin.change == "place" else [twin.change])


def test_every_caption_comes_in_every_language():
    source = ScenesSource(pictures=20, languages=["en", "zh"], captions=["short", "long"], tested=["dense"])
    for sample in source.samples(0, silent):
        kinds = ("short", "long") if sample.split == "train" else ("dense",)
        assert [(text.kind, text.lang) for text in sample.texts] == [(k, lang) for k in kinds for lang in ("en", "zh")]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"pictures": 0}, "from 1 to 10,000,000"),
        ({"pictures": "many"}, "from 1"),
        ({"pictures": True}, "from 1"),
        ({"languages": ["en", "xx"]}, "of en, de, fr, es, zh"),
        ({"languages": "en"}, "Give a list"),
        ({"captions": []}, "alt, short, dense"),
        ({"captions": {"shrt": {}}}, "alt, short, dense"),
        ({"captions": {"alt": {"swaped": 0.4}}}, "did you mean swapped?"),
        ({"captions": {"alt": {"swapped": 0.7, "lie": 0.5}}}, "wrong in one way only"),
        ({"captions": {"alt": {"drop": 2}}}, "share from 0 to 1"),
        ({"captions": {"alt": 0.4}}, "Give settings by name"),
        ({"tested": ["longer"]}, "source.tested"),
        ({"twins": 1.5}, "source.twins is 1.5. Give a share from 0 to 1"),
        ({"wrong_regions": "half"}, "source.wrong_regions"),
        ({"regions": "no"}, "true or false"),
        ({"scene": {"size_pixels": 64}}, "did you mean size_px?"),
        ({"scene": {"size_px": 16}}, "from 32 to 256"),
        ({"scene": {"things": [3, 2]}}, "from 3 to 5"),
        ({"scene": {"things": [1, 6]}}, "from 1 to 5"),
        ({"scene": {"grid": 6}}, "Give a grid of 5 or less"),
        ({"scene": {"shapes": ["circle", "blob"]}}, "scene.shapes"),
        ({"scene": {"shapes": ["circle"], "colours": ["red", "blue"], "things": [1, 2]}}, "too few"),
        ({"scene": {"zipf": -1}}, "zipf"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        ScenesSource(**settings)


def test_settings_make_the_same_source_again():
    source = ScenesSource(pictures=30, captions={"alt": {"lie": 0.5}}, scene={"things": [2, 4], "zipf": 1}, twins=0.5)
    assert list(ScenesSource(**source.settings).shown(1)) == list(source.shown(1))
