"""Hard gates: what is refused is a row with its reason, its picture is in no shard, and doubt refuses."""

import io
import itertools
import json
from dataclasses import replace

import pytest
from PIL import Image
from skimage.data import astronaut

from components.contracts.admit import Admit
from components.contracts.errors import ConfigError, DataError, GateClosed
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.contracts.sample import Media, Region, Sample, Text
from components.data.admission import BLURRED, MASKED, REMOVED, Admitted, allows
from components.data.container import container_of
from components.data.faces import FaceFinder
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.pictures import look, on_white
from components.data.quarantine import read_quarantine
from components.data.shards import ShardReader
from components.data.sources.folder import FolderSource
from components.data.sources.huggingface import record_of
from components.data.sources.interleaved_docs import InterleavedDocs
from components.data.sources.table import PairTable
from components.data.sources.webdataset import WebDatasetSource
from components.data.synthetic.scenes import ScenesSource
from components.recipes.params import load_params
from tests.defects import drawn, jpeg, tagged
from tests.hostile import HOSTILE
from tests.own_pictures import paint
from tests.shards import members_of, write_shard

ASK = Admit(consent="required")


class Given:
    """A source of the samples it is given."""

    def __init__(self, *samples) -> None:
        self.given = samples

    def samples(self, seed, progress):
        yield from self.given

    def describe(self):
        return {"name": "given", "examples": ["a cat", "MRN 1234567"]}


def sample(number=0, licence="CC0-1.0", text="a cat", **flags):
    key = f"k{number}"
    return Sample(
        key=key, split="train", source="s", licence=licence, media=(Media(member=f"{key}.png", data=b"?"),),
        texts=(Text(text="a pet"), Text(text=text)), flags=flags,
    )  # fmt: skip


def outcome(admit, *samples):
    return [
        one.reason if isinstance(one, Reject) else "in" for one in Admitted(Given(*samples), admit).samples(0, silent)
    ]


@pytest.mark.parametrize(
    ("licence", "may"),
    [
        ("CC-BY-4.0", True), ("cc-by-4.0", True), ("CC-BY-NC-4.0", False), ("CC-BY-4", False), ("NOASSERTION", False), ("", False),
        ("MIT OR CC0-1.0", True), ("MIT OR GPL-2.0-only", False), ("CC-BY-4.0 AND CC0-1.0", True), ("CC-BY-4.0 AND MIT", False),
        ("MIT OR CC-BY-4.0 AND CC0-1.0", True), ("(CC0-1.0)", False), ("CC-BY-4.0, CC0-1.0", False),
    ],
)  # fmt: skip
def test_a_licence_comes_in_where_it_is_allowed_and_an_expression_where_it_can_be_met(licence, may):
    assert allows(frozenset({"cc-by-4.0", "cc0-1.0"}), licence) is may
    admit = Admit(licences=("CC-BY-4.0", "CC0-1.0"))
    assert outcome(admit, sample(licence=licence)) == ["in" if may else "licence_refused"]


@pytest.mark.parametrize(
    ("words", "may"),
    [
        (("yes",), True), (("True",), True), (("1.0", "granted"), True), ((), False), (("",), False), (("no",), False),
        (("yes", "no"), False), (("yes", ""), False), (("maybe",), False), (("withdrawn",), False),
    ],
)  # fmt: skip
def test_only_a_plain_yes_is_consent_and_one_no_outweighs_any_yes(words, may):
    asked = sample(consent=words) if words else sample()
    assert outcome(ASK, asked) == ["in" if may else "no_consent"]
    assert outcome(Admit(), asked) == ["in"]


@pytest.mark.parametrize(
    ("words", "text", "may"),
    [
        ((), "a chest X-ray", True), (("no",), "a chest X-ray", True), (("0",), "a", True), (("",), "a", True), (("yes",), "a", False),
        (("no", "yes"), "a", False), (("perhaps",), "a", False), (("no",), "MRN: 4829134", False), ((), "DOB 1956-03-14", False),
    ],
)  # fmt: skip
def test_health_data_is_known_by_its_mark_or_its_words_in_any_text(words, text, may):
    asked = sample(text=text, health=words) if words else sample(text=text)
    assert outcome(Admit(health="refused"), asked) == ["in" if may else "health_data"]
    assert outcome(Admit(), asked) == ["in"]


def test_words_of_a_box_are_words_too():
    boxed = replace(sample(), regions=(Region(box=(0, 0, 1, 1), text="MRN 1234567"),))
    assert outcome(Admit(health="refused"), boxed) == ["health_data"]
    assert outcome(Admit(), boxed) == ["in"]


def test_no_report_repeats_the_words_that_were_refused():
    source = Admitted(Given(sample(text="MRN 1234567")), Admit(health="refused"))
    (reject,) = source.samples(0, silent)
    assert reject.detail == "what is said of it holds a record number"
    assert source.describe()["examples"] == ["a cat"]


