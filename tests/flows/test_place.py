"""Where the servers of a workspace are to lie: its ports, which nobody else begins on meanwhile, and data that were there before."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from components.contracts.errors import ConfigError, StaleArtifact, TransientError
from components.stages.lock import hold
from flows.claims import Claims
from flows.stack.place import Place, is_made
from flows.stack.postgres import AS_ROOT, MADE, cluster_of, postgres
from flows.stack.up import up
from tests.debian_postgres import needs_postgres
from tests.flows.rolled import make_place


def chosen(root: Path) -> Place:
    with closing(Claims()) as claims:
        return Place.of(root, None, claims)


def test_a_disk_that_is_not_there_is_no_empty_one(tmp_path):
    root = make_place(tmp_path)
    place = chosen(root)
    assert chosen(root) == place
    place.keys.rename(tmp_path / "aside")
    with pytest.raises(StaleArtifact, match="mount it"):
        chosen(root)
    (tmp_path / "aside").rename(place.keys)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", place.ports["hooks"]))
        other.listen()
        assert chosen(root).ports["hooks"] != place.ports["hooks"]
    assert len(set(place.ports.values())) == len(place.ports)


def test_servers_keep_nothing_among_the_files_of_the_workspace(tmp_path):
    root = make_place(tmp_path)
    with pytest.raises(ConfigError, match="is the workspace itself"), closing(Claims()) as claims:
        Place.of(root, root / "data/..", claims)
    assert not (root / "passwords.json").exists()


def test_a_start_elsewhere_that_fails_moves_nothing(tmp_path):
    needs_postgres()
    root, new = make_place(tmp_path), tmp_path / "new"
    before = chosen(root)
    with pytest.raises(ConfigError, match="--without trition"):
        up(root, new, without=["trition"])
    assert not new.exists()
    new.mkdir()
    with (
        hold(new / "lock", "the data"),  # as the servers of another workspace do
        pytest.raises(TransientError, match="the servers did not start"),
    ):
        up(root, new)
    assert Place.read(root) == before
    assert chosen(root).data == before.data, "where the next start has them, on whatever ports are free by then"
    (tmp_path / "fresh").mkdir()
    fresh = make_place(tmp_path / "fresh")
    with hold(new / "lock", "the data"), pytest.raises(TransientError, match="the servers did not start"):
        up(fresh, new)
    assert not is_made(fresh)


def test_two_that_start_at_the_same_moment_have_no_port_in_common(tmp_path):
    one, another = tmp_path / "one", tmp_path / "another"
    for root in (one, another):
        root.mkdir()
        make_place(root)
    with closing(Claims()) as claims:
        ours = Place.of(one, None, claims)
        assert not {*ours.ports.values()} & {*chosen(another).ports.values()}, "though nobody listens on any yet"
        assert not any(claims.take(port) for port in ours.ports.values()), "they are ours already"
    assert chosen(one).ports == ours.ports, "what is given back can be had"


def test_a_claim_is_gone_with_whoever_has_it():
    with closing(Claims()) as claims:
        port = claims.first(60_000)  # where no servers are put, and few connections go out
        try_it = f"from flows.claims import Claims; print(Claims().take({port}))"
        asked = [sys.executable, "-c", try_it]
        assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "False\n"
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "True\n"
    with closing(Claims()) as claims:
        assert claims.take(port), "it ended without giving it back"


def test_a_damaged_cluster_is_not_replaced_by_an_empty_one(tmp_path):
    root = make_place(tmp_path)
    place = chosen(root)
    cluster = cluster_of(place)
    (cluster / "base").mkdir(parents=True)
    try:
        with pytest.raises(StaleArtifact, match="has no PG_VERSION"):
            postgres(place)
    finally:
        shutil.rmtree(cluster.parent)


@pytest.fixture
def clusters() -> Iterator[list[Path]]:
    """Clusters that go afterwards with the folders that they have to themselves, where root has them outside of the workspace."""
    made: list[Path] = []
    yield made
    for cluster in made:
        if cluster.parent.parent == AS_ROOT:
            shutil.rmtree(cluster.parent, ignore_errors=True)


def test_a_cluster_that_is_gone_is_not_replaced_by_an_empty_one_until_somebody_wants_that(tmp_path, clusters):
    needs_postgres()
    place = chosen(make_place(tmp_path))
    cluster, mark = cluster_of(place), place.data / MADE
    clusters.append(cluster)
    server = postgres(place)
    server.prepare()
    mark.unlink()
    server.prepare()
    assert mark.read_text() == f"{cluster}\n", "of one that was made before there were marks, too"
    of_before = (cluster / "global/pg_control").read_bytes()
    aside = cluster.rename(cluster.with_name("aside"))
    with pytest.raises(StaleArtifact, match=f"not in {cluster} any more.* rm {mark}$"):
        postgres(place)
    with pytest.raises(StaleArtifact, match="mount it"):
        server.prepare()  # as its supervisor does when it starts it again
    assert not cluster.exists()
    aside.rename(cluster)
    postgres(place).prepare()
    assert (cluster / "global/pg_control").read_bytes() == of_before
    shutil.rmtree(cluster)
    mark.unlink()
    postgres(place).prepare()
    assert (cluster / "global/pg_control").read_bytes() != of_before, "empty, as was asked for"


def test_files_of_root_are_not_moved_to_who_is_not(tmp_path):
    needs_postgres()
    place = chosen(make_place(tmp_path))
    is_root = os.geteuid() == 0
    before = place.data / "postgres" if is_root else AS_ROOT / "0123456789ab/postgres"
    place.data.mkdir(exist_ok=True)
    (place.data / MADE).write_text(f"{before}\n")
    if is_root:
        before.mkdir()
    with pytest.raises(
        StaleArtifact, match="files of the one are not for the other: run the servers as before"
    ) as refused:
        postgres(place)
    assert ("a user who is not root" in str(refused.value)) == is_root
    assert "mv " not in str(refused.value)


def test_data_that_were_moved_have_the_cluster_of_before_or_say_how_to_move_it(tmp_path, clusters):
    needs_postgres()
    place = chosen(make_place(tmp_path))
    before = cluster_of(place)
    postgres(place).prepare()
    of_before = (before / "global/pg_control").read_bytes()
    moved = replace(place, data=place.data.rename(tmp_path / "moved"))
    cluster = cluster_of(moved)
    clusters += [before, cluster]
    if not cluster.exists():  # root has it outside of what was moved
        with pytest.raises(StaleArtifact) as refused:
            postgres(moved)
        (command,) = re.findall(r"move those along: (.*) \(where", str(refused.value))
        subprocess.run(command, shell=True, check=True)
    postgres(moved).prepare()
    assert (cluster / "global/pg_control").read_bytes() == of_before
    assert (moved.data / MADE).read_text() == f"{cluster}\n"


def test_a_folder_that_was_there_keeps_its_mode_and_a_new_one_is_for_its_owner_alone(tmp_path):
    (tmp_path / "srv").mkdir(mode=0o755)
    (tmp_path / "srv").chmod(0o755)
    with closing(Claims()) as claims:
        for name, mode in (("srv", 0o755), ("new", 0o700)):
            (tmp_path / f"of {name}").mkdir()
            place = Place.of(make_place(tmp_path / f"of {name}"), tmp_path / name, claims)
            assert place.data.stat().st_mode & 0o777 == mode
            assert place.keys.stat().st_mode & 0o777 == 0o600
            assert (place.data / "logs").stat().st_mode & 0o777 == 0o700
