from collections import Counter

import pytest

from components.contracts.errors import ConfigError
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.synthetic.contrasts import contrasts
from components.data.synthetic.scenes import ScenesSource
from components.data.synthetic.truth import truth
from components.data.synthetic.twins import CHANGES


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contrasts") / "raw"
    ingest(ScenesSource(pictures=150, languages=["en", "es"], scene={"textures": ["plain", "dotted"]}), folder, seed=0)
    return folder


def test_each_false_caption_differs_in_what_it_says_and_in_nothing_else(raw):
    texts = {row["key"]: row["texts"][0]["text"] for row in read_manifest(raw / "manifest.parquet").to_pylist()}
    rows = [row for row in contrasts(raw, "pair").to_pylist() if row["lang"] == "en"]
    assert set(Counter(row["change"] for row in rows)) == set(CHANGES)
    for row in rows:
        assert row["text"] == texts[row["key"]] != row["text_false"]
        true, false = Counter(row["text"].split()), Counter(row["text_false"].split())
        differ = ((true - false) + (false - true)).total()
        if row["change"] == "texture":  # which is not said where it is plain
            assert differ == 1
        elif row["change"] != "place":
            assert differ == 2 or {"a", "an"} & set(true - false)
        elif " of " in row["text"] or "above" in row["text"] or "below" in row["text"]:
            assert differ == 2


def test_every_picture_of_the_split_has_one_for_each_change_and_language(raw):
    keys = {row["key"] for row in truth(raw).to_pylist() if row["split"] == "concept"}
    rows = contrasts(raw, "concept").to_pylist()
    assert Counter(row["key"] for row in rows) == {key: 2 * len(CHANGES) for key in keys}
    assert rows == contrasts(raw, "concept").to_pylist()


def test_a_split_that_does_not_exist_is_refused(raw):
    with pytest.raises(ConfigError, match="Ask for one of train, val, pair"):
        contrasts(raw, "test")
