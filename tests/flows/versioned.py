"""A small workspace under git and DVC whose data/raw has versions: real shards, real manifests, no training."""

import io
import subprocess
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from dvc.repo import Repo
from PIL import Image

from components.contracts.sample import Media, Region, Sample, Text
from components.data.ingest import ingest
from components.data.manifest import read_manifest, write_manifest
from components.stages.code import LISTS, write_code

STAGES = """\
stages:
  code:
    cmd: echo no stage is ever run
    deps: [components]
    outs: [{build/code: {cache: false}}]
  ingest:
    cmd: echo nor is this
    deps: [data/takedown.txt, own.txt, build/code/ingest]
    outs: [data/raw]
  curate:
    cmd: echo nor is this
    deps: [data/raw]
    outs: [data/curated/clip]
"""


def paint(number: int) -> bytes:
    """Return a picture that is like no other: noise, as PNG, about 2 kB."""
    pixels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), np.uint8)
    Image.fromarray(pixels).save(kept := io.BytesIO(), "PNG")
    return kept.getvalue()


class Painted:
    """A source of a picture a name: each its own colours, its words its name, every third with a region."""

    def __init__(self, names: Sequence[str], captions: dict[str, str] | None = None) -> None:
        self.names, self.captions = names, captions or {}

    def samples(self, seed, progress):
        for name in self.names:
            number = int(name.lstrip("k"))
            box = Region(box=(0.0, 0.0, 0.5, 0.5), label="half")
            yield Sample(
                key=name, split=("train", "train", "train", "val", "pair")[number % 5], source="own", licence="CC0-1.0",
                media=(Media(member=f"{name}.png", data=paint(number)),), labels={"concept": name},
                texts=(Text(text=self.captions.get(name, f"picture {name}")),), regions=(box,) if number % 3 == 0 else (),
            )  # fmt: skip

    def describe(self):
        return {"name": "painted", "designers": {"own": "CC0-1.0"}, "held_out": None, "languages": ["en"]}


def names(count: int) -> list[str]:
    return [f"k{number:03d}" for number in range(count)]


def snapshot(folder: Path, which: Sequence[str], shard_bytes: int = 8 * 2**20, **captions: str) -> Path:
    """Ingest those pictures into a folder."""
    ingest(Painted(which, captions), folder, seed=0, shard_bytes=shard_bytes)
    return folder


def workspace(root: Path, which: Sequence[str], shard_bytes: int = 20_000) -> Path:
    """Make one whose data/raw holds these pictures, committed."""
    (root / "data").mkdir(parents=True)
    (root / "dvc.yaml").write_text(STAGES)
    (root / "params.yaml").write_text("recipes: [clip]\n")
    (root / "data/takedown.txt").write_text("# none yet\n")
    lists(root)
    (root / ".gitignore").write_text(
        "/data/raw\n/data/.raw*\n/data/curated\n.diptych/\n/build\nmlflow.db*\nmlartifacts/\n"
    )
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / "own.txt").write_text("where pictures come from\n")
    snapshot(root / "data/raw", which, shard_bytes)
    select(root)
    with Repo.init(str(root)) as repo:
        repo.config
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n    site_cache_dir = .diptych/dvc\n")
    commit(root, "first")
    return root


def lists(root: Path) -> None:
    """Have its stages be of some code."""
    (root / LISTS).parent.mkdir(parents=True)
    (root / LISTS).write_text(f"ingest: [{LISTS}]\n")
    write_code(root)


def select(root: Path) -> None:
    """Write the selection of clip: what is trained on, and what is watched."""
    manifest = read_manifest(root / "data/raw/manifest.parquet")
    wanted = pc.is_in(manifest["split"], value_set=pa.array(["train", "val"]))
    write_manifest(manifest.filter(wanted), root / "data/curated/clip/manifest.parquet")


def commit(root: Path, message: str) -> str:
    """Let DVC and git keep what is there; return the commit."""
    with chdir(root), Repo(str(root)) as repo:  # DVC looks for paths from where it is called
        repo.commit(force=True)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]
    subprocess.run([*git, "add", "-A"], cwd=root, check=True)
    subprocess.run([*git, "commit", "-q", "-m", message], cwd=root, check=True)
    said = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
    return said.stdout.strip()
