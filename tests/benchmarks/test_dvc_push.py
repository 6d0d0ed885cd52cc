"""Both layouts hold the same files with the same bytes, so what differs is how they lie."""

import tarfile

from tests.benchmarks.dvc_push import loose, shards


def test_shards_and_loose_files_hold_the_same(tmp_path):
    loose(tmp_path / "loose", 40)
    shards(tmp_path / "shards", 40)
    packed = {}
    for path in (tmp_path / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            packed |= {one.name: tar.extractfile(one).read() for one in tar}
    assert len(packed) == 80
    assert packed == {path.name: path.read_bytes() for path in (tmp_path / "loose").rglob("*.*")}
