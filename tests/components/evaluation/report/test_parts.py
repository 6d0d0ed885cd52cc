"""What the parts of the report draw and say: bars, confusions, slices, map, data, cost, lineage."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from components.evaluation.atlas import Atlas, Point
from components.evaluation.confusion import Confusion
from components.evaluation.report.bars import EDGE, WIDTH, bar
from components.evaluation.report.confusions import WORST, confusions
from components.evaluation.report.costs import Costs, costs
from components.evaluation.report.data import Data, data, steps_of
from components.evaluation.report.lineage import BESIDE, Lineage, lineage
from components.evaluation.report.mapped import SHAPES, SIDE, embedding_map
from components.evaluation.report.sliced import slices
from components.evaluation.sliced import Part, Sliced
from tests.components.evaluation.report.test_page import DATA, read


def words(page: str) -> list[str]:
    return [word.strip() for word in read(page).words if word.strip()]


def text(page: str) -> str:
    return " ".join(words(page))


def share(x: str) -> float:
    return (float(x) - EDGE) / (WIDTH - 2 * EDGE)


def test_a_bar_has_its_number_its_interval_and_its_marks_where_they_belong():
    drawn = bar({"value": 0.5, "low": 0.4, "high": 0.75, "chance": 0.1, "baseline": 0.2}, whole=0.6)
    low, high = re.search(r"d='M([\d.]+) 10H([\d.]+)' class=span", drawn).groups()
    assert (share(low), share(high)) == pytest.approx((0.4, 0.75))
    marks = {kind: share(x) for x, kind in re.findall(r"d='M([\d.]+) \dV\d+' class=(\w+)", drawn)}
    assert marks == pytest.approx({"base": 0.2, "chance": 0.1, "whole": 0.6})
    assert share(re.search(r"cx=([\d.]+)", drawn)[1]) == pytest.approx(0.5)


def test_what_is_no_share_is_not_drawn_between_0_and_1():
    assert bar({"value": 0.5, "unit": "distance"}) == ""
    assert bar({"value": 1.5, "unit": "fraction"}) == ""
    assert "span" not in bar({"value": 0.5, "unit": "fraction"})


def test_a_few_classes_are_a_table_of_all_and_shares_shade_it():
    counts = {("cat", "cat"): 3, ("cat", "dog"): 1, ("dog", "dog"): 4}
    drawn = confusions({"category": {"pair": Confusion(counts=counts), "val": Confusion(counts=counts)}}, "pair", {})
    said = words(drawn)
    at = said.index("is ↓, said →")
    assert said[at + 1 : at + 9] == ["cat", "dog", "cat", "3", "1", "dog", "0", "4"]
    assert "7 of 8 pictures right, 2 classes" in text(drawn)
    assert re.findall(r"<td class='([^']+)'>", drawn)[:4] == ["n h4 big", "n h2", "n", "n h4 big"]
    assert drawn.count("<details>") == 1, "the other split unfolds"


def test_of_many_classes_the_worst_pairs_are_shown_and_the_rest_is_counted():
    counts = {(f"c{at:02d}", f"c{at + 1:02d}"): 30 - at for at in range(20)} | {("c00", "c00"): 70}
    drawn = confusions({"subcategory": {"pair": Confusion(counts=counts)}}, "pair", {})
    said = words(drawn)
    at = said.index("share")
    assert said[at + 1 : at + 6] == ["c00", "c01", "30", "100", "30.0%"]
    assert drawn.count("<tr>") == WORST + 1
    left = sum(30 - at for at in range(WORST, 20))
    assert f"Left out: 5 more pairs, with {left} pictures." in said


def test_why_there_is_no_confusion_is_said():
    assert "lists no zero-shot classification" in text(confusions({}, "pair", {}))
    missing = {"zero_shot.pair.category": "no picture has a category", "probe.x": "other"}
    assert (
        text(confusions({}, "pair", missing)) == "zero_shot.pair.category is not measured: no picture has a category."
    )
    missing |= {"zero_shot.val.category": "no picture has a category"}
    said = "zero_shot.pair.category, zero_shot.val.category are not measured: no picture has a category."
    assert text(confusions({}, "pair", missing)) == said


def test_a_slice_stands_beside_all_and_the_lowest_is_named():
    parts = (
        Part(name="cats", queries=60, value=0.5, low=0.4, high=0.6),
        Part(name="dogs", queries=40, value=0.25, chance=0.1),
    )
    drawn = slices([Sliced(split="pair", of="category", asked="image_to_text", parts=parts, few={"owls": 2})])
    said = words(drawn)
    assert said[said.index("dogs") : said.index("dogs") + 4] == ["dogs", "lowest", "25.0%", "10.0%"]
    wholes = {share(x) for x in re.findall(r"d='M([\d.]+) 0V20' class=whole", drawn)}
    assert [round(one, 3) for one in wholes] == [0.4]
    assert "Too few queries for a number: owls 2." in text(drawn)
    assert "No part has a number" in text(slices([]))


def atlas_of(groups: list[str | None], **changed: object) -> Atlas:
    points = [Point(name=f"p{at}", kind="picture", group=its, x=at / 10, y=-at / 10) for at, its in enumerate(groups)]
    points.append(Point(name="said", kind="text", group=groups[0], x=-1.0, y=0.5))
    return Atlas(
        **{"split": "pair", "points": tuple(points), "shown": (0.5, 0.2), "gap": 0.75, "left_out": 3, **changed}
    )


def test_the_map_says_how_much_it_shows_and_a_group_has_a_shape_of_its_own():
    drawn = embedding_map(atlas_of(["cat", "cat", "dog", None]))
    said = text(drawn)
    for told in (
        "across 50.0% and up 20.0%",
        "30.0% is not seen",
        "0.75 apart",
        "Not drawn: 3 more",
        "4 pictures and 1 texts",
    ):
        assert told in said, told
    shapes = dict(
        re.findall(r"<path d='([^']+)' class='mark k\d(?: text)?' transform='[^']+'><title>([^<]+)", drawn)[::-1]
    )
    assert set(shapes) == set(SHAPES[:3])
    assert "text: said, cat" in said
    assert [word for word in words(drawn.split("<figcaption>")[1]) if word in ("cat", "dog", "no group")] == [
        "cat",
        "dog",
        "no group",
    ]


def test_marks_lie_within_the_map_and_as_far_apart_as_they_are():
    drawn = embedding_map(atlas_of(["cat"] * 5))
    places = np.array(re.findall(r"translate\(([\d.]+) ([\d.]+)\)", drawn), float)
    height = float(re.search(r"viewBox='0 0 480 (\d+)'", drawn)[1])
    assert (places > 0).all()
    assert (places < [SIDE, height]).all()
    steps = np.diff(places[:5], axis=0)
    np.testing.assert_allclose(steps[:, 0], steps[:, 1], atol=0.11)  # one unit is as long across as up; y counts down


def test_more_groups_than_shapes_share_the_last_and_the_legend_says_how_many():
    drawn = embedding_map(atlas_of([f"g{at:02d}" for at in range(14)]))
    legend = words(drawn.split("<figcaption>")[1].split("</figcaption>")[0])
    assert legend == [f"g{at:02d}" for at in range(len(SHAPES) - 1)] + [f"{15 - len(SHAPES)} other groups"]
    assert "no held-out pictures" in text(embedding_map(None))


VALIDATED = {
    **DATA, "rows_in": 100, "clean": 80, "pools": 10, "quarantined": 10,
    "ingest": {"rows_in": 100, "samples": 96, "rejected": {"licence": 4}},
    "reasons": {"licence": {"rows": 4}, "no_caption": {"rows": 6}},
}  # fmt: skip
CURATED = {
    "op": "select_splits", "rows_in": 80, "rows_out": 78, "made": 0, "dropped": {"not_asked": 2},
    "ops": [{"op": "Dedup", "rows_in": 70, "rows_out": 60, "made": 5, "dropped": {"duplicate": 15}}],
    "needs": {"op": "needs", "rows_in": 68, "rows_out": 66, "made": 0, "dropped": {"no_regions": 2}},
}  # fmt: skip


def test_every_step_says_what_came_in_what_was_kept_and_what_not():
    steps = steps_of(VALIDATED, CURATED, {"pictures": 58})
    assert [(step.name, step.came_in, step.made, step.left) for step in steps] == [
        ("ingest", 100, 0, 96), ("validate", 96, 0, 90), ("held out to test on", 90, 0, 80), ("curate: select_splits", 80, 0, 78),
        ("curate: Dedup", 70, 5, 60), ("curate: needs", 68, 0, 66), ("train", 66, 0, 58),
    ]  # fmt: skip
    assert [dict(step.aside) for step in steps] == [
        {"licence": 4}, {"no_caption": 6}, {"pools": 10}, {"not_asked": 2}, {"duplicate": 15}, {"no_regions": 2}, {"val, to choose by": 8},
    ]  # fmt: skip
    for step in steps:
        assert step.came_in + step.made == step.left + sum(step.aside.values()), step.name


def test_data_are_counted_by_step_licence_and_language():
    found = Data(
        validated=VALIDATED, steps=steps_of(VALIDATED, CURATED, {"pictures": 58}), languages={"en": 30, "und": 10},
        licences={"CC0-1.0": 29, "NOASSERTION": 29},
    )  # fmt: skip
    said = words(data(found))
    at = said.index("curate: Dedup")
    assert said[at : at + 6] == ["curate: Dedup", "70", "5", "60", "15", "duplicate 15"]
    at = said.index("NOASSERTION (nobody stated one)")
    assert said[at + 1 : at + 3] == ["29", "50.0%"]
    assert said[said.index("en") : said.index("en") + 3] == ["en", "30", "75.0%"]
    assert "und (not determined)" in said


def test_costs_are_said_with_their_units_and_what_nobody_measured_is_said_to_be_so():
    found = Costs(
        sides={"image": {"parameters": 1_234, "flops": 5.73e6}, "text": {"parameters": 2e9, "flops": 10, "ms": 1.5}},
        files={"image_encoder.onnx": 166_742, "text_encoder.onnx": 2_500_000, "index.npy": 1000}, timed="median of 20", training_flops=1.66e12,
        training="8 steps of 16 pairs",
    )  # fmt: skip
    said = words(costs(found))
    at = said.index("a picture")
    assert said[at : at + 10] == [
        "a picture", "1,234", "5.73 M", "167 kB", "not measured", "a text", "2 G", "10", "2.5 MB", "1.5",
    ]  # fmt: skip
    assert "Training took 1.66 T operations (8 steps of 16 pairs)" in text(costs(found))
    assert "Beside the encoders: index.npy 1 kB." in said
    assert "Milliseconds: median of 20." in text(costs(found))
    assert "Milliseconds" not in text(costs(Costs()))
    assert text(costs(Costs())).count("not measured") == 9


def test_lineage_links_only_to_what_lies_beside_the_page():
    found = Lineage(
        digests={"weights": "ab" * 32}, beside=["metrics.json", "elsewhere.txt"], commands={"whether": "dvc status"}
    )
    page = lineage(found)
    assert read(page).links == ["metrics.json"]
    assert {"weights", "ab" * 32, "dvc status"} <= set(words(page))
    assert "manifest.json" in BESIDE


def test_a_map_shows_its_pictures_small():
    file = io.BytesIO()
    Image.new("RGB", (200, 100), (10, 20, 30)).save(file, "PNG")
    points = (
        Point(name="a", kind="picture", group=None, x=0.0, y=0.0, picture=file.getvalue()),
        Point(name="b", kind="text", group=None, x=1.0, y=0.0),
    )
    (address,) = read(embedding_map(atlas_of(["cat"], points=points))).addresses
    assert address.startswith("data:image/png;base64,")
