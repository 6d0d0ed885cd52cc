"""Stage ingest: pictures and words from the source, as shards and a manifest."""

import sys
from dataclasses import asdict

from components.data.admission import Admitted
from components.data.ingest import ingest
from components.data.kept import KeptShards
from components.data.listed import NotListed
from components.data.processes import cores
from components.data.seeing import MOST
from components.data.sources.catalogue import build_source
from components.recipes.params import load_params
from components.stages.runtime import run_stage
from components.stages.stage import Stage
from components.validation.takedown import LIST, read_takedown


def body(stage: Stage) -> None:
    """Write data/raw, going on from the shards that a run which was stopped has kept; GateClosed as `admit` says."""
    params = load_params(stage.root)
    processes = min(cores(), MOST)
    admitted = Admitted(build_source(params.source), params.admit, processes)
    source = NotListed(admitted, read_takedown(stage.root / LIST).digests, LIST)
    # The data itself is not in this digest: a kept shard is used only where the source gives its very bytes.
    kept = KeptShards(
        stage.resume_dir([], {"source": params.source, "seed": params.seed, "admit": asdict(params.admit)})
    )
    with stage.output("data/raw") as raw:
        ingest(source, raw, params.seed, stage.progress, processes=processes, kept=kept)


if __name__ == "__main__":
    sys.exit(run_stage("ingest", body))
