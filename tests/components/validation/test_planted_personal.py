"""Of personal data planted in a folder 95 in 100 are found, whatever is asked to be done with them: keep, drop, or make harmless."""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import lfw_subset

from components.contracts.admit import Admit
from components.data.admission import BLURRED, MASKED, REMOVED
from components.data.sources.folder import FolderSource
from components.validation.asked import Asked
from components.validation.audit import audit
from tests.components.data.test_faces import pasted
from tests.components.data.test_personal import AROUND, card, email, phone
from tests.components.data.test_placeless import FILES
from tests.defects import caption, drawn, jpeg, tagged

CODES = ("pii_text", "gps", "face")
EACH = 24
HARMLESS = Admit(faces="blurred", gps="removed", pii_text="masked")


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A folder, and name -> code of what is planted; as many pictures have nothing."""
    folder, truth = tmp_path_factory.mktemp("planted") / "own", {}
    folder.mkdir()
    for number, (code, suffix, data, words) in enumerate(_all()):
        name = f"{number:04d}{suffix}"
        (folder / name).write_bytes(data)
        (folder / name).with_suffix(".txt").write_text(words)
        truth[name] = code
    return folder, truth


def _all() -> Iterator[tuple[str, str, bytes, str]]:
    draw, kinds = random.Random(17), ((data, f".{name.split()[-1]}") for name, (data, _) in FILES.items())
    told = [(data, suffix if suffix in (".png", ".webp", ".tiff") else ".jpg") for data, suffix in kinds]
    told += [(jpeg(drawn(at), exif=tagged(latitude=float(at))), ".jpg") for at in range(EACH - len(told))]
    for at in range(EACH):
        words = draw.choice(AROUND).format(draw.choice((email, phone, card))(draw))
        yield "pii_text", ".jpg", jpeg(drawn(1000 + at)), words
        yield "gps", told[at][1], told[at][0], caption(at)
        yield "face", ".jpg", jpeg(pasted(lfw_subset()[at], at, 100)), caption(100 + at)
        yield "", ".jpg", jpeg(drawn(2000 + at)), caption(200 + at)


def recall(found: dict[str, str], truth: dict[str, str], code: str) -> float:
    wanted = [name for name, its in truth.items() if its == code]
    return sum(found.get(name) == code for name in wanted) / len(wanted)


@pytest.mark.parametrize("done", ["keep", "drop"])
def test_what_is_planted_is_told_of_or_dropped(planted, tmp_path, done):
    folder, truth = planted
    found = audit(FolderSource(str(folder)), tmp_path / "out", asked=Asked(policy=dict.fromkeys(CODES, done)))
    rows = found.told if done == "keep" else found.quarantined
    others = found.quarantined if done == "keep" else found.told
    said = {row["member"]: row["reason"] for row in rows if row["reason"] in CODES}
    for code in CODES:
        assert recall(said, truth, code) >= 0.95, code
    assert not [row for row in others if row["reason"] in CODES]
    assert len([name for name in said if truth[name] == ""]) <= 0.1 * EACH  # a drawing may be taken for a face


def test_what_is_planted_is_made_harmless_so_that_nothing_of_it_is_found_any_more(planted, tmp_path):
    folder, _ = planted
    asked = Asked(policy=dict.fromkeys(CODES, "drop"), admit=HARMLESS)
    found = audit(FolderSource(str(folder)), tmp_path / "out", asked=asked)
    rows = [row for row in found.quarantined if row["reason"] in CODES]
    assert len(rows) <= 0.05 * EACH, rows
    for what in (BLURRED, REMOVED, MASKED):
        many = int(str(found.report["without"][what]).partition(":")[0])
        assert 0.95 * EACH <= many <= 1.2 * EACH, what


def test_every_kind_of_file_is_among_those_that_say_where(planted):
    folder, truth = planted
    names = [folder / name for name, code in truth.items() if code == "gps"]
    formats = {Image.open(io.BytesIO(name.read_bytes())).format for name in names}
    assert formats == {"JPEG", "MPO", "PNG", "WEBP", "TIFF"}