def test_every_record_comes_through_once_in_its_order_whatever_is_refused():
    given = [sample(at, consent=("yes",)) if at % 3 else sample(at) for at in range(12)]
    given.insert(5, Reject(key="r", member="m", reason="no_picture", detail="gone"))
    found = list(Admitted(Given(*given), ASK).samples(0, silent))
    assert [one.key for one in found] == [one.key for one in given]
    assert [one for one in found if isinstance(one, Sample)] == [
        one for one in given if isinstance(one, Sample) and one.flags
    ]
    assert list(Admitted(Given(*given), Admit()).samples(0, silent)) == given


def test_what_is_said_of_a_part_of_a_picture_counts_as_what_is_said_of_it():
    told = replace(sample(), regions=(Region(box=(0, 0, 1, 1), text="MRN: 4829134"), Region(box=(0, 0, 1, 1))))
    assert outcome(Admit(health="refused"), told) == ["health_data"]
    told = replace(
        sample(), regions=(Region(box=(0, 0, 1, 1), text="his card, jo@example.org"), Region(box=(0, 0, 1, 1)))
    )
    (found,) = Admitted(Given(told), Admit(pii_text="masked")).samples(0, silent)
    assert [part.text for part in found.regions] == ["his card, [e-mail address]", None]


def test_a_gate_that_closes_keeps_nothing_and_says_what_was_refused(tmp_path):
    closing = Admit(licences=("CC0-1.0",), health="refused", otherwise="close")
    given = [sample(0), sample(1, licence="MIT"), sample(2, text="SSN 078-05-1120")]
    with pytest.raises(
        GateClosed, match=r"2 records.*licence_refused \(1\), health_data \(1\); the first is k1: its licence is MIT"
    ):
        ingest(Admitted(Given(*given), closing), tmp_path / "raw", 0)
    assert not (tmp_path / "raw/manifest.parquet").exists()
    assert not (tmp_path / "raw/source.json").exists()
    assert len(list(Admitted(Given(sample(0)), closing).samples(0, silent))) == 1


def test_a_source_that_says_nothing_of_consent_is_refused_whole(tmp_path):
    with pytest.raises(DataError, match=r"gave 0 samples.*no_consent \(30\)"):
        ingest(Admitted(ScenesSource(pictures=30), ASK), tmp_path / "raw", 0)


def test_what_is_refused_is_counted_and_no_shard_has_a_byte_of_it(tmp_path):
    said = paint(tmp_path / "own", 12)
    words = ["yes", "no", "", "TRUE"]
    rows = [f"{name},{text},{word}" for (name, (text, _)), word in zip(said.items(), itertools.cycle(words))]
    rows.append("0003.png,a second caption,no")
    (tmp_path / "own/captions.csv").write_text("\n".join(["image,caption,consent", *rows]))
    came_in = ingest(Admitted(PairTable(str(tmp_path / "own")), ASK), tmp_path / "raw", 0)
    assert came_in["rejected"] == {"no_consent": 7}
    assert came_in["rows_in"] == 12 == came_in["samples"] + came_in["quarantined"]
    assert json.loads((tmp_path / "raw/source.json").read_text()) == came_in
    refused = [row["key"] for row in read_quarantine(tmp_path / "raw/quarantine.parquet")]
    assert [key[:4] for key in refused] == ["0001", "0002", "0003", "0005", "0006", "0009", "0010"]
    shards = b"".join(path.read_bytes() for path in (tmp_path / "raw").rglob("*.tar"))
    for name in said:
        is_in = (tmp_path / "own" / name).read_bytes() in shards
        assert is_in == (name[:4] not in {key[:4] for key in refused})
    assert len(read_manifest(tmp_path / "raw/manifest.parquet")) == 5


def test_every_source_of_ones_own_hands_on_what_its_data_says(tmp_path):
    said = paint(tmp_path / "own", 12)
    for name in said:
        (tmp_path / "own" / name).with_suffix(".json").write_text('{"caption": "a", "consent": true, "phi": "no"}')
    flags = {"consent": ("True",), "health": ("no",)}
    members = [(name, (tmp_path / "own" / name).read_bytes()) for name in said]
    members += [(f"{name[:-4]}.json", b'{"caption": "a", "consent": true, "phi": "no"}') for name in said]
    write_shard(tmp_path / "shards/0.tar", sorted(members))
    rows = [{"images": [f"own/{name}", None], "texts": [None, "a"], "consent": True, "phi": "no"} for name in said]
    (tmp_path / "docs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for source in (
        FolderSource(str(tmp_path / "own")), WebDatasetSource(str(tmp_path / "shards")),
        InterleavedDocs(str(tmp_path), documents="docs.jsonl"),
    ):  # fmt: skip
        assert [one.flags for one in source.samples(0, silent)] == [flags] * 12
    row = {"image": {"bytes": b"?", "path": None}, "caption": "a", "consent": True, "health": None}
    assert record_of("r", row, {}).flags == {"consent": ("True",), "health": ("",)}
    assert members_of(tmp_path / "own", said)


@pytest.mark.parametrize("licence", ["CC BY 4.0", "", "MIT OR X"])
def test_what_can_be_no_spdx_identifier_is_refused(licence):
    with pytest.raises(ConfigError, match="no SPDX identifier"):
        Admit(licences=("CC0-1.0", licence))


