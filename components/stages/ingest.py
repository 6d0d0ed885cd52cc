"""Stage ingest: pictures and words from the source, as shards and a manifest."""

import sys

from components.data.ingest import ingest
from components.data.kept import KeptShards
from components.data.processes import cores
from components.data.seeing import MOST
from components.data.sources.catalogue import build_source
from components.recipes.params import load_params
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def body(stage: Stage) -> None:
    """Write data/raw; goes on from the shards that a run which was stopped has kept."""
    params = load_params(stage.root)
    source = build_source(params.source)
    # The data itself is not in this digest: a kept shard is used only where the source gives its very bytes.
    kept = KeptShards(stage.resume_dir([], {"source": params.source, "seed": params.seed}))
    with stage.output("data/raw") as raw:
        ingest(source, raw, params.seed, stage.progress, processes=min(cores(), MOST), kept=kept)


if __name__ == "__main__":
    sys.exit(run_stage("ingest", body))
