"""Words that do not fit their picture, planted in data, are told of with the worst first, by a package that knows three colours."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.data.sources.folder import FolderSource
from components.serving.scorer import open_scorer
from components.validation.asked import Asked
from components.validation.audit import audit
from components.validation.fit import Scores, Scoring
from components.validation.measure import MEASURED, Measured, columns
from tests.components.serving.tiny_package import COLOURS, make_package

NAMES = list(COLOURS)


@pytest.fixture(scope="module")
def scoring(tmp_path_factory) -> Scoring:
    return Scoring(scorer=open_scorer(str(make_package(tmp_path_factory.mktemp("model") / "tiny")), Path(), None))


def noisy(number: int) -> bytes:
    """Return a picture that is mostly of one of the three colours."""
    draws = np.random.default_rng(number)
    pixels = draws.normal(COLOURS[NAMES[number % 3]], 60, (36, 36, 3)).clip(0, 255).astype(np.uint8)
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def words(number: int, wrong: int = 0) -> str:
    return f"a {NAMES[(number + wrong) % 3]} square"


def heap(folder: Path, wrong: set[int]) -> Path:
    """Write 45 pictures with their words, those of some wrong, one that is cut, and one of which nothing is said."""
    folder.mkdir()
    for number in range(45):
        (folder / f"{number:02d}.png").write_bytes(noisy(number))
        (folder / f"{number:02d}.txt").write_text(words(number, number in wrong))
    (folder / "cut.png").write_bytes(noisy(45)[:900])
    (folder / "cut.txt").write_text("a red square")
    (folder / "wordless.png").write_bytes(noisy(46))
    return folder


def told(found, reason: str = "misfit") -> set[str]:
    return {row["member"] for row in found.told if row["reason"] == reason}


def test_captions_that_were_exchanged_are_told_of_and_no_others(tmp_path, scoring):
    wrong = {4, 11, 30}
    found = audit(FolderSource(str(heap(tmp_path / "heap", wrong))), tmp_path / "out", asked=Asked(scoring=scoring))
    assert told(found) == {f"{number:02d}.png" for number in wrong}
    fit = found.report["fit"]
    assert (fit["model"], fit["scored"], fit["bar"]) == (scoring.scorer.name, 45, 3.5)
    assert sum(fit["scores"].values()) == 45
    assert fit["median"] > fit["odd_below"] > 0.5
    assert pq.read_table(tmp_path / "out/told.parquet").num_rows == len(found.told)


def test_the_page_shows_the_worst_first_with_the_picture_and_how_scores_lie(tmp_path, scoring):
    audit(
        FolderSource(str(heap(tmp_path / "heap", set(range(0, 45, 4))))), tmp_path / "out", asked=Asked(scoring=scoring)
    )
    page = (tmp_path / "out/report.html").read_text()
    shown = page.partition('<h3 id="misfit">')[2].partition("</ul>")[0]
    scores = [float(part.split(",")[0]) for part in shown.split("a score of ")[1:]]
    assert len(scores) == shown.count("<img ") == 8
    assert scores == sorted(scores)
    assert f"<code>{scoring.scorer.name}</code> scored 45 pairs" in page


def test_without_a_model_nothing_is_scored_or_said(tmp_path):
    found = audit(FolderSource(str(heap(tmp_path / "heap", {4}))), tmp_path / "out")
    assert "fit" not in found.report
    assert not told(found)
    assert "How well words fit" not in (tmp_path / "out/report.html").read_text()


@pytest.mark.parametrize("policy", ["keep", "drop"])
def test_a_run_tells_of_them_too_or_sets_them_aside(case, scoring, make, policy):
    samples = [make(n, data=noisy(n), text=words(n, n in {9, 20})) for n in range(45)]
    case.ingest(samples)
    report = case.validate(scoring=scoring, policy={"misfit": policy})
    assert report["reasons" if policy == "drop" else "told"]["misfit"]["rows"] == 2
    assert json.loads((case.validated / "report.json").read_text())["fit"] == report["fit"]
    assert report["fit"]["scored"] == 45
    assert report["rows_in"] == report["clean"] + report["pools"] + report["quarantined"] == 45


def test_the_number_scored_at_once_changes_no_score(scoring):
    """77 rows are two batches and a part of one; a row that cannot be scored is a gap where it stands."""
    scores = Scores(scoring)
    for number in range(77):
        scores.add(None if number == 40 else noisy(number), ["", None, words(number)])
    alone = [scoring.scorer.score([noisy(number)], [[words(number)]])[0] for number in range(77)]
    blank = pa.Table.from_batches([columns([Measured(found=True)] * 77)], MEASURED)
    measured, fit = scores.into(blank)
    together = measured["score"].to_numpy()
    assert fit is not None
    assert (fit.scored, measured.schema) == (76, MEASURED)
    assert np.flatnonzero(np.isnan(together)).tolist() == [40]
    assert np.delete(together, 40) == pytest.approx(np.delete(alone, 40), abs=1e-6)
