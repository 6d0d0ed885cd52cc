import pyarrow as pa

from components.curation.ops.keep import Keep
from components.curation.ops.parse import Parse
from components.data.manifest import SCHEMA
from tests.components.curation.toy import apply, row


def test_things_come_once_whatever_text_they_stand_in_and_other_languages_are_not_read():
    texts = [
        {"text": "a small red circle and a star", "kind": "alt", "lang": "en"}, {"text": "a star", "kind": "short", "lang": None},
        {"text": "ein roter Kreis", "kind": "alt", "lang": "de"},
    ]  # fmt: skip
    table = pa.Table.from_pylist([row(0, texts=texts), row(1, texts=texts[2:]), row(2, texts=None)], SCHEMA)
    parsed, report = apply(Parse(), table)
    assert parsed["objects"].to_pylist() == [["circle", "star"], [], []]
    assert parsed["attributes"].to_pylist() == [["red", "small"], [], []]
    assert parsed["phrases"].to_pylist() == [["red small circle", "star"], [], []]
    assert report.stats == {"nothing read": 2, "different objects": 2}
    left, _ = apply(Keep("objects_count >= 2"), parsed)
    assert left["key"].to_pylist() == ["k000"]
