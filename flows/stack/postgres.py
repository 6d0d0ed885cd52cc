"""PostgreSQL of this machine's packages: a cluster of our own, with a database and a user for each server that needs one."""

import os
import shutil
import subprocess
from pathlib import Path

from components.contracts.errors import CapabilityError, ConfigError
from flows.loopback import HOST
from flows.stack.place import USER, Place
from flows.stack.service import Service

DATABASES = {"prefect": "prefect", "mlflow": "mlflow", "mlflow_users": "mlflow"}
"""Database -> the user that it belongs to."""
_SETTINGS = {
    "listen_addresses": HOST, "unix_socket_directories": "", "max_connections": "100", "shared_buffers": "64MB",
    "log_connections": "off", "password_encryption": "scram-sha-256",
}  # fmt: skip


def postgres(place: Place) -> Service:
    """Return the server. CapabilityError where PostgreSQL is not installed."""
    binaries = find_binaries()
    version = _major(binaries / "postgres")
    cluster = place.data / "postgres"
    settings = {**_SETTINGS, "port": str(place.ports["postgres"])}
    return Service(
        name="postgres", what=f"PostgreSQL {version}", address=f"{HOST}:{place.ports['postgres']}",
        command=(*_as_owner(), str(binaries / "postgres"), "-D", str(cluster), *(f"--{key}={value}" for key, value in settings.items())),
        folder=place.data, prepare=lambda: _make(place, binaries, cluster, version), set_up=lambda: _databases(place),
        fault=lambda: _fault(place),
    )  # fmt: skip


def find_binaries() -> Path:
    """Return the folder of initdb and postgres, the newest there are. CapabilityError where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda one: float(one.parts[-3]))
    if found:
        return found[-1].parent
    if one := shutil.which("postgres"):
        return Path(one).resolve().parent
    raise CapabilityError("PostgreSQL is not installed. Debian: apt-get install postgresql")


def _major(binary: Path) -> str:
    said = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2].partition(".")[0]


def _as_owner() -> tuple[str, ...]:
    """Return what runs a command as somebody whom PostgreSQL does not refuse: itself, unless we are root.

    Root's folders are closed to others, so the user postgres may pass them. Who has changed users is no longer tied to the process that started
    it, unless that is asked for again.
    """
    if os.geteuid() != 0:
        return ()
    cap = "+dac_override"
    return (
        "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", f"--inh-caps={cap}", f"--ambient-caps={cap}", "--pdeathsig=INT",
    )  # fmt: skip


def _make(place: Place, binaries: Path, cluster: Path, version: str) -> None:
    """Make the cluster where there is none. ConfigError for one that another version of PostgreSQL made."""
    if (cluster / "PG_VERSION").exists():
        made = (cluster / "PG_VERSION").read_text().strip()
        if made != version:
            raise ConfigError(
                f"{cluster} was made by PostgreSQL {made} and here is {version}. Install {made}, or bring the databases over: diptych backup "
                "there, a new --data here, diptych restore"
            )
        return
    shutil.rmtree(cluster, ignore_errors=True)  # half of one that was killed
    partial = cluster.with_name("postgres.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(partial, "postgres", "postgres")
    password = place.data / "postgres.password"
    password.touch(mode=0o600)
    try:
        password.write_text(place.passwords["postgres"])
        subprocess.run(
            [
                *_as_owner(), str(binaries / "initdb"), "-D", str(partial), "-U", USER, "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums",
                "--auth=scram-sha-256", f"--pwfile={password}",
            ], check=True, capture_output=True, text=True, cwd=place.data,
        )  # fmt: skip
    except subprocess.CalledProcessError as err:
        raise CapabilityError(f"PostgreSQL could not make {partial}: {err.stderr.strip()[-500:]}") from err
    finally:
        password.unlink()
    partial.rename(cluster)


def _fault(place: Place) -> str | None:
    import psycopg2

    try:
        with psycopg2.connect(**_admin(place), dbname="postgres") as connection, connection.cursor() as cursor:
            cursor.execute("select 1")
        connection.close()
        return None
    except psycopg2.Error as err:
        return f"it does not answer: {str(err).strip()}"


def _databases(place: Place) -> None:
    import psycopg2
    from psycopg2 import sql

    connection = psycopg2.connect(**_admin(place), dbname="postgres")
    connection.autocommit = True  # a database is made outside of transactions
    try:
        with connection.cursor() as cursor:
            for user in sorted(set(DATABASES.values())):
                cursor.execute("select 1 from pg_roles where rolname = %s", (user,))
                does = sql.SQL("alter" if cursor.fetchone() else "create")
                cursor.execute(
                    sql.SQL("{} role {} login password %s").format(does, sql.Identifier(user)),
                    (place.passwords[f"postgres-{user}"],),
                )
            for name, user in DATABASES.items():
                cursor.execute("select 1 from pg_database where datname = %s", (name,))
                if not cursor.fetchone():
                    cursor.execute(
                        sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(user))
                    )
    finally:
        connection.close()


def _admin(place: Place) -> dict[str, str]:
    return {
        "host": HOST, "port": str(place.ports["postgres"]), "user": USER, "password": place.passwords["postgres"], "connect_timeout": "5",
    }  # fmt: skip
