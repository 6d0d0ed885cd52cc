"""The cache of decoded pictures of a workspace: where it is, and how much it may hold."""

import stat

import pytest

from components.contracts.errors import ConfigError
from components.data.rows.cache import MOST_BYTES
from components.stages.selected import row_cache


def test_it_lies_in_the_private_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("DIPTYCH_DECODED_GB", raising=False)
    cache = row_cache(tmp_path)
    assert cache.folder == tmp_path / ".diptych/cache/decoded"
    assert cache.folder.is_dir()
    assert stat.S_IMODE((tmp_path / ".diptych").stat().st_mode) == 0o700
    assert cache.most_bytes == MOST_BYTES == 20_000_000_000


def test_how_much_it_may_hold_is_said_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_DECODED_GB", "0.5")
    assert row_cache(tmp_path).most_bytes == 500_000_000


@pytest.mark.parametrize("said", ["", "many", "0", "-3", "nan", "inf"])
def test_what_is_no_number_of_gb_is_refused(tmp_path, monkeypatch, said):
    monkeypatch.setenv("DIPTYCH_DECODED_GB", said)
    with pytest.raises(ConfigError, match=r"DIPTYCH_DECODED_GB is .*must be the GB"):
        row_cache(tmp_path)
