"""The report stands alone, escapes what it is told, and shows every number it is given."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from components.contracts.sample import TEST_SPLITS
from components.evaluation.atlas import Atlas, Point
from components.evaluation.cases import Case
from components.evaluation.confusion import Confusion
from components.evaluation.examples import Example, Shown
from components.evaluation.ranking import Right
from components.evaluation.report.charts import chart, reliability
from components.evaluation.report.costs import Costs
from components.evaluation.report.data import Data
from components.evaluation.report.lineage import Lineage
from components.evaluation.report.page import Contents, render
from components.evaluation.report.tables import further
from components.evaluation.report.use import snippets
from components.evaluation.retrieval import Gallery, retrieval
from components.evaluation.sliced import Part, Sliced
from components.evaluation.wording import DIRECTION_MEANS, SPLIT_MEANS, between, percent, retrieval_rows

NASTY = "<script>alert('x')</script>\"&"
LOADS = {"src", "href", "data", "action", "poster", "srcset", "xlink:href"}


class Seen(HTMLParser):
    """Tags, attributes, words, every address that a browser would load, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.attributes, self.addresses, self.links, self.words = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        found = [value for name, value in attrs if name in LOADS]
        if tag == "a":
            self.links += found  # where a person may go; a browser loads nothing of it
        else:
            self.addresses += found

    def handle_data(self, data):
        self.words.append(data)


def read(page: str) -> Seen:
    seen = Seen()
    seen.feed(page)
    seen.close()
    return seen


@pytest.fixture(scope="module")
def metrics() -> dict:
    """Real metrics of two splits, as metrics.json has them."""
    gallery = Gallery(
        pictures=("p0", "p1", "p2"), texts=("t0", "t1", "t2"), right=Right.of_matrix(np.eye(3, dtype=bool))
    )
    scores = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.3, 0.4, 0.2]])
    made = [
        metric for split in ("pair", "val") for metric in retrieval(split, gallery, scores, np.eye(3), (1, 5, 10))[0]
    ]
    return {metric.name: metric.as_json() for metric in made}


def jpeg(side: int, grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (grey, grey, grey)).save(file, "JPEG")
    return file.getvalue()


DATA = {
    "source": NASTY, "digest": "0123456789abcdef", "reasons": {}, "rows_in": 1203, "clean": 1000, "pools": 200, "quarantined": 3,
    "without": {NASTY: "no labels"},
    "splits": {
        "train": {"rows_in": 1003, "kept": 1000, "reasons": {"undecodable": 2, "no_text": 1}},
        "pair": {"rows_in": 200, "kept": 200, "reasons": {}},
    },
}  # fmt: skip
CASES = {
    "image_to_text": {
        "best": [Case(name=NASTY, picture=jpeg(2000, 0), said=None, rank=1, of=284)],
        "worst": [Case(name="a heart", picture=jpeg(20, 40), said=NASTY, rank=271, of=284)],
    },
    "text_to_image": {"typical": [Case(name="a cat", picture=jpeg(20, 80), said=jpeg(20, 120), rank=3, of=280)]},
}


@pytest.fixture(scope="module")
def page(metrics) -> str:
    found = [
        Example(text=NASTY, shown=(Shown(picture=jpeg(20, 160), right=True), Shown(picture=jpeg(20, 200), right=False)))
    ]
    curves = {NASTY: [(1, 3.5), (200, 0.125)], "val": [(100, 0.5)]}
    one = {"low": 0.0, "high": 1.0, "queries": 9, "confidence": 0.7, "right": 0.5}
    believed = {NASTY: {"pair": {"confidence": 0.7, "right": 0.5, "queries": 9, "bins": [one]}}}
    map_of = Atlas(
        split="pair",
        points=(
            Point(name=NASTY, kind="picture", group=NASTY, x=0.5, y=-1.0, picture=jpeg(20, 240)),
            Point(name=NASTY, kind="text", group=NASTY, x=-1.0, y=0.25),
        ),
        shown=(0.6, 0.25), gap=0.5, left_out=0,
    )  # fmt: skip
    part = Part(name=NASTY, queries=40, value=0.5)
    return render(
        Contents(
            title=NASTY, paper=NASTY, facts=[(NASTY, NASTY), ("seed", "0")], metrics=metrics, data=Data(validated=DATA), split="pair",
            without={f"zero_shot.{NASTY}": NASTY}, curves=curves, cases=CASES, examples=found, calibration=believed,
            confusions={NASTY: {"pair": Confusion(counts={(NASTY, NASTY): 1})}},
            slices=[Sliced(split="pair", of=NASTY, asked=NASTY, parts=(part, part))], atlas=map_of,
            costs=Costs(training=NASTY), lineage=Lineage(digests={NASTY: NASTY}, beside=["manifest.json"], commands={NASTY: NASTY}),
            use=snippets("runs/clip/package", NASTY),
        )
    )  # fmt: skip


