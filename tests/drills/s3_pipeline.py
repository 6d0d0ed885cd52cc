"""S3 is away for a minute, or slow, or busy, or does not take the key any more, while a whole pipeline hands on by it what each stage has made: `make drill DRILL=s3_pipeline`.

A person's own pictures at `debug`, fine-tuned, in a workspace that shares a remote with others (DIPTYCH_REMOTE): a stage counts as done when its outputs are in
S3, which stands behind a proxy that is at fault from the moment at which the run begins. Each run has to end by itself in the rows, weights and metrics of an undisturbed one; the one whose key has expired has to say so in one line, and a second one, whose key is taken, to end so. What was handed on has
to be the same when it is fetched where nothing is. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/s3-pipeline.json.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from flows.serving.down import down
from flows.shared import VARIABLE
from tests.drills.kept import about, conclude
from tests.drills.s3_away import Drill
from tests.drills.undisturbed import differs, forget_results
from tests.own_run import own_run
from tests.seaweed import Fault, asked_as_reader, client_of, faulty_proxy, s3_on_loopback
from tests.workspace import REPOSITORY, diptych, dvc

KEPT_AT = REPOSITORY / "docs/benchmarks/s3-pipeline.json"
FAULTS = ("away", "slow", "busy", "expired")
SAID = {"expired": "have expired"}  # in the line with which a run ends that cannot go on by itself
NEVER_S = 3600.0  # in which a key that has expired is not taken again by itself
REMOTE = "there"


def main() -> None:
    """Drill, print; the exit code is 0 where each run ended by itself and nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="that a fault lasts, or until the run ends (60)")
    parser.add_argument("--faults", nargs="*", default=list(FAULTS), choices=FAULTS, help="which (all)")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    faults = [name for name in FAULTS if name in asked.faults]
    if asked.keep and faults != list(FAULTS):
        parser.error("--keep is of all faults. Leave --faults out.")
    whence, began, detail, lost = about("s3_pipeline"), time.monotonic(), dict[str, Any](), list[str]()
    with tempfile.TemporaryDirectory() as folder, s3_on_loopback() as server, faulty_proxy(server) as proxy:
        own = own_run(Path(folder))
        (Path(folder) / "none").touch()  # DVC wants a file where this is set
        os.environ |= asked_as_reader(proxy.address) | {"AWS_CONFIG_FILE": str(Path(folder) / "none")}
        drill = Drill(folder=Path(folder), server=server, proxy=proxy, seconds=asked.seconds)
        try:
            for fault in faults:
                detail[fault], wrong = run(drill, fault, own)
                lost += [f"{fault}: {one}" for one in wrong]
                print(json.dumps({fault: detail[fault], "lost": lost}), flush=True)
        except Exception as err:  # whatever it is, what was found before it is told
            traceback.print_exc()
            detail["fault"] = f"{type(err).__name__}: {err}"
        finally:
            drill.mend()
    passed = "fault" not in detail and not lost
    said = {
        "drill": "s3_pipeline", "passed": passed, "lost": None if "fault" in detail else len(lost), "what_was_lost": lost,
        "fault_s": asked.seconds, "seconds": round(time.monotonic() - began), "detail": detail,
    }  # fmt: skip
    conclude(said, whence, KEPT_AT if asked.keep else None)


def page(said: Mapping[str, Any]) -> str:
    """Return what docs/faults.md says of it."""
    took = ", ".join(
        f"{name} {of['seconds']} s with {of['requests_met']} requests that met it"
        for name, of in said["detail"].items() if name not in SAID
    )  # fmt: skip
    expired = said["detail"]["expired"]
    return (
        f"A whole pipeline at `debug` whose stages count as done when S3 has what they made (`DIPTYCH_REMOTE`), with each of the first three from its beginning on, for {said['fault_s']:.0f} s, ended by itself in the rows, weights and metrics of an "
        f"undisturbed one, and so did what was fetched of it where nothing was: {took}. With a key that has expired it ended after {expired['said_after_s']} s with `{expired['said']}`; the next one, with one that is taken, did the rest in {expired['seconds']} s, with the same result (`{said['command']}`, [answer](benchmarks/{KEPT_AT.name}), commit `{said['commit']}`, {said['machine']}, beside other work)."
    )


def run(drill: Drill, name: str, undisturbed: Path) -> tuple[dict[str, Any], list[str]]:
    """Run the pipeline with nothing made yet while the fault lasts; return what was seen, and what is lost."""
    place = drill.place() / "work"
    root = shutil.copytree(undisturbed.parent, place, symlinks=True) / undisturbed.name
    forget_results(root)
    bucket = f"shared-{name}"
    client_of(drill.server).create_bucket(Bucket=bucket)
    (root / ".dvc/config.local").write_text(
        f"['remote \"{REMOTE}\"']\n    url = s3://{bucket}/dvc\n    endpointurl = {drill.proxy.address}\n"
    )
    began = time.monotonic()
    try:
        with drill.fault(name, NEVER_S if name in SAID else None) as fault:
            ended = diptych(root, "run", **{VARIABLE: REMOTE})
            met = Fault().turns - fault.turns
        seen, lost = dict[str, Any](), ["no request met the fault"] * (not met)
        if name in SAID:
            said = ended.stderr.strip().splitlines()[-1:] or [""]
            seen |= {"said": said[0], "said_after_s": round(time.monotonic() - began)}
            lost += [f"the run ended with {ended.returncode}, and said: {said[0]}"] * (
                ended.returncode == 0 or SAID[name] not in said[0]
            )
            began = time.monotonic()
            ended = diptych(root, "run", **{VARIABLE: REMOTE})
        seconds = round(time.monotonic() - began)
        lost += [f"the run ended with {ended.returncode}: {ended.stderr[-1000:]}"] if ended.returncode else []
        lost += differs(root, undisturbed)
        forget_all_but_the_lock(root)
        pulled = dvc(root, "pull", "--remote", REMOTE)
        lost += [f"what was handed on cannot be fetched: {pulled.stderr[-1000:]}"] if pulled.returncode else []
        lost += [f"fetched, {one}" for one in differs(root, undisturbed)]
        return {"seconds": seconds, "requests_met": met, **seen}, lost
    finally:
        down(root)
        shutil.rmtree(place, ignore_errors=True)


def forget_all_but_the_lock(root: Path) -> None:
    """Take away what stages have made, and DVC's cache of it."""
    for stage in yaml.safe_load((root / "dvc.lock").read_text())["stages"].values():
        for out in stage["outs"]:
            shutil.rmtree(root / out["path"], ignore_errors=True)
    shutil.rmtree(root / ".dvc/cache", ignore_errors=True)


if __name__ == "__main__":
    main()
