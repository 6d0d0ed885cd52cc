"""Who is champion, on a real SQLite store of MLflow: what a ruling does to the aliases, and what a person does."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from components.contracts.errors import ConfigError, DataError, GateClosed, StaleArtifact
from components.contracts.promotion import Ruling
from components.registry.champion import files_of
from components.registry.evaluated import evaluation_of
from components.registry.promotion import PUT_BACK, give_back, promote, promote_by_hand, put_back, requested, to_serve
from components.registry.store import fingerprint, open_store
from components.registry.turns import Turn, by_right_besides
from components.registry.versions import by_alias, by_label, register


def aliases(store):
    return {
        alias: by_alias(store, "clip", alias).version
        for alias in ("champion", "challenger")
        if by_alias(store, "clip", alias)
    }


def saying(outcome, asked=None):
    """Return a judge who always says so, and writes down whom he was asked about."""

    def judge(version, champion):
        label = champion.label if champion else None
        if asked is not None:
            asked.append((version.label, label))
        said = f"{version.label} stays challenger and {label} is served: he said so."
        return Ruling(outcome=outcome, challenger=version.label, champion=label, sentence=said), f"# {outcome}"

    return judge


@pytest.fixture
def ship(root, store, packaged):
    """Register a new package, and promote it as a judge says."""

    def shipped(outcome="promoted", asked=None, weights=None, **how):
        weights = weights or str(len(store.client.search_model_versions("name = 'clip'")))
        return promote(store, register(packaged(weights=weights), root, store), saying(outcome, asked), **how)

    return shipped


def test_the_first_is_champion_and_stays_so_when_asked_again(ship, store):
    for _ in range(2):
        assert ship(weights="a").champion.label == "clip@1"
        assert aliases(store) == {"champion": "1"}


@pytest.mark.parametrize("outcome", ["kept", "inconclusive", "needs_a_person"])
def test_one_that_is_not_promoted_is_challenger_until_it_is(ship, store, outcome):
    ship()
    verdict = ship(outcome)
    assert (verdict.version.label, verdict.champion.label) == ("clip@2", "clip@1")
    assert verdict.sentence.endswith("To serve it all the same: diptych promote clip@2 --because REASON")
    assert aliases(store) == {"champion": "1", "challenger": "2"}
    assert store.client.get_model_version("clip", "2").tags["diptych.verdict"] == outcome
    assert ship("promoted", weights="1", anew=True).champion.label == "clip@2"
    assert aliases(store) == {"champion": "2"}


def test_a_verdict_is_given_once_unless_it_is_asked_for_anew(ship):
    asked = []
    ship(asked=asked)
    for _ in range(2):
        verdict = ship("kept", asked, weights="x")
    assert asked == [("clip@1", None), ("clip@2", "clip@1")]
    assert "he said so" in verdict.sentence
    ship("kept", asked, weights="x", anew=True)
    assert len(asked) == 3


def test_a_ruling_is_kept_with_its_run(ship, store, tmp_path):
    ship()
    verdict = ship("kept")
    folder = store.client.download_artifacts(verdict.version.run_id, "promotion", str(tmp_path))
    assert sorted(path.name for path in tmp_path.joinpath(folder).iterdir()) == [
        "against-clip@1.json", "against-clip@1.md",
    ]  # fmt: skip
    said = json.loads(tmp_path.joinpath(folder, "against-clip@1.json").read_text())
    assert (said["outcome"], said["champion"]) == ("kept", "clip@1")


def test_without_a_champion_one_that_keeps_no_bound_is_not_served(ship, store):
    verdict = ship("kept")
    assert aliases(store) == {"challenger": "1"}
    with pytest.raises(GateClosed, match="diptych promote clip@1 --because REASON"):
        _ = verdict.served


def test_a_person_decides_with_a_reason_that_is_kept(ship, root, store):
    ship()
    ship()
    with pytest.raises(ConfigError, match="takes a reason"):
        promote_by_hand(root, "clip@1", " ")
    assert promote_by_hand(root, "clip@1", "the second sees no red").startswith("clip@1 is the champion, set by hand")
    tags = store.client.get_model_version("clip", "1").tags
    assert (tags["diptych.verdict"], tags["diptych.approved"]) == ("approved", "the second sees no red")
    assert tags["diptych.approved.by"]
    assert tags["diptych.approved.at"]
    assert ship(weights="1").champion.label == "clip@1", "the verdict on clip@2 was given; a person decided after it"
    with pytest.raises(ConfigError, match=r"no version 'clip@9'. It has clip@1, clip@2"):
        promote_by_hand(root, "clip@9", "why not")


def test_of_two_promotions_at_once_one_wins_and_the_other_judges_again(ship, root, store, packaged):
    ship(weights="first")
    versions = [register(packaged(weights=one), root, store) for one in ("left", "right")]
    both, asked = Barrier(2), []

    def judge(version, champion):
        asked.append((version.label, champion.label))
        if champion.label == "clip@1":
            both.wait(timeout=30)  # both have judged against clip@1 before either moves the alias
        outcome = "promoted" if champion.label == "clip@1" else "kept"
        said = f"{version.label} stays challenger and {champion.label} is served: second."
        return Ruling(outcome=outcome, challenger=version.label, champion=champion.label, sentence=said), ""

    with ThreadPoolExecutor(2) as threads:
        verdicts = list(threads.map(lambda version: promote(open_store(root), version, judge), versions))
    winner = by_alias(store, "clip", "champion")
    (loser,) = {"clip@2", "clip@3"} - {winner.label}
    assert [verdict.champion.label for verdict in verdicts] == [winner.label] * 2
    assert sorted(asked) == sorted([("clip@2", "clip@1"), ("clip@3", "clip@1"), (loser, winner.label)])
    assert aliases(store) == {"champion": winner.version, "challenger": loser.partition("@")[2]}


def test_a_turn_of_one_who_was_killed_is_ended_for_him(ship, store, monkeypatch):
    ship()
    ship("kept")
    turn = Turn.next(store, "clip")
    store.client.log_param(turn.run_id, f"diptych.promotion.{turn.number}", "2 killed-before-it-moved-the-alias")
    monkeypatch.setattr("components.registry.turns._PATIENCE_S", 0.1)
    later = Turn.next(store, "clip")
    assert later.number == turn.number + 1
    assert later.champion.label == "clip@2"


def test_one_who_was_too_slow_does_not_undo_what_came_after(ship, store, monkeypatch):
    ship()
    ship("kept")
    ship("kept")
    slow = Turn.next(store, "clip")

    def meanwhile():
        monkeypatch.setattr("components.registry.turns._PATIENCE_S", 0.1)
        later = Turn.next(store, "clip")
        assert later.champion.label == "clip@2", "ended for the slow one"
        assert later.move(store, by_label(store, "clip@3"), lambda: None)

    assert slow.move(store, by_label(store, "clip@2"), meanwhile)
    assert by_alias(store, "clip", "champion").label == "clip@3"


@pytest.fixture
def meanwhile(store, monkeypatch):
    """Have the next call that sets the alias take so long that another ends that turn and makes clip@3 the champion in the one after it."""

    def slow(*, reached: bool, then=lambda: None):
        monkeypatch.setattr("components.registry.turns._PATIENCE_S", 0.1)
        its, real = type(store.client), type(store.client).set_registered_model_alias

        def called(client, *what):
            monkeypatch.setattr(its, "set_registered_model_alias", real)  # those of others take no time
            if reached:
                real(client, *what)
            assert Turn.next(store, "clip").move(store, by_label(store, "clip@3"), lambda: None)
            then()
            if not reached:
                real(client, *what)

        monkeypatch.setattr(its, "set_registered_model_alias", called)

    return slow


def test_an_alias_that_is_set_late_does_not_undo_what_came_after(ship, store, meanwhile):
    ship()
    ship("kept")
    ship("kept")
    slow = Turn.next(store, "clip")
    meanwhile(reached=False)
    assert slow.move(store, by_label(store, "clip@2"), lambda: None)
    assert (by_alias(store, "clip", "champion").label, Turn.next(store, "clip").last) == ("clip@3", "3")


def test_an_alias_that_is_put_back_late_does_not_undo_what_came_after(ship, store, meanwhile):
    first = ship().champion
    asked = ship("kept").version
    ship("kept")
    store.client.set_registered_model_alias("clip", "champion", asked.version)
    meanwhile(reached=False)
    put_back(store, asked, first, "it answers nothing")
    assert (by_alias(store, "clip", "champion").label, Turn.next(store, "clip").last) == ("clip@3", "3")


def test_an_alias_that_was_set_in_time_and_moved_by_hand_since_stays(ship, store, meanwhile):
    ship()
    ship("kept")
    ship("kept")
    slow = Turn.next(store, "clip")
    meanwhile(reached=True, then=lambda: store.client.set_registered_model_alias("clip", "champion", "1"))
    assert slow.move(store, by_label(store, "clip@2"), lambda: None)
    assert by_alias(store, "clip", "champion").label == "clip@1"


def test_a_turn_that_leaves_the_alias_to_a_hand_does_so_whoever_ends_it(ship, store, monkeypatch):
    first = ship().champion
    ship("promoted")
    third = ship("kept").version
    store.client.set_registered_model_alias("clip", "champion", third.version)
    monkeypatch.setattr("components.registry.turns._PATIENCE_S", 0.1)

    def gone():
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        Turn.next(store, "clip").move(store, first, gone, alias=False)
    later = Turn.next(store, "clip")
    assert (later.last, later.champion.label) == ("1", "clip@3")


def test_why_is_written_down_before_the_alias_moves(ship, store, monkeypatch):
    ship()
    monkeypatch.setattr("components.registry.turns._PATIENCE_S", 0.1)

    def gone(*_):
        raise ConnectionResetError("gone")

    with monkeypatch.context() as fault:
        fault.setattr(type(store.client), "set_registered_model_alias", gone)
        with pytest.raises(ConnectionResetError):
            ship("promoted")
    assert store.client.get_model_version("clip", "2").tags["diptych.verdict"] == "promoted"
    assert ship("kept", weights="1").champion.label == "clip@2", "the next one ends the turn"


def test_a_first_run_that_somebody_deleted_stops_no_promotion(ship, root, store):
    first = ship().version
    ship("kept")
    store.client.delete_run(first.run_id)
    assert promote_by_hand(root, "clip@2", "it is fine").startswith("clip@2 is the champion")
    second = by_alias(store, "clip", "champion")
    store.client.delete_run(second.run_id)
    with pytest.raises(DataError, match="runs of all versions of clip were deleted"):
        promote_by_hand(root, "clip@1", "back")


def test_a_version_that_was_registered_without_a_run_stops_no_promotion_of_others(ship, root, store):
    store.client.create_registered_model("clip")
    store.client.create_model_version("clip", str(root), None)
    assert ship().champion.label == "clip@2"
    with pytest.raises(DataError, match=r"clip@1 was registered without a run, by something else than diptych"):
        promote_by_hand(root, "clip@1", "it is fine")
    store.client.set_registered_model_alias("clip", "champion", "1")

    def judge(version, champion):
        raise AssertionError(evaluation_of(version, root, store))

    verdict = requested(store, "clip", judge)
    assert "cannot be judged: the MLflow store" in verdict.sentence
    assert "move it away" not in verdict.sentence
    assert "clip@1 is not served, and the alias champion is clip@2's again" in verdict.sentence
    assert by_alias(store, "clip", "champion").label == "clip@2"


def test_a_run_that_is_gone_for_good_stops_no_promotion(ship, root, store):
    first = ship().version
    ship("kept")
    store.client.delete_run(first.run_id)
    store.client._tracking_client.store._hard_delete_run(first.run_id)  # as `mlflow gc` does
    assert promote_by_hand(root, "clip@2", "it is fine").startswith("clip@2 is the champion")


def test_a_champion_set_on_mlflows_own_page_is_judged_before_anybody_has_to_beat_it(ship, store):
    ship()
    ship("kept")
    store.client.set_registered_model_alias("clip", "champion", "2")
    asked = []
    ship("kept", asked)
    assert asked == [("clip@2", "clip@1"), ("clip@3", "clip@1")]
    assert by_alias(store, "clip", "champion").label == "clip@1"
    assert "made the champion by hand, and may not be" in store.client.get_model_version("clip", "2").tags[PUT_BACK]


def test_what_is_decided_of_a_champion_set_by_hand_can_be_shown(ship, store):
    """As of any other that is judged: its ruling, and its page; nothing is decided of one that is champion by right."""
    ship()
    assert requested(store, "clip", saying("kept")).decided == ()
    ship("kept")
    store.client.set_registered_model_alias("clip", "champion", "2")
    refused = requested(store, "clip", saying("kept"))
    assert (refused.version.label, refused.champion.label, refused.ruling.outcome, refused.page) == (
        "clip@2",
        "clip@1",
        "kept",
        "# kept",
    )
    store.client.set_registered_model_alias("clip", "champion", "2")
    (before,) = ship("kept").before
    assert (before.version.label, before.ruling.outcome) == ("clip@2", "kept"), "judged before anybody has to beat it"
    store.client.set_model_version_tag("clip", "2", "diptych.verdict", "approved")
    store.client.set_registered_model_alias("clip", "champion", "2")
    (signed,) = requested(store, "clip", saying("kept")).decided
    assert signed.ruling is None
    assert signed.page.startswith("# clip@2\n\nclip@2 was made the champion by hand, and may be")


def test_who_only_reads_serves_what_may_be_and_changes_nothing(ship, store, root):
    def refuse(version, champion):
        raise DataError("there is nothing to measure it on")

    def decided(judge):
        before = fingerprint(root)
        verdict = to_serve(store, "clip", judge)
        assert fingerprint(root) == before
        return verdict

    ship()
    assert decided(saying("kept")).sentence == "clip@1 is the champion."
    ship("kept")
    store.client.set_registered_model_alias("clip", "champion", "2")
    asked = []
    refused = decided(saying("kept", asked))
    assert (refused.served.label, refused.decided, asked) == ("clip@1", (), [("clip@2", "clip@1")])
    assert (
        "clip@2 has the alias champion, set by hand, and may not be served; clip@1, which had it by right"
        in refused.sentence
    )
    assert "diptych promote clip@2" in refused.sentence
    unknown = decided(refuse)
    assert (unknown.served.label, "cannot be judged here: there is nothing" in unknown.sentence) == ("clip@1", True)
    assert decided(saying("promoted")).served.label == "clip@2"
    store.client.set_model_version_tag("clip", "2", "diptych.verdict", "approved")
    assert decided(refuse).served.label == "clip@2", "a person signed for it"


def test_who_only_reads_serves_nothing_that_never_passed(store, root, packaged):
    register(packaged(), root, store)
    with pytest.raises(GateClosed, match="no version of clip has the alias champion"):
        to_serve(store, "clip", saying("promoted"))
    store.client.set_registered_model_alias("clip", "champion", "1")
    with pytest.raises(
        GateClosed, match="clip@1 has the alias champion, set by hand, and may not be served; none had it"
    ):
        assert to_serve(store, "clip", saying("kept")).served
    register(packaged(weights="b"), root, store)
    store.client.set_model_version_tag("clip", "2", "diptych.verdict", "promoted")
    verdict = to_serve(store, "clip", saying("kept"))
    assert verdict.served.label == "clip@2", "it passed, and who had it last is not known"
    assert "clip@2, which passed last, is served" in verdict.sentence


def test_who_only_reads_serves_what_passed_where_who_had_it_by_right_is_deleted(ship, store):
    ship()
    ship()
    ship("kept")
    store.client.set_registered_model_alias("clip", "champion", "3")
    store.client.delete_model_version("clip", "2")
    asked = []
    verdict = to_serve(store, "clip", saying("kept", asked))
    assert (verdict.served.label, asked) == ("clip@1", [("clip@3", "clip@1")])
    assert "clip@1, which passed last, is served" in verdict.sentence


def test_a_champion_set_by_hand_of_which_a_person_signed_is_the_one_to_beat(ship, store):
    ship()
    ship("kept")
    store.client.set_model_version_tag("clip", "2", "diptych.verdict", "approved")
    store.client.set_registered_model_alias("clip", "champion", "2")
    asked = []
    ship("kept", asked)
    assert asked == [("clip@3", "clip@2")]


def test_a_request_that_came_while_another_failed_is_held_against_who_had_it_by_right(ship, store):
    ship()
    first = by_label(store, "clip@1")
    broken, later = ship("promoted").champion, ship("kept").version
    store.client.set_registered_model_alias("clip", "champion", later.version)  # while the broken one is deployed
    before = next(by_right_besides(store, "clip", broken.version))
    verdict = put_back(store, broken, first, "it answers nothing")
    assert (before.label, verdict.sentence) == (
        "clip@1", "clip@2 is not served, and the alias champion is clip@3's by now: it answers nothing",
    )  # fmt: skip
    assert by_alias(store, "clip", "champion").label == "clip@3"
    asked = []

    def judge(version, champion):
        asked.append((version.label, champion.label))
        raise DataError("there is nothing to measure it on")

    refused = requested(store, "clip", judge)
    assert asked == [("clip@3", "clip@1")]
    assert "cannot be judged: there is nothing to measure it on" in refused.sentence
    assert refused.sentence in refused.page
    assert by_alias(store, "clip", "champion").label == "clip@1"


def before(store, version):
    """Return who gets the alias where a version is refused."""
    return [one.label for one in by_right_besides(store, "clip", version)]


def test_who_was_left_for_one_before_it_never_gets_the_alias_by_right(ship, store):
    first, second = ship().champion, ship("promoted").champion
    assert before(store, second.version) == ["clip@1"]
    give_back(store, first, second.version, "users complain")
    assert before(store, first.version) == []
    third = ship("promoted").champion
    assert before(store, third.version) == ["clip@1"]
    ship("promoted")
    store.client.delete_model_version("clip", third.version)
    assert before(store, "4") == ["clip@1"]


def test_two_that_are_refused_one_after_the_other_do_not_give_each_other_the_alias(ship, store):
    ship()
    ship("promoted")
    tried = []
    while (asked := by_alias(store, "clip", "champion")) is not None:
        tried.append(asked.label)
        put_back(
            store, asked, next(by_right_besides(store, "clip", asked.version), None), "its signature does not hold"
        )
    assert tried == ["clip@2", "clip@1"]


def test_one_that_was_kept_does_not_become_champion_because_somebody_took_the_alias_away(ship, store):
    ship()
    ship("promoted")
    asked = []
    ship("kept", asked, weights="worse")
    store.client.delete_registered_model_alias("clip", "champion")
    again = ship("promoted", asked, weights="worse")
    assert asked == [("clip@3", "clip@2")]
    with pytest.raises(GateClosed, match=r"No version has the alias champion any more, which clip@2 had by right"):
        _ = again.served
    assert ship("kept", asked, weights="another").champion is None
    assert asked[1:] == [("clip@4", "clip@2")]
    assert ship("promoted", asked, weights="better").champion.label == "clip@5"
    assert asked[2:] == [("clip@5", "clip@2")]


def test_where_the_champion_was_deleted_the_one_before_it_is_to_be_beaten(ship, store):
    ship()
    ship("promoted")
    store.client.delete_model_version("clip", "2")
    asked = []
    ship("kept", asked)
    assert asked == [("clip@3", "clip@1")]


def test_where_all_were_put_back_the_next_is_the_first(ship, store):
    put_back(store, ship().champion, None, "its files are not those that were registered")
    asked = []
    assert ship("promoted", asked).champion.label == "clip@2"
    assert asked == [("clip@2", None)]


def test_an_endpoint_that_went_back_takes_no_request_away(ship, store):
    first = ship().champion
    second = ship("promoted").champion
    third = ship("kept").version
    store.client.set_registered_model_alias("clip", "champion", third.version)
    give_back(store, first, second.version, "users complain")
    assert by_alias(store, "clip", "champion").label == "clip@3"
    assert Turn.next(store, "clip").last == "1"
    store.client.set_registered_model_alias("clip", "champion", second.version)
    give_back(store, first, second.version, "users complain")
    assert by_alias(store, "clip", "champion").label == "clip@1"


def test_an_older_champion_is_fetched_from_the_store_and_checked(ship, root, store, packaged):
    package = packaged(weights="old")
    old = ship(weights="old").champion
    assert files_of(old, root, store) == package
    worse = ship("kept", weights="new")
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


def test_the_evaluation_of_an_older_version_is_fetched_and_checked(root, store, packaged):
    old = register(packaged(0.5, weights="old"), root, store)
    assert evaluation_of(old, root, store) == root / "runs/clip/evaluate"
    register(packaged(0.6, weights="new"), root, store)
    folder = evaluation_of(old, root, store)
    assert folder.is_relative_to(root / ".diptych/evaluations")
    assert json.loads((folder / "metrics.json").read_text())["retrieval.pair.mean_recall"]["value"] == 0.5
    assert (folder / "rows/retrieval.pair.parquet").exists()
    assert evaluation_of(old, root, store) == folder
    shutil.rmtree(folder)
    next((root / "mlartifacts").rglob(f"{old.run_id}/artifacts/evaluation/metrics.json")).write_text("{}")
    with pytest.raises(StaleArtifact, match="evaluation of clip@1 is not what was registered"):
        evaluation_of(old, root, store)


@pytest.mark.parametrize("fetch", [files_of, evaluation_of])
def test_of_two_that_fetch_a_version_at_once_each_leaves_the_other_its_files(root, store, packaged, monkeypatch, fetch):
    old = register(packaged(0.5, weights="old"), root, store)
    register(packaged(0.6, weights="new"), root, store)
    download, others = store.client.download_artifacts, []

    def while_another_does(*args):
        fetched = download(*args)
        if not others:
            others.append(None)
            others[0] = os.open(fetch(old, root, store), os.O_RDONLY)
        return fetched

    monkeypatch.setattr(store.client, "download_artifacts", while_another_does)
    folder = fetch(old, root, store)
    assert os.path.samestat(os.fstat(others[0]), folder.stat())
    os.close(others[0])


def test_a_version_registered_without_rows_has_no_evaluation(root, store, packaged):
    package = packaged()
    shutil.rmtree(root / "runs/clip/evaluate/rows")
    assert evaluation_of(register(package, root, store), root, store) is None


def test_a_package_of_other_numbers_than_the_evaluation_is_refused(root, store, packaged):
    package = packaged(0.5)
    (root / "runs/clip/evaluate/metrics.json").write_text("{}")
    with pytest.raises(StaleArtifact, match="measured again since"):
        register(package, root, store)
