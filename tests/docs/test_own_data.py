"""docs/own-data.md and data/own/README.md: every example is run as it stands, and every number and name is the code's."""

import io
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.data.regions import REGIONS
from components.data.shards import MAX_PICTURE_BYTES
from components.data.sources import build_source
from components.data.sources.columns import FLAGS, NAMES
from components.data.sources.files import PICTURES
from components.data.sources.interleaved_docs import InterleavedDocs
from components.data.sources.own import LEAST
from components.data.sources.parts import PICKLED
from components.data.sources.rows import TABLES
from components.data.sources.span_rows import COLUMNS
from components.data.sources.which import describe_path
from components.data.spans import SPANS
from components.data.splits import RankRule
from components.data.transforms.preprocess import MAX_PIXELS
from components.validation.audit import FILES
from components.validation.rules import Limits
from tests.components.data.sources.test_wit import FAULTS
from tests.own_pictures import paint, write_clips, write_coco, write_croissant, write_table, write_texts
from tests.shards import members_of, write_shard
from tests.wit_pages import write_wit

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/own-data.md").read_text()
README = (REPOSITORY / "data/own/README.md").read_text()
BLOCKS = re.findall(r"(?:`([^`\n]+)`\n)?```(\w+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> dict[str, tuple[str, str]]:
    """A folder to stand in with my-pictures, 20 of them; returns what is said of them."""
    monkeypatch.chdir(tmp_path)
    return paint(Path("my-pictures"), 20)


def block(kind: str, number: int = 0) -> str:
    return [text for _, its, text in BLOCKS if its == kind][number]


def samples(source):
    return list(build_source(source).samples(0, silent))


def test_the_table_of_the_page_needs_no_settings(workspace):
    write_table(Path("my-pictures/captions.csv"), workspace)
    whole = Path("my-pictures/captions.csv").read_text().replace("\r\n", "\n")
    assert whole.startswith(block("csv"))
    source = describe_path(Path("my-pictures"))
    assert source["name"] == "table"
    assert len(samples(source)) == 20


def test_the_settings_of_the_page_are_ones_that_the_table_takes(workspace):
    source = yaml.safe_load(block("yaml"))["source"]
    text = io.StringIO()
    text.write("photo_of,name_of,department\n")
    text.writelines(f"{name},{caption},{shape}\n" for name, (caption, shape) in workspace.items())
    Path("my-pictures/products.csv").write_text(text.getvalue())
    found = samples(source)
    assert {sample.licence for sample in found} == {"CC-BY-4.0"}
    assert {sample.labels["category"] for sample in found} == {"circle", "square", "triangle"}
    assert {sample.texts[0].lang for sample in found} == {"en"}


def test_the_json_of_the_page_says_what_it_says(workspace):
    write_texts(Path("my-pictures"), workspace)
    Path("my-pictures/0002.txt").unlink()
    Path("my-pictures/0002.json").write_text(block("json"))
    assert describe_path(Path("my-pictures")) == yaml.safe_load(block("yaml", 1))["source"]
    third = samples(describe_path(Path("my-pictures")))[2]
    assert [(text.text, text.kind) for text in third.texts] == [
        ("a red triangle", "short"), ("a triangle at the left", "short"), ("A red triangle. It lies at the left.", "long")
    ]  # fmt: skip
    assert (third.labels["category"], third.licence) == ("triangle", "CC0-1.0")


def test_the_shards_of_the_page_are_read_as_it_says(workspace):
    members = members_of(Path("my-pictures"), workspace)
    numbers = [(f"{number:09d}.cls", str(number % 3).encode()) for number in range(20)]
    write_shard(Path("my-shards/00000.tar"), sorted(members + numbers))
    Path("my-shards/classnames.txt").write_text("circle\nsquare\ntriangle\n")
    source = yaml.safe_load(block("yaml", 2))["source"]
    assert describe_path(Path("my-shards")) == source
    assert {sample.labels["category"] for sample in samples(source)} == {"circle", "square", "triangle"}
    assert len(samples(source)) == 20
    for kind in re.findall(r"`\.(\w+)`", PAGE.partition("would run code")[2].partition("and the like")[0]):
        assert kind in PICKLED


def test_the_captions_of_coco_on_the_page_are_found_as_it_says(workspace):
    write_coco(Path("my-coco/list.json"), workspace)
    shutil.move("my-pictures", "my-coco/photos")
    assert len(samples(yaml.safe_load(block("yaml", 3))["source"])) == 20
    for place in ("train2017", "images/train2017", "images", ".", "annotations"):
        folder = Path(f"coco-{place.replace('/', '-')}")
        shutil.copytree("my-coco/photos", folder / place)
        write_coco(folder / "annotations/captions_train2017.json", workspace)
        assert len(samples(describe_path(folder))) == 20


def test_the_dataset_of_the_page_is_read_as_it_says(workspace):
    golden = REPOSITORY / "tests/golden/huggingface"
    source = yaml.safe_load(block("yaml", 4))["source"]
    for kind in ("disk", "hub"):
        shutil.copytree(golden / kind, f"my-{kind}")
        assert describe_path(Path(f"my-{kind}")) == {"name": "huggingface", "path": f"my-{kind}"}
        assert len(samples({**source, "path": f"my-{kind}"})) == 12


def test_the_data_set_of_fiftyone_on_the_page_is_read_as_it_says(workspace):
    kind = {"_cls": "Classification"}
    listed = [
        {"filepath": f"data/{name}", "ground_truth": kind | {"label": said}} for name, (said, _) in workspace.items()
    ]
    Path("my-fiftyone").mkdir()
    shutil.move("my-pictures", "my-fiftyone/data")
    Path("my-fiftyone/samples.json").write_text(json.dumps({"samples": listed}))
    Path("my-fiftyone/metadata.json").write_text("{}")
    source = yaml.safe_load(block("yaml", 5))["source"]
    assert describe_path(Path("my-fiftyone")) == {"name": "fiftyone", "path": "my-fiftyone"}
    assert [one.texts[0].text for one in samples(source)] == [said for said, _ in workspace.values()]


def test_the_data_of_croissant_on_the_page_is_read_as_it_says(workspace):
    write_table(Path("my-pictures/list.csv"), workspace)
    said = json.dumps(write_croissant(Path("my-pictures/croissant.json"), "list.csv"))
    shutil.move("my-pictures", "my-croissant")
    assert describe_path(Path("my-croissant")) == {"name": "croissant", "path": "my-croissant"}
    Path("my-croissant/croissant.json").write_text(said.replace("all/caption", "all/spoken"))
    found = samples(yaml.safe_load(block("yaml", 6))["source"])
    assert [one.texts[0].text for one in found] == [caption for caption, _ in workspace.values()]


def test_the_tables_of_wit_on_the_page_are_read_as_it_says(workspace):
    write_wit(Path("my-wit"), {Path("my-pictures", name).read_bytes(): said for name, (said, _) in workspace.items()})
    assert describe_path(Path("my-wit")) == {"name": "wit", "path": "my-wit"}
    source = yaml.safe_load(block("yaml", 7))["source"]
    found = samples(source)
    assert [one.texts[0].text for one in found] == [said for said, _ in workspace.values()]
    assert {(one.licence, text.kind) for one in found for text in one.texts} == {
        ("CC-BY-SA-4.0", kind) for kind in source["fields"]
    }
    section = PAGE.partition("## What Wikipedia says")[2].partition("\n## ")[0]
    assert all(f"`{reason}`" in section for reason in ("bad_row", *FAULTS))


def test_the_documents_of_the_page_are_read_as_it_says(workspace):
    first = json.loads(block("jsonl"))
    names = list(workspace)
    rows = [
        {**first, "id": str(at), "texts": [None, workspace[one][0], None, workspace[two][0]], "images": [one, None, two, None]}
        for at, (one, two) in enumerate(zip(names[::2], names[1::2], strict=True))
    ]  # fmt: skip
    assert {**rows[0], "id": first["id"]} == first
    shutil.move("my-pictures", "my-documents")
    Path("my-documents/pages.jsonl").write_text("\n".join([block("jsonl").strip(), *map(json.dumps, rows[1:])]))
    source = describe_path(Path("my-documents"))
    assert source == {"name": "interleaved_docs", "path": "my-documents"}
    assert [sample.texts[0].text for sample in samples(source)] == [caption for caption, _ in workspace.values()]
    said = yaml.safe_load(block("yaml", 8))["source"]
    Path("my-documents/photos").mkdir()
    for name in names:
        shutil.move(f"my-documents/{name}", f"my-documents/photos/{name}")
    third = samples(said)[1]
    assert third.texts[0].text == workspace[names[0]][0]
    assert f"more than {InterleavedDocs().characters} characters" in PAGE


def test_the_boxes_of_the_page_come_in_as_it_says(workspace):
    whole = write_coco(Path("my-coco/annotations/captions_train2017.json"), workspace)
    shutil.move("my-pictures", "my-coco/train2017")
    images = [{**image, "width": 40, "height": 40} for image in whole["images"]]
    boxes = [
        {"image_id": 10, "bbox": [0, 0, 20, 10], "category_id": 1},
        {"image_id": 10, "bbox": [0, 0, 0, 0], "category_id": 1},
    ]
    said = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "circle"}]}
    Path("my-coco/annotations/instances_train2017.json").write_text(json.dumps(said))
    found = list(build_source(describe_path(Path("my-coco"))).samples(0, silent))
    assert [one.reason for one in found if isinstance(one, Reject)] == ["box_empty"]
    assert [region.box for one in found if isinstance(one, Sample) for region in one.regions] == [(0.0, 0.0, 0.5, 0.25)]
    assert all(f"`{name}`" in PAGE for name in (*REGIONS.schema.names, *SPANS.schema.names))


