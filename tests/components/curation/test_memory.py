"""Pieces grow with what may be held, up to what is quickest."""

import numpy as np
import pyarrow as pa
import pytest

from components.curation.memory import Memory
from components.data.signatures import Held, Spilled


def test_a_value_counts_with_what_is_computed_of_it():
    texts = pa.chunked_array([["x" * 96] * 1000])  # 100 bytes each, with where it ends
    assert Memory(bound=10**7).values(texts) == 10**7 // 2 // (12 * 100 + 128)
    assert Memory(bound=1).values(texts) == 256
    assert Memory(bound=10**12).values(texts) == Memory().values(texts) == 2**15
    assert Memory().values(pa.chunked_array([], pa.string())) == 2**15


@pytest.mark.parametrize(("bound", "kind"), [(None, Held), (2 * 10 * 48 * 4, Held), (2 * 10 * 48 * 4 - 1, Spilled)])
def test_signatures_that_take_more_than_half_lie_in_a_file(bound, kind):
    signatures = Memory(bound=bound).signatures(10, 48)
    assert isinstance(signatures, kind)
    assert len(signatures) == 0
    signatures.add(np.full((10, 48), 7, np.uint32))
    assert signatures.take(np.array([9, 0])).tolist() == [[7] * 48] * 2
