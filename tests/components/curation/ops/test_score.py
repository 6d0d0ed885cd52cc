import numpy as np
import pyarrow as pa

from components.curation.ops.score import Score
from components.data.manifest import SCHEMA
from tests.components.curation.toy import features, row


def texts(*said: str) -> list[dict[str, str]]:
    return [{"text": text, "kind": "alt", "lang": "en"} for text in said]


def test_the_best_of_several_texts_counts_whatever_the_lengths():
    table = pa.Table.from_pylist(
        [row(0, texts=texts("far", "near")), row(1, texts=[]), row(2, texts=texts("far"))], SCHEMA
    )
    held = features(
        image=(["k002", "k000", "k001"], [[0.0, 3.0], [3.0, 4.0], [1.0, 1.0]]), text=(["near", "far"], [[30.0, 40.0], [5.0, 0.0]]),
    )  # fmt: skip
    scored, report = Score("toy").apply(table, held, 0)
    np.testing.assert_allclose(scored["score"].to_pylist()[::2], [1.0, 0.0], atol=1e-6)
    assert scored["score"][1].as_py() is None
    assert (round(report.stats["least"], 6), round(report.stats["most"], 6)) == (0.0, 1.0)


def test_two_models_may_have_a_column_each():
    table = pa.Table.from_pylist([row(0, texts=texts("a"))], SCHEMA)
    held = features(image=(["k000"], [[1.0, 0.0]]), text=(["a"], [[1.0, 0.0]]))
    assert Score("toy", column="fit").apply(table, held, 0)[0]["fit"].to_pylist() == [1.0]
