"""What production images are made of, as CycloneDX: made of the locks alone, the same each time, and by CycloneDX's own schema."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra.locks import IMAGES, LOCKS, Pin, read

REPOSITORY = Path(__file__).parents[2]
WORDS = ("requirements", "--output-reproducible", "--validate")
NOWHERE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")


def bill(lock: Path) -> str:
    """Return the bill of a lock; whoever asked a server for it would find none."""
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", WORDS[0], str(lock), *WORDS[1:]]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **NOWHERE})
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("name", IMAGES)
def test_the_bill_of_a_lock_fits_its_schema_and_has_each_package_with_its_version_and_hash(name):
    lock = REPOSITORY / LOCKS / f"{name}.txt"
    text = bill(lock)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    said = json.loads(text)
    assert (said["bomFormat"], said["specVersion"]) == ("CycloneDX", "1.6")
    found = {}
    for one in said["components"]:
        hashes = [its for where in one["externalReferences"] for its in where["hashes"]]
        assert [its["alg"] for its in hashes] == ["SHA-256"]
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}".replace("+", "%2B")
        found[one["name"]] = Pin(version=one["version"], sha256=hashes[0]["content"])
    assert found == read(lock.read_text())


def test_a_bill_is_the_same_each_time_and_one_that_does_not_fit_is_found():
    lock = REPOSITORY / LOCKS / "triton.txt"
    text = bill(lock)
    assert text == bill(lock)
    said = json.loads(text)
    said["components"][0]["kind"] = said["components"][0].pop("type")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(said)) is not None


def test_make_writes_it_with_the_same_words_of_each_lock():
    makefile = (REPOSITORY / "Makefile").read_text()
    assert (
        f"-m cyclonedx_py {WORDS[0]} infra/locks/$$name.txt {' '.join(WORDS[1:])} --output-file build/sbom/$$name.json"
        in makefile
    )
    assert f"LOCKED = {' '.join(IMAGES)}\n" in makefile
