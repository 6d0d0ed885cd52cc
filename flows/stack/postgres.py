"""PostgreSQL of this machine's packages: a cluster of our own, with a database and a user for each server that needs one."""

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from components.contracts.errors import CapabilityError, StaleArtifact
from flows.loopback import HOST
from flows.stack.place import USER, Place, write_private
from flows.stack.restoring import exists, put_in_place
from flows.stack.service import Service

DATABASES = {"prefect": "prefect", "mlflow": "mlflow", "mlflow_users": "mlflow"}
"""Database -> the user that it belongs to."""
AS_ROOT = Path("/var/lib/diptych")
MADE = "postgres.made"
"""Among the data of the others: says that a cluster was made, and where, since as root it lies elsewhere and may be lost without them."""
_SETTINGS = {
    "listen_addresses": HOST, "unix_socket_directories": "", "max_connections": "100", "shared_buffers": "64MB", "bgwriter_delay": "10s", "autovacuum_naptime": "5min",
    "log_connections": "off", "password_encryption": "scram-sha-256",
}  # fmt: skip


def postgres(place: Place) -> Service:
    """Return the server. CapabilityError where PostgreSQL is not installed, StaleArtifact where its cluster is damaged, or is not where it was made."""
    cluster = cluster_of(place)
    _check_there(place, cluster)
    binaries = find_binaries(_made_by(cluster))
    settings = {**_SETTINGS, "port": str(place.ports["postgres"])}
    return Service(
        name="postgres", what="PostgreSQL", version=_version(binaries / "postgres"), address=f"{HOST}:{place.ports['postgres']}",
        command=(*_as_owner(), str(binaries / "postgres"), "-D", str(cluster), *(f"--{key}={value}" for key, value in settings.items())),
        folder=cluster.parent, ends_by=signal.SIGINT, prepare=lambda: _make(place, binaries, cluster), set_up=lambda: _databases(place),
        fault=lambda: _fault(place),
    )  # fmt: skip


def cluster_of(place: Place) -> Path:
    """Return where its files are: among the data of the others, or, since root runs it as the user postgres, where that user can go."""
    if os.geteuid() != 0:
        return place.data / "postgres"
    return AS_ROOT / hashlib.sha256(str(place.data).encode()).hexdigest()[:12] / "postgres"


def find_binaries(version: str = "") -> Path:
    """Return the folder of initdb and postgres: of a version, or the newest there are. CapabilityError where there are none."""
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"{version or '*'}/bin/postgres"), key=lambda one: float(one.parts[-3])
    )
    if found:
        return found[-1].parent
    one = shutil.which("postgres")
    if one and version in ("", _major(Path(one))):
        return Path(one).resolve().parent
    raise CapabilityError(
        f"PostgreSQL {version} is not installed. Debian: apt-get install postgresql{version and '-'}{version}".replace(
            "  ", " "
        )
    )


