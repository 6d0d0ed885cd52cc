"""The gateway's log as it is read back: by side, by language, of an older gateway, and where a file is none."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.monitoring.requests import read_requests
from components.serving.gateway.samples import SCHEMA, sampled_folder
from tests.components.monitoring.conftest import NOW, directions

NEWER = ("package", "space", "lang", "side", "embedding")


def test_vectors_come_by_side_each_once_in_their_order(served):
    text, image = directions(1, 3), directions(2, 2)
    served.ask(text[[0, 1, 0, 2]])
    served.ask(image, side="image")
    found = read_requests(served.root)
    np.testing.assert_allclose(found.vectors("text"), text, atol=1e-3)
    np.testing.assert_allclose(found.vectors("image"), image, atol=1e-3)


def test_of_many_vectors_some_are_drawn_in_their_order(served):
    text = directions(1, 100)
    served.ask(text)
    found = read_requests(served.root)
    some = found.vectors("text", 10, seed=1)
    places = [int(np.abs(text - one).max(1).argmin()) for one in some]
    assert (len(set(places)), places) == (10, sorted(places))
    assert not np.array_equal(some, found.vectors("text", 10, seed=2))


def test_a_score_is_the_best_of_what_a_search_found_and_a_text_counts_once(served):
    folder = sampled_folder(served.root)
    folder.mkdir()
    rows = [
        {"at": NOW, "lang": lang, "query": query, "scores": scores}
        for lang, query, scores in (
            ("de", "rot", [0.2, 0.7, None]), ("de", "rot", [0.6]), ("de", "blau", [0.1]), ("ja", "赤", [0.3]), ("ja", "青", [None]), (None, None, [0.9]),
        )
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "20200601T120000-a.parquet")
    found = {lang: sorted(scores.round(3).tolist()) for lang, scores in read_requests(served.root).scores().items()}
    assert found == {"de": [0.1, 0.7], "ja": [0.3]}


def test_what_an_older_gateway_wrote_counts_without_what_it_did_not_know(served):
    served.ask(directions(1, 4), status=500)
    (path,) = sampled_folder(served.root).glob("*")
    pq.write_table(pq.read_table(path).drop_columns(list(NEWER)), path)
    found = read_requests(served.root)
    assert (len(found), found.failed(), len(found.vectors("text")), found.scores()) == (4, 4, 0, {})


def test_a_file_that_is_none_is_named_and_the_others_are_read(served):
    served.ask(directions(1, 4))
    (sampled_folder(served.root) / "99990101T000000-x.parquet").write_bytes(b"PAR1 cut off")
    found = read_requests(served.root, NOW - timedelta(days=1))
    assert (len(found), found.unread) == (4, ("99990101T000000-x.parquet",))
    assert "1 files that cannot be read" in (
        served.look() and (served.root / ".diptych/monitor/report.html").read_text()
    )


def test_only_what_was_asked_since_then_is_read(served):
    served.ask(directions(1, 4), at=NOW - timedelta(days=3))
    served.ask(directions(2, 5))
    assert len(read_requests(served.root, NOW - timedelta(days=1))) == 5
    assert len(read_requests(served.root)) == 9
