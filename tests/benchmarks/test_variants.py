"""What is printed of encoders in smaller numbers is what was measured of them."""

from components.serving.package import Package
from components.serving.variants import FASTER
from tests.benchmarks import variants
from tests.components.serving.tiny_package import make_package


def test_each_kind_and_side_has_a_row(tmp_path):
    """Of a package whose pictures are not here, the text encoder alone."""
    kinds = variants.measured(Package.verify(make_package(tmp_path / "package")), tmp_path)
    assert list(kinds) == list(FASTER)
    assert all(list(its) == ["text"] and its["text"]["recall_before"] == 1 for its in kinds.values())
    kinds["int8"]["text"] |= {"times": 1.2, "offered": False}
    kinds["fp16"]["text"] |= {"times": 0.3, "offered": True}
    said = variants.page({"kinds": kinds, "command": "it", "commit": "0", "machine": "2 cores"})
    rows = [line for line in said.splitlines() if line.startswith(("| int8", "| float16"))]
    assert ["1.2" in rows[0], "not offered" in rows[0], "0.3" in rows[1], "| taken |" in rows[1]] == [True] * 4
    assert variants.page(None).count("*not measured*") == 2
