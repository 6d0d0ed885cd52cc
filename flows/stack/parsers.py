"""The commands of a machine's servers: `diptych up`, `env`, `notify`, `backup`, `restore`, `doctor`, and `mcp`, which tells programs how a workspace stands."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from components.contracts.errors import ConfigError
from flows.telling.notify import LOOKS, VARIABLE, as_lines

Add = Callable[[str, str, Callable[[Path, argparse.Namespace], int]], argparse.ArgumentParser]


def add_stack(add: Add) -> None:
    """Add them."""
    up = add(
        "up", "start PostgreSQL, S3, Prefect with workers, MLflow, the receiver and the gateway, and keep them", _up
    )
    up.add_argument(
        "--data", metavar="DIR", type=Path, help="where they keep what they have; where they did last time unless given"
    )
    up.add_argument(
        "--without", metavar="NAME", action="append", default=[], help="leave one out: workers, hooks, or triton with the gateway, until something is deployed; may be given several times"
    )  # fmt: skip
    up.add_argument(
        "--again",
        action="store_true",
        help="only where they were not ended and are gone all the same, as after a power cut: start them as they were; for a crontab",
    )
    up.add_argument("--json", action="store_true", help="print them as JSON")
    env = add("env", 'print what a shell has to know to use these servers: eval "$(diptych env)"', _env)
    env.add_argument(
        "--s3", action="store_true", help="and the keys of DVC's bucket, in the names that AWS's tools read"
    )
    notify = add(
        "notify",
        "have Prefect's server tell people of failures, verdicts and drift, by Slack, mail or a webhook",
        _notify,
    )
    notify.add_argument(
        "--try", action="store_true", dest="tries", help="send a word by each channel, and say whether it was taken"
    )
    notify.add_argument(
        "--remove",
        metavar="CHANNEL",
        choices=tuple(LOOKS),
        help="tell nobody by slack, mail or webhook any more",
    )
    notify.add_argument("--json", action="store_true", help="print the channels as JSON")
    for name, does, command in (
        (
            "backup",
            "write databases, buckets, passwords and what DVC has cached into one file, while the servers run",
            _backup,
        ),
        ("restore", "put what a backup has into servers that have nothing yet", _restore),
    ):
        its = add(name, does, command)
        its.add_argument("file", metavar="FILE", type=Path, help="the archive; it has the passwords, so keep it as one")
        if command is _restore:
            its.add_argument(
                "--data",
                metavar="DIR",
                type=Path,
                help="where servers are begun anew for it; those of now, which have to be empty, unless given",
            )
    add(
        "mcp",
        "answer programs that speak the Model Context Protocol, over standard input and output; changes nothing",
        _mcp,
    )
    doctor = add("doctor", "look for what is wrong here: programs, versions, disk, ports, clock, drivers", _doctor)
    doctor.add_argument("--json", action="store_true", help="print it as JSON")


def _up(root: Path, arguments: argparse.Namespace) -> int:
    from flows.stack.place import Place
    from flows.stack.restoring import said_of_restoring
    from flows.stack.seen import as_lines
    from flows.stack.up import again, up

    if arguments.again and (arguments.data or arguments.without):
        raise ConfigError("--again starts the servers as they were. Leave out --data and --without, or --again.")
    data = (arguments.here / arguments.data) if arguments.data else None

    def say(said: str) -> None:
        if not arguments.json:
            print(said, flush=True)

    seen = again(root, say) if arguments.again else up(root, data, arguments.without, say)
    if seen is None:
        if arguments.json:
            print("null")
        return 0
    if any(name.startswith(VARIABLE) for name in os.environ):
        from flows.stack.seen import use

        use(root)
        from flows.telling.notices import set_up_notices

        set_up_notices(os.environ)
    from flows.stack.brought import taken_over

    said = taken_over(Place.read(root))
    if arguments.json:
        print("\n".join(said), end="\n" * bool(said), file=sys.stderr)
        print(json.dumps(seen.as_json()))
        return 0
    from components.serving.record import read_gateway
    from flows.stack.standing import metric_lines

    print("\n".join([*as_lines(seen), *metric_lines(root, seen)]))
    if restoring := said_of_restoring(root):
        print(f"restore  {restoring}")
    for line in said:
        print(line)
    if gateway := read_gateway(root):
        print(f"The page is at {gateway.url}")
    keys = Place.read(root).keys
    print(
        f"Who is asked for a name and a password: diptych, and what {keys} says. diptych down ends all of it, and keeps the data."
    )
    return 0


def _env(root: Path, arguments: argparse.Namespace) -> int:
    from shlex import quote

    from flows.stack.objects import keys_of
    from flows.stack.place import Place
    from flows.stack.seen import read_seen

    seen = read_seen(root)
    if seen is None:
        raise ConfigError("no servers of this workspace run. Start them: diptych up")
    place = Place.read(root)
    said = place.environment() | (keys_of(place, "dvc") if arguments.s3 else {})
    print("\n".join(f"export {name}={quote(value)}" for name, value in said.items()))
    return 0


def _notify(root: Path, arguments: argparse.Namespace) -> int:
    from flows.monitored import has_server
    from flows.orchestrator import prefect_server

    if not has_server(root):
        raise ConfigError(
            "there is no Prefect server that could tell anybody. Start one: diptych up, or name yours in PREFECT_API_URL"
        )
    with prefect_server(root):
        from flows.telling.notices import remove_channel, set_up_notices, try_channels

        channels = remove_channel(arguments.remove) if arguments.remove else set_up_notices(os.environ)
        tried = try_channels() if arguments.tries else {}
    if arguments.json:
        print(json.dumps({"channels": channels, "wrong": {name: why for name, why in tried.items() if why}}))
    else:
        print("\n".join([*as_lines(channels), *(f"{name}: {why or 'taken'}" for name, why in tried.items())]))
    return int(any(tried.values()))


def _backup(root: Path, arguments: argparse.Namespace) -> int:
    from flows.stack.archive import as_line
    from flows.stack.backup import backup

    file = arguments.here / arguments.file
    print(as_line("Backed up in", backup(root, file), file))
    return 0


def _restore(root: Path, arguments: argparse.Namespace) -> int:
    from flows.stack.archive import as_line
    from flows.stack.restore import restore_into
    from flows.stack.seen import read_seen

    file = arguments.here / arguments.file
    data = (arguments.here / arguments.data).resolve() if arguments.data else None
    counts = restore_into(root, file, data, lambda said: print(said, flush=True))
    print(as_line("Restored from", counts, file))
    if (seen := read_seen(root)) and seen.without:
        print(
            f"The servers run without {', '.join(seen.without)}, as before. To have those too: diptych down, then diptych up"
        )
    return 0


def _mcp(root: Path, arguments: argparse.Namespace) -> int:
    from flows.mcp_server import serve

    serve(root)
    return 0


def _doctor(root: Path, arguments: argparse.Namespace) -> int:
    from flows.stack.doctor import as_lines, examined

    found = examined(root)
    print(json.dumps([one.as_json() for one in found]) if arguments.json else "\n".join(as_lines(found)))
    return int(any(one.state == "wrong" for one in found))
