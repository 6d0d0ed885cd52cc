"""docs/elsewhere.md: its examples are read as they stand, with a server of the tests' in place of the one they name."""

import csv
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import DataError, TransientError
from components.contracts.progress import silent
from components.contracts.reasons import REASONS
from components.contracts.reject import Reject
from components.data.remote import s3
from components.data.remote.fetcher import AT_ONCE, Fetcher
from components.data.remote.http import MAX_REDIRECTS, PASSING
from components.data.remote.store import MAX_AGE_S
from components.data.remote.turns import Patience
from components.data.shards import MAX_PICTURE_BYTES
from components.data.sources import build_source
from components.data.sources.columns import URLS
from components.data.sources.fetched import OTHERS, OUTAGE
from components.data.sources.webdataset import WebDatasetSource
from tests.own_pictures import paint, write_table
from tests.remote_faults import urls, web_with_shard
from tests.web_server import Web, serving

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/elsewhere.md").read_text()
PEER = json.loads((REPOSITORY / "tests/golden/remote_faults.json").read_text())
BLOCKS = {kind: re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("yaml", "csv")}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))


def test_the_table_of_the_page_is_read_as_it_stands():
    said = paint(Path("pictures"), 20)
    with serving(Web({f"/{name}": Path("pictures", name).read_bytes() for name in said})) as web:
        Path("my-table").mkdir()
        named = {f"https://host/{name}": pair for name, pair in said.items()}
        text = write_table(Path("my-table/captions.csv"), named).read_text().replace("\r\n", "\n")
        assert text.startswith(BLOCKS["csv"][0])
        assert [row["image"] for row in csv.DictReader(text.splitlines())] == list(named)
        Path("my-table/captions.csv").write_text(text.replace("https://host/", web.url("/")))
        source = yaml.safe_load(BLOCKS["yaml"][1].replace("10.0.0.7:8080", web.host))["source"]
        assert len(list(build_source(source).samples(0, silent))) == 20


def test_the_settings_of_shards_are_ones_that_the_source_takes():
    source = yaml.safe_load(BLOCKS["yaml"][0])["source"]
    assert build_source(source).place.urls == ("s3://pictures/cc3", "https://host/shard-{000..009}.tar")
    assert len(source["version"]) == 16


def test_numbers_of_the_page_are_those_of_the_code():
    patience = Patience()
    text = PAGE.replace("\n  ", " ").replace("\n", " ")
    assert len(fields(Patience)) == 7
    for said in (
        f"{AT_ONCE} URLs at once, {patience.a_host} of one host", f"may have {MAX_PICTURE_BYTES // 2**20} MiB",
        f"of which {MAX_REDIRECTS} are followed", f"is tried {patience.tries} times",
        f"answer within {patience.answer_s:g} s, send something every {patience.answer_s:g} s, and {patience.least_bytes:,} bytes in "
        f"{patience.window_s:g} s", f"Where {OUTAGE} in a row do not answer",
        f"Where the {OUTAGE} are all of one host, up to {OTHERS} others",
    ):  # fmt: skip
        assert said in text
    assert f"`{URLS[0]}`, `{URLS[1]}` or `{URLS[2]}`" in text
    assert (patience.first_s, patience.most_s, MAX_AGE_S) == (1, 60, 24 * 3600)
    assert "half a second to one" in text
    assert "a minute at the most" in text
    assert "whole files are gone on with for a day" in text


def ours(url: str, host: str, folder: Path) -> str:
    """Return what we make of a shard at a URL, in the words of the page."""
    fetcher = Fetcher([host], Patience(answer_s=2, tries=2), folder, wait=lambda seconds: None)
    try:
        source = WebDatasetSource(url=url, allow_hosts=[host])
        source.place.fetcher = fetcher
        found = list(source.unsplit(silent))
    except TransientError:
        return "0; an error that is tried again"
    except DataError:
        return "0; an error that says why"
    reasons = [one.reason for one in found if isinstance(one, Reject)]
    return "; ".join([str(len(found) - len(reasons)), *(f"`{reason}`" for reason in reasons)])


def test_the_table_of_others_is_what_was_measured_of_them_and_what_we_do(tmp_path):
    with serving(web_with_shard(tmp_path)) as web:
        rows = [
            f"| {what} | {PEER['cases'][what]['plain']} | {PEER['cases'][what]['training']} | {ours(url, web.host, tmp_path / str(n))} |"
            for n, (what, url) in enumerate(urls(web).items())
        ]
    assert "\n".join(rows) in PAGE
    assert f"webdataset {PEER['webdataset']}" in PAGE
    assert PEER["runs"] == 4


def test_the_table_of_faults_names_what_the_code_does():
    table = PAGE.partition("## What becomes of each fault")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (.+?) \| (.+?) \| (.*?) ?\| (.+?) \|$", table, re.MULTILINE)[2:]
    rows = {what: becomes for what, *becomes in cells}
    assert len(rows) == 11
    statuses = {int(one) for what in rows for one in re.findall(r"\b[45]\d\d\b", what) if rows[what][0] == "4 times"}
    assert statuses == PASSING
    named = {one for what in rows for one in re.findall(r"`(\w+)`", what)}
    assert named <= s3.EXPIRED | s3.KEYS | s3.SLOW | {"RequestTimeTooSkewed", "NoSuchBucket"}
    reasons = {one for _, *becomes in rows.values() for cell in becomes for one in re.findall(r"`(\w+)`", cell)}
    assert reasons <= set(REASONS)
    assert {"fetch_failed", "address_refused"} <= reasons