def test_the_clips_of_the_page_are_read_as_it_says(workspace):
    rows = write_clips(Path("my-pictures"), dict(list(workspace.items())[:6]))
    for picture in Path("my-pictures").glob("*.png"):
        picture.unlink()
    shutil.move("my-pictures", "my-clips")
    shown = block("csv", 1).splitlines()
    assert Path("my-clips/spans.csv").read_text().splitlines()[: len(shown)] == shown
    source = describe_path(Path("my-clips"))
    assert source == {"name": "video_spans", "path": "my-clips"}
    said = yaml.safe_load(block("yaml", 9))["source"]
    assert samples(source) == samples(said)
    assert [sample.texts[0].text for sample in samples(said)] == [row["text"] for row in rows]
    section = PAGE.partition("## Clips of video")[2].partition("\n## ")[0]
    assert set(re.findall(r"called `(\w+)`, `(\w+)`, `(\w+)`, `(\w+)`", section)[0]) <= {
        n for names in COLUMNS.values() for n in names
    }
    assert all(f"`{role}`" in section for role in ("label", "licence", "lang", "key", *FLAGS))


@pytest.mark.parametrize("whole", [False, True], ids=["as it is", "with its comments"])
@pytest.mark.parametrize("number", [0, 1])
def test_what_the_readme_of_data_own_shows_works_there(workspace, number, whole):
    Path("data").mkdir()
    shutil.move("my-pictures", "data/own")
    example = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)[number]
    source = yaml.safe_load(example.replace("\n# ", "\n  ") if whole else example)["source"]
    write_texts(Path("data/own"), workspace)
    lines = ["file,text,kind" if whole else "image,caption,label"]
    lines += [f"{name},{caption},{shape}" for name, (caption, shape) in workspace.items()]
    Path("data/own/captions.csv").write_text("\n".join(lines))
    assert len(samples(source)) == 20


