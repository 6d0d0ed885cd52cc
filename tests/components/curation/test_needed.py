"""What a recipe needs is selected, what lacks it is counted with its reason, and data without any of it is refused."""

import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.needs import Needs
from components.curation.needed import select_needed
from components.data.kinds import BY_NAME

BOX = {"x0": 0.1, "y0": 0.1, "x1": 0.5, "y1": 0.5, "label": "cat"}


def rows(*spoilt):
    """Return a manifest of six samples, the later ones of `val`, of which some are spoilt."""
    sound = {"width": 64, "height": 48, "texts": [{"text": "a red cat", "kind": "short", "lang": "en"}]}
    texts = pa.list_(pa.struct([(name, pa.string()) for name in ("text", "kind", "lang")]))
    schema = pa.schema(
        [("key", pa.string()), ("split", pa.string()), ("width", pa.int32()), ("height", pa.int32()), ("texts", texts)]
    )
    made = [{"key": f"k{at}", "split": "train" if at < 4 else "val", **sound} for at in range(6)]
    for at, change in spoilt:
        made[at] |= change
    return pa.Table.from_pylist(made, schema)


def kinds(regions=(), spans=()):
    """Return tables with a row for each place: a region, or a span of so many seconds."""
    boxes = [{"key": f"k{at}", **BOX} for at in regions]
    lasting = [{"key": f"k{at}", "clip": "c", "t0_s": 1.0, "t1_s": 1.0 + seconds} for at, seconds in spans]
    of = {"regions": boxes, "spans": lasting, "documents": []}
    return {name: pa.Table.from_pylist(its, BY_NAME[name].schema) for name, its in of.items()}


def said(*texts):
    return {"texts": [{"text": text, "kind": "short", "lang": lang} for text, lang in texts]}


def select(needs, manifest, tables=None):
    return select_needed("boxclip", needs, manifest, tables or kinds(), ("train", "val"))


@pytest.mark.parametrize(
    ("needs", "spoilt", "tables", "dropped"),
    [
        ({"min_side": 48}, [(1, {"height": 47}), (5, {"width": 10})], {}, {"too_few_pixels": ["k1", "k5"]}),
        ({"max_words": 3}, [(0, said(("a  red cat ", "en"), ("a very red cat", "en")))], {}, {"too_many_words": ["k0"]}),
        ({"languages": ("en", "de")}, [(2, said(("a cat", "en"), ("un chat", "fr")))], {}, {"other_language": ["k2"]}),
        ({"kinds": ("regions",)}, [], {"regions": [0, 0, 3, 4, 5]}, {"too_few_regions": ["k1", "k2"]}),
        ({"kinds": ("regions",), "regions": 2}, [], {"regions": [0, 0, 3, 4, 4]}, {"too_few_regions": ["k1", "k2", "k3", "k5"]}),
        (
            {"kinds": ("spans",), "seconds": (1.0, 5.0)}, [],
            {"spans": [(0, 1.0), (1, 5.0), (2, 0.5), (3, 5.5), (4, 2.0)]},
            {"no_span": ["k5"], "span_length": ["k2", "k3"]},
        ),
        ({"min_side": 48, "max_words": 2}, [(at, said(("a cat", "en"))) for at in range(6)], {}, {}),
    ],
)  # fmt: skip
def test_what_lacks_something_is_left_out_and_counted(needs, spoilt, tables, dropped):
    manifest = rows(*spoilt)
    selected, report, lines = select(Needs(**needs), manifest, kinds(**tables))
    gone = [key for keys in dropped.values() for key in keys]
    assert selected["key"].to_pylist() == [key for key in manifest["key"].to_pylist() if key not in gone]
    assert {reason: list(keys) for reason, keys in report.examples.items()} == dropped
    assert report.dropped == {reason: len(keys) for reason, keys in dropped.items()}
    assert len(lines) == len(needs) - ("regions" in needs)


def test_data_without_what_is_needed_is_refused_with_one_sentence_that_says_what_to_do():
    with pytest.raises(DataError, match=r"recipe boxclip needs regions, and this data has none.*such as coco"):
        select(Needs(kinds=("regions",)), rows())
    with pytest.raises(
        DataError, match=r"no sample of the split 'val' has; of all, 5 of 6 lack .* too_few_regions: regions is 0"
    ):
        select(Needs(kinds=("regions",)), rows(), kinds(regions=[0]))


def test_pixels_and_context_become_the_numbers_of_the_run():
    needs = Needs(min_side="pixels", max_words="context").at(pixels=40, context=24)
    assert (needs.min_side, needs.max_words) == (40, 22)
    assert Needs(min_side=16).at(40, 24) == Needs(min_side=16)
    assert Needs().at(40, 24) == Needs()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"min_side": 0}, "min_side is 0"),
        ({"regions": 2}, r"Write kinds: \[regions\]"),
        ({"seconds": (1, 2)}, r"Write kinds: \[spans\]"),
        ({"kinds": ("spans",), "seconds": (3, 2)}, r"seconds is \[3, 2\]"),
    ],
)
def test_needs_that_mean_nothing_are_refused(wrong, says):
    with pytest.raises(ConfigError, match=says):
        Needs(**wrong)