def _made_by(cluster: Path) -> str:
    """Return the version that made a cluster; empty where there is none yet. StaleArtifact for one that is damaged."""
    try:
        return (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError as err:
        if cluster.exists():
            raise StaleArtifact(
                f"{cluster} has no PG_VERSION, so it is damaged. Bring it back from a backup, or, for an empty one, move it away and delete the file "
                f"{MADE} among the servers' data, where there is one."
            ) from err
        return ""


def _check_there(place: Place, cluster: Path) -> None:
    """Raise StaleArtifact where a cluster was made and is not there any more: an empty one in its place would look as if all were lost."""
    made = place.data / MADE
    if cluster.exists() or not made.exists():
        return
    before = Path(made.read_text(encoding="utf-8").strip())
    by_root = before.is_relative_to(AS_ROOT)
    if by_root != (os.geteuid() == 0):
        mend = (
            f"They were made in {before} as {'root' if by_root else 'a user who is not root'}, and files of the one are not for the other: run the servers as before. To "
            "have them as who you are now: diptych backup as before, and diptych restore FILE --data DIR now."
        )
    elif before != cluster and before.is_dir():
        mend = (
            f"They lie in {before}, by where the servers had their data then. Where these data were moved, move those along: "
            f"{shlex.join(['mkdir', '-p', '-m', '711', str(cluster.parent)])} && {shlex.join(['mv', str(before), str(cluster)])} (where they were copied, cp -a for mv)."
        )
    else:
        mend = (
            f"If their disk is not mounted, mount it (in a container {AS_ROOT} has to be a volume); if they were moved, move them back; else begin with empty "
            "servers elsewhere and bring a backup there: diptych restore FILE --data DIR."
        )
    raise StaleArtifact(
        f"PostgreSQL's files are not in {cluster} any more, and with them schedules, runs and the registry; {made} says that they were made. An empty PostgreSQL "
        f"would begin in their place, so nothing is started. {mend} To begin anew without them: rm {shlex.quote(str(made))}"
    )


def _version(binary: Path) -> str:
    """Return such as 15.13."""
    return subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout.split()[2]


def _major(binary: Path) -> str:
    return _version(binary).partition(".")[0]


def _as_owner() -> tuple[str, ...]:
    """Return what runs a command as somebody whom PostgreSQL does not refuse: itself, unless we are root.

    Who has changed users is no longer tied to the process that started it, unless that is asked for again.
    """
    if os.geteuid() != 0:
        return ()
    return ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--inh-caps=-all", "--pdeathsig=INT")


def _make(place: Place, binaries: Path, cluster: Path) -> None:
    """Make the cluster where there never was one, and note that there is; what is half made when we are killed is in no cluster's place."""
    _check_there(place, cluster)
    if not _made_by(cluster):
        _init(place, binaries, cluster)
    made = place.data / MADE
    if not made.exists() or made.read_text(encoding="utf-8") != f"{cluster}\n":
        with suppress(OSError):  # of a full disk, which keeps no database from running; the next start notes it
            write_private(made, f"{cluster}\n")


def _init(place: Place, binaries: Path, cluster: Path) -> None:
    if os.geteuid() == 0:
        for folder in (AS_ROOT, cluster.parent):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o711)
    partial = cluster.with_name("postgres.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(partial, "postgres", "postgres")
    password = cluster.with_name("postgres.password")
    write_private(password, place.passwords["postgres"])
    try:
        if os.geteuid() == 0:
            shutil.chown(password, "postgres", "postgres")
        subprocess.run(
            [
                *_as_owner(), str(binaries / "initdb"), "-D", str(partial), "-U", USER, "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums",
                "--auth=scram-sha-256", f"--pwfile={password}",
            ], check=True, capture_output=True, text=True, cwd=cluster.parent,
        )  # fmt: skip
    except subprocess.CalledProcessError as err:
        raise CapabilityError(f"PostgreSQL could not make {partial}: {err.stderr.strip()[-500:]}") from err
    finally:
        password.unlink()
    partial.rename(cluster)


def _fault(place: Place) -> str | None:
    import psycopg2

    try:
        with psycopg2.connect(**admin(place), dbname="postgres") as connection, connection.cursor() as cursor:
            cursor.execute("select 1")
        connection.close()
        return None
    except psycopg2.Error as err:
        return f"it does not answer: {str(err).strip()}"


def _databases(place: Place) -> None:
    import psycopg2
    from psycopg2 import sql
    from psycopg2.extensions import encrypt_password

    connection = psycopg2.connect(**admin(place), dbname="postgres")
    connection.autocommit = True  # a database is made outside of transactions
    try:
        with connection.cursor() as cursor:
            put_in_place(place, cursor, tuple(DATABASES))
            for user in sorted(set(DATABASES.values())):
                cursor.execute("select 1 from pg_roles where rolname = %s", (user,))
                does = sql.SQL("alter" if cursor.fetchone() else "create")
                secret = place.passwords[f"postgres-{user}"]
                digest = encrypt_password(
                    secret, user, cursor, "scram-sha-256"
                )  # a statement that fails is logged as it is
                cursor.execute(sql.SQL("{} role {} login password %s").format(does, sql.Identifier(user)), (digest,))
            for name, user in DATABASES.items():
                if not exists(cursor, name):
                    cursor.execute(
                        sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(user))
                    )
    finally:
        connection.close()


PLAIN = "-c timezone=UTC -c search_path="
"""How a database is looked at, the same whatever it says of itself: no name in it stands for one of PostgreSQL's."""


def as_owner(place: Place, owner: str) -> dict[str, str]:
    """Return what psycopg2 needs to connect as the owner of databases, who is no administrator; not which database."""
    return {**admin(place), "user": owner, "password": place.passwords[f"postgres-{owner}"]}


def admin(place: Place) -> dict[str, str]:
    """Return what psycopg2 needs to connect as who may do all; not which database."""
    return {
        "host": HOST, "port": str(place.ports["postgres"]), "user": USER, "password": place.passwords["postgres"], "connect_timeout": "5",
    }  # fmt: skip
