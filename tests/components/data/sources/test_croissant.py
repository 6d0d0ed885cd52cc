"""Croissant descriptions: ours come back as they went out, others are joined by their references, and bad ones are told of."""

import json
import tarfile

import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.data.admission import Admit, Admitted
from components.data.ingest import ingest
from components.data.sources.croissant import CroissantSource
from components.data.sources.which import describe_path
from flows.cli import main
from tests.components.data.sources.test_fiftyone import shown
from tests.flows.versioned import names, snapshot
from tests.own_pictures import paint, write_croissant, write_table


@pytest.fixture
def made(tmp_path):
    """A folder of 12 pictures and a table, and what its description says."""
    folder = tmp_path / "set"
    said = paint(folder, 12)
    write_table(folder / "mine.csv", said)
    return folder, said, write_croissant(folder / "croissant.json", "mine.csv")


def again(folder, whole):
    (folder / "croissant.json").write_text(json.dumps(whole))


def came(folder, **settings):
    return list(CroissantSource(str(folder), **settings).samples(0, silent))


def test_what_we_export_comes_back_with_its_pictures_captions_and_keys(tmp_path):
    raw = snapshot(tmp_path / "raw", names(20))
    assert main(["data", "export", str(raw), "--as", "croissant", "--to", str(raw / "croissant.json")]) == 0
    came_in = ingest(CroissantSource(str(raw)), tmp_path / "back", 0)
    assert came_in["samples"] == 20
    assert shown(tmp_path / "back") == shown(raw)


def test_members_of_a_tar_that_are_no_pictures_and_a_tar_that_is_cut_short_are_rows(made):
    folder, _, whole = made
    whole["distribution"][1] |= {"containedIn": {"@id": "tar"}}
    whole["distribution"].append({"@type": "cr:FileObject", "@id": "tar", "contentUrl": "pictures.tar"})
    again(folder, whole)
    with tarfile.open(folder / "pictures.tar", "w") as tar:
        for number in range(11):
            tar.add(folder / f"{number:04d}.png", f"{number:04d}.png")
        tar.add(folder / "0011.png", "../0011.png")
    held = (folder / "pictures.tar").read_bytes()
    found = came(folder)
    assert [one.reason for one in found if isinstance(one, Reject)] == ["path_escape"]
    assert len(found) == 12
    (folder / "pictures.tar").write_bytes(held[: held.index(b"0010.png") + 600])
    assert [one.reason for one in came(folder) if isinstance(one, Reject)] == ["shard_truncated"]
    (folder / "pictures.tar").rename(folder / "pictures.zip")
    whole["distribution"][2]["contentUrl"] = "pictures.zip"
    again(folder, whole)
    with pytest.raises(ConfigError, match=r"is no tar, and others are not read\. Unpack it"):
        came(folder)


