"""Who is champion, on a real SQLite store of MLflow."""

import shutil

import pytest

from components.contracts.errors import ConfigError, StaleArtifact
from components.registry.champion import files_of
from components.registry.promotion import promote, promote_by_hand
from components.registry.versions import by_alias, register


def aliases(store):
    return {
        alias: by_alias(store, "clip", alias).version
        for alias in ("champion", "challenger")
        if by_alias(store, "clip", alias)
    }


def ship(root, store, package):
    return promote(root, register(package, root, store), store)


def test_the_first_is_champion_and_stays_so_when_asked_again(root, store, packaged):
    package = packaged(0.5)
    for _ in range(2):
        verdict = ship(root, store, package)
        assert verdict.champion.label == "clip@1"
        assert aliases(store) == {"champion": "1"}


def test_a_better_one_takes_over_and_a_worse_one_does_not(root, store, packaged):
    ship(root, store, packaged(0.5))
    better = ship(root, store, packaged(0.6))
    assert better.champion.label == "clip@2"
    assert better.sentence == "clip@2 is the new champion: pair R@1 60.0%, the champion clip@1 has 50.0%."
    worse = packaged(0.4)
    for _ in range(2):
        verdict = ship(root, store, worse)
        assert verdict.champion.label == "clip@2"
        assert verdict.sentence.startswith("clip@3 stays challenger and clip@2 is served: it is worse: pair R@1 40.0%")
        assert verdict.sentence.endswith("diptych promote clip@3")
        assert aliases(store) == {"champion": "2", "challenger": "3"}


def test_numbers_on_other_data_are_said_to_be_so(root, store, packaged):
    ship(root, store, packaged(0.5))
    assert "on other data" in ship(root, store, packaged(0.4, data="e" * 64)).sentence


def test_a_champion_set_by_hand_stays(root, store, packaged):
    ship(root, store, packaged(0.5))
    better = packaged(0.6)
    ship(root, store, better)
    assert promote_by_hand(root, "clip@1").startswith("clip@1 is the champion, set by hand.")
    assert ship(root, store, better).champion.label == "clip@1", (
        "the verdict on clip@2 was given; a person decided after it"
    )
    with pytest.raises(ConfigError, match=r"no version 'clip@9'. It has clip@1, clip@2"):
        promote_by_hand(root, "clip@9")


def test_an_older_champion_is_fetched_from_the_store_and_checked(root, store, packaged):
    package = packaged(0.5, weights="old")
    old = ship(root, store, package).champion
    assert files_of(old, root, store) == package
    worse = ship(root, store, packaged(0.4, weights="new"))
    folder = files_of(worse.champion, root, store)
    assert folder.is_relative_to(root / ".diptych/versions")
    assert (folder / "weights.safetensors").read_text() == "old"
    assert files_of(worse.champion, root, store) == folder
    shutil.rmtree(folder)
    stored = next((root / "mlartifacts").rglob(f"{old.run_id}/artifacts/package/weights.safetensors"))
    stored.write_text("tampered")
    with pytest.raises(StaleArtifact, match=r"weights\.safetensors was changed"):
        files_of(worse.champion, root, store)
    assert not folder.exists()
