"""Passwords for infra/compose.yaml: `python -m infra.compose_secrets` makes those that are not there yet, and changes none.

They lie in infra/secrets, which neither git nor an image takes. The folder is for its owner alone (0700); its files can be read by whoever gets one of
them into his container, where people have other numbers than here (0644).
"""

import argparse
import secrets
import sys
from pathlib import Path

from cryptography.fernet import Fernet

from flows.stack.objects import BUCKETS, security_toml, users_json
from flows.stack.pages import users_ini
from flows.stack.place import USER

RANDOM = (
    "postgres", "postgres-prefect", "postgres-mlflow", "prefect-password", "mlflow-login", "mlflow-jobs", "mlflow-serving", "mlflow-forms", "s3-admin", "s3-mlflow", "s3-dvc",
    "s3-within-volume", "s3-within-filer",
)  # fmt: skip


def write(folder: Path) -> list[str]:
    """Write what is missing in a folder; return its names."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    before = {path.name for path in folder.iterdir()}

    def known(name: str, otherwise: str) -> str:
        path = folder / name
        if not path.exists():
            path.write_text(otherwise, encoding="utf-8")
            path.chmod(0o644)
        return path.read_text(encoding="utf-8")

    passwords = {name: known(name, secrets.token_hex(20)) for name in RANDOM}
    known("mlflow-webhooks", Fernet.generate_key().decode())
    known("prefect-login", f"{USER}:{passwords['prefect-password']}")
    known("prefect-database", f"postgresql+asyncpg://prefect:{passwords['postgres-prefect']}@postgres:5432/prefect")
    mlflow = f"postgresql+psycopg2://mlflow:{passwords['postgres-mlflow']}@postgres:5432"
    known("mlflow-database", f"{mlflow}/mlflow")
    known("mlflow-users", users_ini(f"{mlflow}/mlflow_users"))
    known("s3-users", users_json(passwords))
    known("s3-security", security_toml(passwords))
    for user in BUCKETS:
        known(f"s3-{user}-id", user)
    return sorted({path.name for path in folder.iterdir()} - before)


def main() -> int:
    """Write them, and say which."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "secrets")
    folder = parser.parse_args().folder
    made = write(folder)
    print(f"{len(made)} made in {folder}: {', '.join(made)}" if made else f"all are there in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