def test_params_choose_and_a_word_that_is_none_is_refused(tmp_path):
    others = "source: {name: scenes}\nrecipes: {clip: {start: data/untrained.txt}}\nscale: debug\nseed: 0\ngates: {max_broken: 0.01}\n"
    (tmp_path / "params.yaml").write_text(others)
    assert load_params(tmp_path).admit == Admit()
    (tmp_path / "params.yaml").write_text(others + "admit: {licences: [MIT], consent: required, otherwise: close}\n")
    assert load_params(tmp_path).admit == Admit(licences=("MIT",), consent="required", otherwise="close")
    for wrong in ("consent: yes please", "consnt: required", "licences: MIT", "licences: [CC BY]"):
        (tmp_path / "params.yaml").write_text(others + f"admit: {{{wrong}}}\n")
        with pytest.raises(ConfigError, match="admit"):
            load_params(tmp_path)


def test_faces_are_blurred_before_a_shard_is_written_and_counted(tmp_path):
    held = io.BytesIO()
    Image.fromarray(astronaut()).save(held, "JPEG")
    face, plain = held.getvalue(), (paint(tmp_path, 1) and (tmp_path / "0000.png").read_bytes())
    given = [
        replace(sample(at), media=(Media(member=f"k{at}.png", data=data),))
        for at, data in enumerate((plain, face, b"?"))
    ]
    source = Admitted(Given(*given), Admit(faces="blurred"))
    came_in = ingest(source, tmp_path / "raw", 0)
    assert came_in["source"]["without"] == {BLURRED: "1: k1"}
    assert came_in["source"]["admit"]["faces"] == "blurred"
    rows = read_manifest(tmp_path / "raw/manifest.parquet").to_pylist()
    with ShardReader(tmp_path / "raw") as reader:
        first, second, third = (reader.read(row) for row in rows)
    assert (first, third) == (plain, b"?")
    assert not FaceFinder()(on_white(second))
    shard = (tmp_path / "raw/train/000000.tar").read_bytes()
    assert b'"blurred": "face"' in shard
    assert shard.count(b'"blurred"') == 1
    assert face[-2000:-1000] not in shard
    assert list(Admitted(Given(*given), Admit()).samples(0, silent)) == given
    by_two = Admitted(Given(*given), Admit(faces="blurred"), processes=2)
    assert list(by_two.samples(0, silent)) == list(source.samples(0, silent))
    assert by_two.describe() == source.describe()


def test_places_and_personal_words_are_taken_out_before_a_shard_is_written_and_counted(tmp_path):
    placed = jpeg(drawn(1), exif=tagged(latitude=52.0))
    told = "a red kite, ask jo@example.org or call +44 20 7946 0123"
    given = [
        replace(sample(0), media=(Media(member="k0.jpg", data=placed),)),
        replace(sample(1, text=told), media=(Media(member="k1.jpg", data=jpeg(drawn(2))),), labels={"concept": told}),
        replace(sample(2), media=(Media(member="k2.jpg", data=jpeg(drawn(3))),), name="a/b.jpg"),
    ]
    source = Admitted(Given(*given), Admit(gps="removed", pii_text="masked"))
    came_in = ingest(source, tmp_path / "raw", 0)
    assert came_in["source"]["without"] == {REMOVED: "1: k0", MASKED: "1: k1"}
    rows = read_manifest(tmp_path / "raw/manifest.parquet").to_pylist()
    said = "a red kite, ask [e-mail address] or call [phone number]"
    assert [text["text"] for text in rows[1]["texts"]] == ["a pet", said]
    assert rows[1]["labels"]["concept"] == said
    with ShardReader(tmp_path / "raw") as reader:
        first, second, third = (reader.read(row) for row in rows)
    assert container_of(placed).says_where
    assert not container_of(first).says_where
    assert look(first).pixel_sha256 == look(placed).pixel_sha256
    assert (second, third) == (given[1].media[0].data, given[2].media[0].data)
    shard = (tmp_path / "raw/train/000000.tar").read_bytes()
    assert b"jo@example.org" not in shard
    assert [shard.count(label) for label in (b'"removed": "gps"', b'"masked": "pii_text"')] == [1, 1]


def test_examples_of_a_masked_source_are_masked_too():
    class Telling(Given):
        def describe(self):
            return {"name": "given", "examples": ["a cat", "ask jo@example.org"]}

    source = Admitted(Telling(sample(text="ask jo@example.org")), Admit(pii_text="masked"))
    assert len(list(source.samples(0, silent))) == 1
    assert source.describe()["examples"] == ["a cat", "ask [e-mail address]"]


def test_a_picture_that_harms_who_looks_for_faces_is_in_no_shard(hostile):
    given = [
        replace(sample(at), media=(Media(member=f"k{at}.png", data=data),))
        for at, data in enumerate((b"?", HOSTILE["crash"], b"!", HOSTILE["exit"]))
    ]
    found = list(Admitted(Given(*given), Admit(faces="blurred"), processes=1).samples(0, silent))
    assert [one.key for one in found] == ["k0", "k1", "k2", "k3"]
    assert [one.reason for one in found if isinstance(one, Reject)] == ["undecodable"] * 2
