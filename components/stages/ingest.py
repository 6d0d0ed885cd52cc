"""Stage ingest: pictures and words from the source, as shards and a manifest."""

import sys

from components.data.admission import Admitted
from components.data.ingest import ingest
from components.data.sources.catalogue import build_source
from components.recipes.params import load_params
from components.stages.runtime import run_stage
from components.stages.stage import Stage


def body(stage: Stage) -> None:
    """Write data/raw; GateClosed where `admit` refuses something and says to close."""
    params = load_params(stage.root)
    with stage.output("data/raw") as raw:
        ingest(Admitted(build_source(params.source), params.admit), raw, params.seed, stage.progress)


if __name__ == "__main__":
    sys.exit(run_stage("ingest", body))