def test_what_else_was_measured_has_its_table_and_nothing_has_none():
    metric = {"unit": "fraction", "n": 1653, "value": 0.483, "chance": 1 / 9, "baseline": 0.4332, "method": NASTY}
    seen = read(further({"zero_shot.designer.category.top1": metric}))
    words = [word.strip() for word in seen.words if word.strip()]
    assert "script" not in seen.tags
    assert words[-6:-2] == ["48.3%", "11.1%", "43.3%", "1,653"]
    assert "grey pixels" in words[-2]
    assert words[-1] == "Splits: designer, known things by an unseen designer."
    assert {"category", NASTY, "designer"} <= set(words)
    assert further({}) == ""


def test_evaluation_sets_stand_in_the_order_of_their_numbers_whatever_the_process():
    """A set of Python's is in another order in each process, and the page would be other bytes."""
    metric = {"unit": "fraction", "n": 9, "value": 0.5, "chance": 0.5, "baseline": 0.5}
    names = [f"set_{letter}" for letter in "qwertzuiop"]
    said = " ".join(read(further({f"zero_shot.{name}.class.top1": metric for name in names})).words)
    assert re.findall(r"set_\w", said.partition("Splits: ")[2]) == names


def test_the_reliability_picture_has_a_dot_a_bin_on_the_diagonal_where_it_can_be_believed():
    bins = [
        {"low": 0.0, "high": 0.5, "queries": 100, "confidence": 0.25, "right": 0.25},
        {"low": 0.5, "high": 1.0, "queries": 25, "confidence": 0.8, "right": 0.5},
    ]
    found = {"confidence": 0.36, "right": 0.3, "queries": 125, "bins": bins}
    drawn = reliability({NASTY: {"pair": found, "val": found}})
    circles = [tuple(map(float, one)) for one in re.findall(r"<circle cx=([\d.]+) cy=([\d.]+) r=([\d.]+)", drawn)]
    assert len(circles) == 4
    (line,) = set(re.findall(r"d='M(\d+) (\d+)L(\d+) (\d+)'", drawn))
    left, bottom, right, top = map(float, line)
    for (x, y, _), one in zip(circles, bins * 2, strict=True):
        assert (x - left) / (right - left) == pytest.approx(one["confidence"])
        assert (bottom - y) / (bottom - top) == pytest.approx(one["right"])
    assert circles[0][2] > circles[1][2], "four times the queries"
    seen = read(drawn)
    assert "script" not in seen.tags
    words = " ".join(word.strip() for word in seen.words if word.strip())
    assert NASTY in words
    assert words.index("val held-out pictures, used to choose") < words.index("pair held-out pictures of known things")
    assert words.count("36.0% sure, 30.0% right, 125 pictures") == 2
    assert reliability({}) == ""


def test_nothing_is_loaded_from_elsewhere(page):
    addresses = read(page).addresses
    assert len(addresses) == 7
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert not re.search(r"url\(|@import|https?://", page)


def test_what_it_is_told_stays_text(page):
    seen = read(page)
    assert "script" not in seen.tags
    assert not [name for name in seen.attributes if name.startswith("on")]
    assert (
        "".join(seen.words).count("<script>alert('x')</script>\"&") >= 8
    )  # title twice, fact, data, curve, cases, query
    assert seen.links[0] == "#content"
    assert [link for link in seen.links if not link.startswith("#")] == ["manifest.json"]


def test_pictures_are_small_and_encoded_anew(page):
    pictures = [Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) for address in read(page).addresses]
    assert [(picture.format, picture.width) for picture in pictures] == [("PNG", 72)] + [("PNG", 20)] * 6
    greys = [picture.convert("L").getpixel((5, 5)) for picture in pictures]
    assert greys == pytest.approx([0, 40, 80, 120, 160, 200, 240], abs=3), "in the order of the page"


