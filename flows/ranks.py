"""One training stage on several machines: every rank runs this in a checkout of its own, and the first one hands on what came of it.

    python -m flows.ranks pretrain --recipe clip --nodes 4 --meet ranks-0.ranks:29500

Which rank this is JOB_COMPLETION_INDEX says, as Kubernetes sets it for indexed jobs; else --rank. What goes before the stage has to be done already,
by a run of the flow up to there: inputs are fetched from the remote that DIPTYCH_REMOTE names. Checkpoints have to lie where all ranks see them.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from components.contracts.errors import ConfigError, DiptychError, TransientError
from components.stages.outcome import StageOutcome
from flows.run import find_root
from flows.shared import VARIABLE, Shared
from flows.workspace import Workspace

INDEX = "JOB_COMPLETION_INDEX"
HANDED_ON_S, ASK_EVERY_S = 600.0, 2.0


def train(root: Path, stage: str, recipe: str, *, nodes: int, rank: int, meet: str) -> bool:
    """Run one rank of a stage, and hand on what came of it where that is the first; return whether there was anything to do.

    Args:
        nodes: how many ranks there are.
        meet: host:port of the first one.

    Raises ConfigError where no remote is named, TransientError where a rank ended before its time, which another try may mend.
    """
    shared = Shared.of(root)
    if shared is None:
        raise ConfigError(
            f"{VARIABLE} names no remote, and ranks have nothing else in common. Set it, as infra/kubernetes does."
        )
    if not 0 <= rank < nodes:
        raise ConfigError(
            f"rank {rank} is none of {nodes}; they are 0 to {nodes - 1}. {INDEX} or --rank says which this is."
        )
    with Workspace.here(recipe, root) as workspace:
        name = workspace.address(stage)
        shared.take([its.address(one) for its, one in workspace.work(stage)])
        if shared.has(name):
            return False
        if rank == 0 and not workspace.stale(stage):  # it was trained, and did not arrive: the others are done
            shared.hand_on(name)
            return True
        shared.bring_inputs(name)
    host, _, port = meet.rpartition(":")
    ended = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}", "--nproc-per-node=1", f"--node-rank={rank}",
            f"--master-addr={host}", f"--master-port={port}", "--max-restarts=0", "-m", f"components.stages.{stage}", "--recipe", recipe,
        ], cwd=root, check=False,
    )  # fmt: skip
    if ended.returncode:
        outcome = StageOutcome.read(root, stage, recipe)
        why = outcome.message if outcome is not None and outcome.message else f"exit code {ended.returncode}"
        raise TransientError(
            f"rank {rank} of {name} ended before its time ({why}); the next try goes on from the last checkpoint"
        )
    if rank == 0:
        # DVC was not what ran the stage, so it is told what came of it.
        subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", name], cwd=root, check=True)
        shared.hand_on(name)
    else:
        _wait(root, shared, stage, recipe)
    return True


def _wait(root: Path, shared: Shared, stage: str, recipe: str) -> None:
    """Wait until the first rank has handed on what came of it: where its machine is lost before, it needs us again."""
    with Workspace.here(recipe, root) as workspace:
        names, deadline = [its.address(one) for its, one in workspace.work(stage)], time.monotonic() + HANDED_ON_S
        while True:
            shared.take(names)
            if shared.has(names[-1]):
                return
            if time.monotonic() > deadline:
                raise TransientError(
                    f"nobody has handed on {names[-1]} in {HANDED_ON_S:.0f} s; the next try goes on from the last checkpoint"
                )
            time.sleep(ASK_EVERY_S)


def parser() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    made = argparse.ArgumentParser(prog="python -m flows.ranks", description=(__doc__ or "").splitlines()[0])
    made.add_argument("stage", choices=["pretrain", "finetune"])
    made.add_argument("--recipe", required=True, help="a name from params.yaml's recipes")
    made.add_argument("--nodes", type=int, required=True, help="how many ranks there are, one a machine")
    made.add_argument("--meet", required=True, metavar="HOST:PORT", help="of the first one")
    made.add_argument(
        "--rank", type=int, default=int(os.environ.get(INDEX, "0")), help=f"which this is; {INDEX} unless given"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it, and return the exit code."""
    asked = parser().parse_args(arguments)
    try:
        did = train(
            find_root(Path.cwd()), asked.stage, asked.recipe, nodes=asked.nodes, rank=asked.rank, meet=asked.meet
        )
        print(f"ranks: {asked.stage}@{asked.recipe} {'is done' if did else 'had been done already'}", flush=True)
    except DiptychError as err:
        print(f"ranks: {err}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
