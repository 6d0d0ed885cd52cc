"""The record of a server that this process is, so that a workspace takes a version for served."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from components.serving.endpoint import Endpoint, served_folder, write_endpoint
from components.serving.process import ProcessId


def hand_over(root: Path, label: str) -> None:
    """Let a workspace serve a version such as `clip@3`, as far as its record says."""
    path = served_folder(root)
    path.mkdir(parents=True, exist_ok=True)
    said = dict.fromkeys(("http", "grpc", "metrics", "package_digest", "instance", "shm_prefix", "started_at"), "-")
    paths = dict.fromkeys(("repository", "log", "key_file"), str(path))
    record = {"version": 1, **said, **paths, "label": label, "process": asdict(ProcessId.of(os.getpid()))}
    write_endpoint(root, Endpoint.from_json(json.dumps(record)))