def test_a_case_says_its_rank_and_what_came_first_instead(page):
    words = " ".join(word.strip() for word in read(page).words if word.strip())
    assert f"{NASTY} rank 1 of 284" in words
    assert f"a heart said: {NASTY} rank 271 of 284" in words
    assert "a cat found first: the second rank 3 of 280" in words
    assert (
        words.index("picture → name best") < words.index("worst furthest down") < words.index("name → picture typical")
    )


def test_without_cases_there_is_no_heading_for_them(metrics):
    bare = render(bare_of(metrics))
    assert "Best, typical, worst" not in bare
    assert "believed" not in bare


def test_the_same_contents_are_the_same_bytes_and_each_section_can_be_gone_to(page, metrics):
    assert render(bare_of(metrics)) == render(bare_of(metrics))
    anchors = re.findall(r"<h2 id='(\w+)'>", page)
    assert [f"#{anchor}" for anchor in anchors] == read(page).links[1 : len(anchors) + 1]
    assert anchors == [
        "what", "scores", "further", "cases", "finds", "confusion", "slices", "believed", "map", "data", "learned", "costs", "lineage", "use",
    ]  # fmt: skip


def bare_of(metrics) -> Contents:
    return Contents(title="clip", paper="", facts=[], metrics=metrics, data=Data(validated=DATA), split="pair")


def test_what_came_in_is_counted_by_split_with_the_reasons(page):
    words = [word.strip() for word in read(page).words if word.strip()]
    at = words.index("train")
    assert words[at : at + 5] == ["train", "1,003", "1,000", "3", "undecodable 2, no_text 1"]
    at = words.index("all")
    assert words[at : at + 4] == ["all", "1,203", "1,200", "3"]
    assert f"{NASTY}: no labels" in words


def test_every_number_stands_beside_chance_and_baseline(page, metrics):
    words = [word.strip() for word in read(page).words if word.strip()]
    rows = retrieval_rows(metrics)
    assert len(rows) == 8  # two splits, both ways, at 1 and 10
    for row in rows:
        wanted = [
            row["split"], row["direction"], f"R@{row['k']}", percent(row["value"]), between(row), percent(row["chance"]),
            percent(row["baseline"]), f"{row['n']:,}",
        ]  # fmt: skip
        assert any(words[i : i + 8] == wanted for i in range(len(words)))
        assert f"{row['split']}, {row['means']}" in " ".join(words)


def test_a_chart_says_where_it_began_and_ended_and_stays_inside():
    drawn = chart("loss", [(1, 4.0), (50, 2.0), (1000, 0.5)])
    assert "4 → 0.5 in 1,000 steps" in drawn
    points = [tuple(map(float, pair.split(","))) for pair in re.search(r"points='([^']+)'", drawn)[1].split()]
    assert all(64 <= x <= 480 and 0 <= y <= 150 for x, y in points), "clear of the marks"
    assert re.findall(r"<text[^>]*>([^<]*)</text>", drawn) == ["4", "0.5", "step 0", "1,000"]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted(y for _, y in points)  # a falling loss falls: y counts from the top


@pytest.mark.parametrize("points", [[], [(1, 2.0)]])
def test_a_chart_of_less_than_a_line_is_left_out(points):
    assert chart("loss", points) == ""


def test_a_flat_curve_is_a_line():
    assert "nan" not in chart("loss", [(1, 2.0), (9, 2.0)])


def test_rows_come_in_a_fixed_order_and_only_where_measured(metrics):
    rows = retrieval_rows(dict(reversed(metrics.items())), ks=(1, 5))
    assert [(row["split"], row["k"]) for row in rows] == [("val", 1), ("val", 5)] * 2 + [("pair", 1), ("pair", 5)] * 2
    assert [row["direction"] for row in rows][::2] == list(DIRECTION_MEANS.values()) * 2
    assert retrieval_rows({}) == []


def test_every_split_that_is_scored_has_words():
    assert set(SPLIT_MEANS) == {"val", *TEST_SPLITS}


@pytest.mark.parametrize(("share", "said"), [(0, "0.0%"), (0.5264, "52.6%"), (1, "100.0%"), (0.0005, "0.1%")])
def test_shares_are_said_in_percent(share, said):
    assert percent(share) == said