def test_names_and_numbers_of_the_page_are_those_of_the_code():
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+`) \|$", PAGE, re.MULTILINE)
    assert [tuple(re.findall(r"`(\w+)`", row)) for row in rows] == [names for names in NAMES.values() if names]
    for suffix in (*PICTURES, *TABLES):
        assert f"`{suffix}`" in PAGE or f"captions{suffix}`" in PAGE
    limits = Limits()
    for number in (
        f"{limits.min_side} to {limits.max_side:,} pixels", f"{MAX_PIXELS // 10**6} million pixels",
        f"{MAX_PICTURE_BYTES // 2**20} MiB", f"up to {limits.max_caption} characters",
    ):  # fmt: skip
        assert number in PAGE.replace("\n", " ")
    assert LEAST * 3 == 6
    assert (RankRule().pair_share, RankRule().val_share, RankRule().least) == (0.1, 0.1, 2)
    max_broken = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["gates"]["max_broken"]
    assert f"({max_broken}:" in PAGE


def test_files_that_a_check_leaves_are_those_that_the_page_names():
    section = PAGE.partition("## Look before")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(?:checked/)?([a-z]+\.(?:parquet|html))`", section)) == set(FILES)
    assert all(f"  {code} " in section for code in ("truncated", "no_caption", "pii_text", "near_duplicate"))