def test_a_link_out_of_the_folder_is_refused(made, tmp_path):
    folder, _, _ = made
    (folder / "0001.png").rename(tmp_path / "secret.png")
    (folder / "0001.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"0001\.png is a link that leads out of the folder"):
        came(folder)


def test_captions_are_joined_to_the_files_by_what_the_references_say(made):
    folder, said, _ = made
    with (folder / "mine.csv").open("a") as table:
        table.write("0003.png,said again\nnowhere.png,of nothing\n")
    found = came(folder)
    assert [one.media[0].data for one in found] == [(folder / name).read_bytes() for name in said]
    captions = [[text.text for text in one.texts] for one in found]
    assert captions[3] == [said["0003.png"][0], "said again"]
    assert captions[:3] == [[caption] for caption, _ in list(said.values())[:3]]


def test_pictures_may_be_named_by_the_table_and_paths_out_of_the_folder_are_rows(made, tmp_path):
    folder, said, whole = made
    (tmp_path / "secret.png").write_bytes((folder / "0001.png").read_bytes())
    (folder / "0002.png").unlink()
    with (folder / "mine.csv").open("a") as table:
        table.write(f"../secret.png,a\n{tmp_path}/secret.png,b\n,c\n0003.png,d\n")
    fields = whole["recordSet"][0]["field"]
    fields[0]["source"] = {"fileObject": {"@id": "table"}, "extract": {"column": "image"}}
    del fields[1]
    again(folder, whole)
    found = came(folder)
    assert [one.reason for one in found if isinstance(one, Reject)] == [
        "no_picture", "path_escape", "path_escape", "no_picture", "duplicate_key",
    ]  # fmt: skip
    assert [one.texts[0].text for one in found if not isinstance(one, Reject)] == [
        caption for name, (caption, _) in said.items() if name != "0002.png"
    ]


@pytest.mark.parametrize("named_by_the_table", [False, True])
def test_what_is_said_of_health_and_consent_comes_along_also_by_a_second_row_and_by_an_empty_cell(
    made, named_by_the_table
):
    folder, said, whole = made
    marks = {0: ",yes", 1: "Yes,no", 2: "yes,"}  # of consent and of health; all others say yes and no
    rows = [f"{name},{said[name][0]},{marks.get(place, 'yes,no')}" for place, name in enumerate(said)]
    rows.append("0003.png,said again,,yes")
    (folder / "mine.csv").write_text("\n".join(["image,caption,consent,phi", *rows]))
    fields = whole["recordSet"][0]["field"]
    for name in ("consent", "phi"):
        taken = {"fileObject": {"@id": "table"}, "extract": {"column": name}}
        fields.append({"@id": f"all/{name}", "dataType": "sc:Text", "source": taken})
    if named_by_the_table:
        fields[0]["source"] = {"fileObject": {"@id": "table"}, "extract": {"column": "image"}}
        del fields[1]
    again(folder, whole)
    first = [one for one in came(folder) if not isinstance(one, Reject)]
    assert [one.flags["consent"] for one in first[:4]] == [("",), ("Yes",), ("yes",), ("yes", "")]
    assert [one.flags["health"] for one in first[:4]] == [("yes",), ("no",), ("",), ("no", "yes")]

    def let_in(admit):
        found = Admitted(CroissantSource(str(folder)), admit).samples(0, silent)
        return [at for at, one in enumerate(one for one in found if getattr(one, "reason", "") != "duplicate_key")
                if not isinstance(one, Reject)]  # fmt: skip

    assert let_in(Admit(health="refused")) == [1, 2, *range(4, 12)]
    assert let_in(Admit(consent="required")) == [1, 2, *range(4, 12)]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda whole, fields: whole.pop("recordSet"), DataError, "has no distribution and recordSet"),
        (lambda whole, fields: fields[1].pop("references"), ConfigError, "no field's `references` say which"),
        (lambda whole, fields: fields[1]["source"].update(transform={"regex": "("}), ConfigError, "a regex that is none"),
        (lambda whole, fields: fields[1]["source"].update(transform={"split": ","}), ConfigError, "split, which is not read"),
        (lambda whole, fields: fields.pop(2), ConfigError, r"holds the caption\? None is called so"),
        (lambda whole, fields: whole["distribution"][0].update(contentUrl="../x.csv"), DataError, "leads out of"),
        (lambda whole, fields: whole["distribution"][0].update(contentUrl="https://h/x.csv"), DataError, "no such file here"),
        (lambda whole, fields: whole["distribution"][0].update(sha256="0" * 64), DataError, "another sha256 than croissant.json"),
        (lambda whole, fields: fields[2]["source"].update(extract={"column": "said"}), DataError, "the column 'said' of mine.csv"),
        (lambda whole, fields: whole["distribution"][1].update(includes="*.tif"), DataError, "has no file as"),
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_followed_is_refused_with_why(made, change, error, says):
    folder, _, whole = made
    change(whole, whole["recordSet"][0]["field"])
    again(folder, whole)
    with pytest.raises(error, match=says):
        came(folder)


def test_names_that_do_not_say_it_are_said_in_columns(made):
    folder, _, whole = made
    whole["recordSet"][0]["field"][2]["@id"] = "all/spoken"
    again(folder, whole)
    with pytest.raises(ConfigError, match=r"holds the caption\?"):
        came(folder)
    assert len(came(folder, columns={"caption": "spoken"})) == 12
    assert {text.kind for sample in came(folder, columns={"long": "spoken"}) for text in sample.texts} == {"long"}


def test_a_description_is_known_from_its_file(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert describe_path(made[0]) == {"name": "croissant", "path": "set"}
