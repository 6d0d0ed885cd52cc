"""The commands `diptych serve`, `deploy`, `rollback`, `sign`, `keys`, `embed` and `index`: what answers, who may ask, and vectors of many samples at once."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

Add = Callable[[str, str, Callable[[Path, argparse.Namespace], int]], argparse.ArgumentParser]


def add_serving(
    add: Add, commands: "argparse._SubParsersAction[argparse.ArgumentParser]", every: argparse.ArgumentParser
) -> None:
    """Add them."""
    embed = add("embed", "embed all pictures and captions of a folder, a table or shards into one Parquet file", _embed)
    embed.set_defaults(anywhere=True)
    embed.add_argument("data", metavar="IN", help="a folder of pictures, a table, shards, or a source's name")
    embed.add_argument(
        "out", metavar="OUT.parquet", type=Path, help="the file; what is done lies beside it until it is whole"
    )
    embed.add_argument(
        "--model",
        metavar="PACKAGE",
        help="the folder of a package, or a version such as clip@3; what is served unless given",
    )
    embed.add_argument("--json", action="store_true", help="print the counts as JSON")
    own = add(
        "index", "make an index of your own pictures, that the gateway searches; list them, or remove one", _index
    )
    own.add_argument(
        "what", metavar="PICTURES", help="a folder of pictures, a table, shards, or a source's name; or list; or remove"
    )
    own.add_argument("which", metavar="NAME", nargs="?", help="of remove: which one")
    own.add_argument("--name", default="own", help="how it is called (own); what is there by that name is made again")
    own.add_argument("--json", action="store_true", help="print what was made, or what there is, as JSON")
    serve = add("serve", "start the gateway and its page, or change how it serves; a run starts it too", _serve)
    serve.add_argument("--port", type=int, help="to listen on, on this machine alone; that of last time unless given")
    serve.add_argument("--workers", type=int, metavar="COUNT", help="processes that answer (1)")
    serve.add_argument(
        "--in-process",
        action=argparse.BooleanOptionalAction,
        help="whether its workers run encoders themselves, in place of asking Triton for each vector (yes)",
    )
    serve.add_argument(
        "--host",
        action="append",
        metavar="NAME",
        dest="hosts",
        help="a name that it may be called by, behind a proxy; several times",
    )
    serve.add_argument(
        "--log-share",
        type=float,
        metavar="SHARE",
        help="share of requests, 0 to 1, whose words, scores and vectors are kept (0)",
    )
    serve.add_argument("--log-days", type=float, metavar="DAYS", help="after which what was kept goes (30)")
    serve.add_argument("--log-mb", type=float, metavar="MB", help="that it may have; the oldest goes first (512)")
    serve.add_argument("--traces", metavar="FILE", help="where spans of OpenTelemetry are written; '' ends that")
    serve.add_argument(
        "--beside",
        metavar="VERSION",
        help="serve a version such as clip@2 beside the champion, for a comparison or a canary",
    )
    serve.add_argument(
        "--share",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of requests, 0 to 1, for --beside (0: only who names it)",
    )
    serve.add_argument(
        "--shadow",
        action="store_true",
        help="ask --beside what the champion is asked, and count where it answers otherwise",
    )
    serve.add_argument("--alone", action="store_true", help="end what stands beside the champion")
    deploys = add("deploy", "serve what the alias champion asks for, or say why it may not be served", _deploy)
    deploys.add_argument(
        "model", nargs="?", metavar="MODEL", help="a registered model; params.yaml's first recipe unless given"
    )
    deploys.add_argument("--json", action="store_true", help="print what was done, and when, as JSON")
    back = add("rollback", "serve again what was served before, from the files that were kept for it", _rollback)
    back.add_argument("--because", metavar="REASON", default="", help="why; it is kept with both versions")
    signs = add("sign", "sign a version, so that it may be served", _sign)
    signs.add_argument("version", metavar="VERSION", help="such as clip@3")
    does = "say who may ask the gateway; without any key, whoever is on this machine may"
    keys = commands.add_parser("keys", help=does, description=f"{does[0].upper()}{does[1:]}.")
    verbs = keys.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, does: str, command: Callable[[Path, argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.", parents=[every])
        made.set_defaults(command=command, anywhere=False)
        return made

    made = verb("add", "make a key, and print it this once", _add)
    made.add_argument("name", metavar="NAME", help="who or what it is for")
    made.add_argument("--days", type=float, help="how long it is good; for ever unless given")
    made.add_argument(
        "--per-minute", type=float, metavar="COUNT", help="requests that it may make; any number unless given"
    )
    taken = verb("remove", "take a key back, from the next request on", _remove)
    taken.add_argument("name", metavar="NAME")
    listed = verb("list", "say which keys there are", _list)
    listed.add_argument("--json", action="store_true", help="print them as JSON")


def add_feedback(looks: "argparse._SubParsersAction[argparse.ArgumentParser]", every: argparse.ArgumentParser) -> None:
    """Add `diptych data feedback`."""
    does = "write the thumbs of people who searched as rows to measure with, and as negatives to learn from"
    made = looks.add_parser("feedback", help=does, description=f"{does[0].upper()}{does[1:]}.", parents=[every])
    made.set_defaults(command=_feedback, anywhere=False)
    made.add_argument("--to", metavar="DIR", type=Path, required=True, help="a new folder")


def _feedback(root: Path, arguments: argparse.Namespace) -> int:
    from flows.data.feedback import data_feedback

    print(data_feedback(root, arguments.here / arguments.to))
    return 0


def _embed(here: Path, arguments: argparse.Namespace) -> int:
    from components.contracts.errors import ConfigError
    from flows.run import find_root
    from flows.serving.embed import embed

    try:
        root: Path | None = find_root(here)
    except ConfigError:
        root = None
    embed(arguments.data, arguments.out, here, root, arguments.model, arguments.json)
    return 0


def _index(root: Path, arguments: argparse.Namespace) -> int:
    from flows.serving.index import index, list_indexes, remove

    if arguments.what == "list":
        print(list_indexes(root, arguments.json))
    elif arguments.what == "remove":
        print(remove(root, arguments.which))
    else:
        index(root, arguments.what, arguments.here, arguments.name, arguments.json)
    return 0


def _deploy(root: Path, arguments: argparse.Namespace) -> int:
    from components.recipes.params import load_params
    from flows.shown_verdict import rolled_out

    rolled = rolled_out(root, arguments.model or next(iter(load_params(root).recipes)))
    if arguments.json:
        done = None if rolled.timeline is None else rolled.timeline.as_json()
        print(
            json.dumps({"outcome": rolled.outcome, "served": rolled.label, "says": rolled.sentence, "timeline": done})
        )
    else:
        print(rolled.sentence)
    return int(rolled.outcome == "refused")


def _rollback(root: Path, arguments: argparse.Namespace) -> int:
    from flows.serving.rollback import rollback

    print(rollback(root, arguments.because))
    return 0


def _sign(root: Path, arguments: argparse.Namespace) -> int:
    from flows.serving.sign import sign_label

    print(sign_label(root, arguments.version))
    return 0


def _serve(root: Path, arguments: argparse.Namespace) -> int:
    from flows.serving.asked import serve_as

    print(serve_as(root, arguments.here, arguments))
    return 0


def _add(root: Path, arguments: argparse.Namespace) -> int:
    from components.serving.gateway.keys import add_key

    print(add_key(root, arguments.name, arguments.days, arguments.per_minute))
    return 0


def _remove(root: Path, arguments: argparse.Namespace) -> int:
    from components.serving.gateway.keys import remove_key

    remove_key(root, arguments.name)
    print(f"The key of {arguments.name} is good no more.")
    return 0


def _list(root: Path, arguments: argparse.Namespace) -> int:
    from components.serving.gateway.keys import keys_file, read_keys

    keys = read_keys(root)
    if arguments.json:
        shown = ("name", "made_at", "ends_at", "per_minute")
        print(json.dumps([{name: getattr(key, name) for name in shown} for key in keys]))
        return 0
    for key in keys:
        ends = f"good until {key.ends_at}" if key.ends_at else "good for ever"
        print(f"{key.name}  made {key.made_at}  {ends}" + (f"  {key.per_minute:g} a minute" if key.per_minute else ""))
    if not keys and keys_file(root).exists():
        print(
            f"There are no keys any more, so nobody may ask. Make one: diptych keys add NAME; or have whoever is on this machine ask: delete {keys_file(root)}"
        )
    elif not keys:
        print("There are no keys, so whoever is on this machine may ask.")
    return 0
