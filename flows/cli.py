"""The command `diptych`. Only what a command needs is imported, when it needs it."""

import argparse
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from components.contracts.errors import ConfigError
from flows.adapt_parser import add_adapt
from flows.data.parsers import add_versions
from flows.empty import refuse_empty
from flows.ending import nobody_reads, stopped, terminate
from flows.estimating.parser import add_estimate
from flows.evaluation_parsers import add_evaluate, add_study
from flows.faults import in_utf8, told, with_streams
from flows.lineage.parser import add_lineage
from flows.model_parsers import add_export, add_model
from flows.monitor_parser import add_monitor
from flows.proving.parsers import add_proofs
from flows.serving.parsers import add_feedback, add_serving
from flows.stack.parsers import add_stack
from flows.webhooks.parsers import add_watching


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 only for success, 128 + signal when stopped."""
    if argv is None:
        with_streams()
        in_utf8()
    arguments = _parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks
            signal.signal(number, terminate)
    began, root = time.time(), None
    try:
        refuse_empty(sys.argv[1:] if argv is None else argv)
        arguments.here = _here()  # before we change to the workspace
        from components.stages.environment import set_environment

        set_environment()
        if arguments.anywhere:
            code = int(arguments.command(arguments.here, arguments))
        else:
            from flows.run import find_root

            root = find_root(Path.cwd())
            os.chdir(root)
            from flows.stack.seen import use

            use(root)
            code = int(arguments.command(root, arguments))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as err:
        return stopped(root, began, err)
    except Exception as err:
        if isinstance(err, BrokenPipeError) and nobody_reads():
            return 128 + signal.SIGPIPE
        print(f"diptych: {told(err, root, arguments.debug)}", file=sys.stderr)
        return 1
    finally:
        if argv is None:
            gc.freeze()  # the process ends: nothing is gained by a last look through all that was imported


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as err:
        raise ConfigError(
            "the folder that this shell stands in was removed. Go to one that is there: cd FOLDER"
        ) from err


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="diptych", description="From pictures and words to a served model.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    every = argparse.ArgumentParser(add_help=False)
    every.add_argument(
        "--debug", action="store_true", help="when it fails, print the traceback and the stage's log too"
    )

    def add(name: str, does: str, command: Callable[[Path, argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=does, description=does, parents=[every])
        made.set_defaults(command=command, anywhere=False)
        return made

    run = add("run", "bring everything up to date, from pictures to a served model", _run)
    run.add_argument(
        "--recipe", metavar="NAME", help="a recipe of components/recipes; params.yaml's first unless given"
    )
    run.add_argument("--scale", metavar="NAME", help="a scale of components/recipes/scales, such as debug")
    run.add_argument(
        "--data",
        metavar="SOURCE",
        help="a folder or table of your own pictures, or s3://… where such lie; or emoji, to go back",
    )
    run.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="numbers",
        help="a number in place of the recipe's or the scale's, such as training.steps=500 (training.steps= takes it "
        "back), or of params.yaml, such as seed=3; may be given several times. All choices are written to params.yaml.",
    )  # fmt: skip
    run.add_argument(
        "--compatible-with", metavar="VERSION",
        help="a version such as clip@champion whose index the model that is trained shall search, so that it need not be made again",
    )  # fmt: skip
    data = commands.add_parser(
        "data", help="look at data, and at versions of it", description="Look at data, and at versions of it."
    )
    looks = data.add_subparsers(required=True, metavar="COMMAND")
    says = "read pictures and captions, and say what is wrong with which; nothing in them is changed"
    check = looks.add_parser("check", help=says, description=f"{says[0].upper()}{says[1:]}.", parents=[every])
    check.set_defaults(command=_check, anywhere=True)
    check.add_argument(
        "data",
        nargs="?",
        metavar="FOLDER_OR_DATASET",
        help="a folder of pictures, a table, shards (also by URL), a dataset; or a source's name; unless given, the source of --params",
    )
    check.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        required=True,
        help="a new folder, for the report and lists of what was found",
    )
    check.add_argument(
        "--allow-host", metavar="HOST:PORT", action="append", default=[], dest="allow_hosts",
        help="a host of this network that pictures may be fetched from; may be given several times",
    )  # fmt: skip
    check.add_argument(
        "--max-broken", metavar="SHARE", type=float,
        help="end with exit code 1 where a larger share, 0 to 1, is broken; unless given here or in --params, findings are no failure",
    )  # fmt: skip
    check.add_argument(
        "--params", metavar="FILE", type=Path,
        help="a params.yaml, or some sections of one: what its admit and gates, and the lists data/takedown.txt and data/known-bad.txt beside it, ask is asked here too",
    )  # fmt: skip
    check.add_argument(
        "--model", metavar="PACKAGE",
        help="the folder of a package, or a version such as clip@3, that says which words do not fit their picture",
    )  # fmt: skip
    check.add_argument(
        "--misfit", metavar="SPREADS", type=float,
        help="how far below the median, in spreads, a score of --model is odd (3.5)",
    )  # fmt: skip
    check.add_argument("--json", action="store_true", help="print the counts as JSON")
    _reinforce_parser(looks, every)
    add_feedback(looks, every)
    add_versions(looks, every)
    add_model(commands, every)
    add_export(add)
    add_evaluate(add)
    add_study(add)
    add_adapt(add)
    add_estimate(add)
    ask = add(
        "ask", "ask the served model for the pictures nearest to a text, or the likeliest labels of a picture", _ask
    )
    ask.add_argument("text", nargs="?", help='such as "a red heart"')
    ask.add_argument("--image", help="the file of a picture, instead of a text")
    ask.add_argument("--labels", help="what to choose from, such as cat,dog; the model's own labels unless given")
    ask.add_argument("--template", action="append", help='such as "a picture of {}"; several are averaged')
    ask.add_argument("--top-k", type=int, default=5, help="how many answers (5)")
    ask.add_argument("--json", action="store_true", help="print the answer as JSON")
    promote = add(
        "promote", "judge a version against the champion, and serve it from the next run on if it wins", _promote
    )
    promote.add_argument("version", nargs="+", help="such as clip@3, or clip 3")
    promote.add_argument("--because", metavar="REASON", help="serve it whatever was measured; the reason is kept")
    promote.add_argument("--json", action="store_true", help="print the ruling as JSON")
    report = add("report", "write a page with two versions side by side", _report)
    for name in ("first", "second"):
        report.add_argument(name, help="such as clip@1")
    report.add_argument(
        "--to", metavar="FILE", type=Path, help="the page; .diptych/reports/FIRST-SECOND.html unless given"
    )
    status = add("status", "say how stages, registry and server stand", _status)
    status.add_argument("--recipe", help="one of params.yaml's recipes; the first of them unless given")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    add_monitor(add)
    _recipes_parser(
        add("recipes", "say what recipes there are, what they claim and what was measured", _recipes), every
    )
    add_lineage(add)
    add_proofs(add)
    ui = add("ui", "serve the pages of Prefect and MLflow on this machine, until Ctrl-C", _ui)
    ui.add_argument("--prefect-port", type=int, metavar="PORT", help="for Prefect's page; a free one unless given")
    ui.add_argument("--mlflow-port", type=int, metavar="PORT", help="for MLflow's page; a free one unless given")
    ui.add_argument("--no-watch", action="store_true", help="serve no champion that is set on MLflow's page")
    add_serving(add, commands, every)
    add_watching(add)
    add_stack(add)
    add("down", "stop all servers, and leave no process and no shared memory; what they keep stays", _down)
    return parser


def _reinforce_parser(
    looks: "argparse._SubParsersAction[argparse.ArgumentParser]", every: argparse.ArgumentParser
) -> None:
    does = (
        "write once, beside the shards, what teachers say of a recipe's samples, so that its training needs no teacher"
    )
    made = looks.add_parser("reinforce", help=does, description=f"{does[0].upper()}{does[1:]}.", parents=[every])
    made.set_defaults(command=_reinforce, anywhere=False)
    made.add_argument("--recipe", metavar="NAME", help="whose samples and views; params.yaml's first unless given")
    made.add_argument(
        "--teacher", metavar="MODEL", action="append", required=True, dest="teachers",
        help="the folder of a package or of a model, or a version such as clip@3; several times for an ensemble",
    )  # fmt: skip
    made.add_argument("--views", metavar="COUNT", type=int, default=10, help="views of each picture (10)")
    made.add_argument(
        "--captions",
        metavar="FILE",
        type=Path,
        help="captions to add: a .csv or .parquet with the columns key and text",
    )
    made.add_argument("--out", metavar="DIR", type=Path, help="where to; data/reinforced/NAME unless given")
    made.add_argument("--json", action="store_true", help="print folder and digest as JSON")


def _recipes_parser(recipes: argparse.ArgumentParser, every: argparse.ArgumentParser) -> None:
    recipes.add_argument("--json", action="store_true", help="print them as JSON")
    does = "print one as it would be run, sizes of the scale and overrides laid over"
    shows = recipes.add_subparsers(metavar="COMMAND")
    show = shows.add_parser("show", help=does, description=f"{does[0].upper()}{does[1:]}.", parents=[every])
    show.set_defaults(command=_show_recipe)
    show.add_argument("name", metavar="NAME", help="a recipe of components/recipes")
    show.add_argument(
        "--scale", metavar="NAME", help="a scale of components/recipes/scales; params.yaml's unless given"
    )


def _run(root: Path, arguments: argparse.Namespace) -> int:
    from flows.choices import Choices, choose
    from flows.run import run

    began = time.monotonic()
    recipe, held = arguments.recipe, None
    if arguments.compatible_with:
        from flows.compatible import lay_in

        recipe, held = recipe or _first_recipe(root), lay_in(arguments.compatible_with, root)
    choices = Choices(
        recipe=recipe, scale=arguments.scale, data=arguments.data, numbers=arguments.numbers, compatible_with=held
    )
    if changed := choose(root, choices, arguments.here) if choices else ():
        print(f"params.yaml now says {'; '.join(changed)}", flush=True)
    recipe = arguments.recipe or _first_recipe(root)
    shipped, worked = run(root, recipe, checked=bool(changed))
    from rich.console import Console

    from components.stages.events import clock
    from flows.summary import show_end

    done = f"Done in {clock(time.monotonic() - began)}." if worked else "Nothing to do: everything is up to date."
    show_end(root, recipe, shipped, Console(), done)
    return 0


def _check(here: Path, arguments: argparse.Namespace) -> int:
    from flows.data.check import data_check

    data_check(
        arguments.data,
        here,
        arguments.out,
        arguments.json,
        arguments.allow_hosts,
        arguments.max_broken,
        arguments.params,
        arguments.model,
        arguments.misfit,
    )
    return 0


def _reinforce(root: Path, arguments: argparse.Namespace) -> int:
    from flows.data.reinforce import data_reinforce

    data_reinforce(
        root,
        arguments.here,
        arguments.recipe or _first_recipe(root),
        arguments.teachers,
        arguments.views,
        arguments.captions,
        arguments.out,
        arguments.json,
    )
    return 0


def _ask(root: Path, arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from flows.ask import ask, classify, split_labels

    if (arguments.text is None) == (arguments.image is None):
        raise ConfigError('ask takes a text or a picture: diptych ask "a red heart", or diptych ask --image my.png')
    if arguments.image is not None:
        labels = None if arguments.labels is None else split_labels(arguments.labels)
        found = classify(root, arguments.here / arguments.image, labels, arguments.template, arguments.top_k).labels
        answers = [(asdict(answer), f"{answer.score:6.1%}  {answer.label}") for answer in found]
    elif arguments.labels is not None or arguments.template is not None:
        raise ConfigError("--labels and --template are for pictures: diptych ask --image my.png --labels cat,dog")
    else:
        hits = ask(root, arguments.text, arguments.top_k)
        answers = [(asdict(hit), f"{hit.score:6.3f}  {hit.text} ({hit.source}, {hit.key})") for hit in hits]
    if arguments.json:
        print(json.dumps([values for values, _ in answers], ensure_ascii=False))
    else:
        print("\n".join(line for _, line in answers))
    return 0


def _promote(root: Path, arguments: argparse.Namespace) -> int:
    from components.registry.promotion import promote_by_hand
    from flows.promote import label_of, promote_label
    from flows.shown_verdict import show, show_verdict

    label = label_of(arguments.version)
    if arguments.because is not None:
        sentence = promote_by_hand(root, label, arguments.because)
        print(
            json.dumps({"sentence": sentence}) if arguments.json else sentence, flush=True
        )  # before a server is asked, whose failure takes nothing away
        show(root, label, sentence)
        return 0
    verdict = promote_label(root, label)
    if arguments.json:
        print(json.dumps(verdict.ruling.as_json() if verdict.ruling else {"sentence": verdict.sentence}), flush=True)
    else:
        print(f"{verdict.page}\n{verdict.sentence}" if verdict.page else verdict.sentence, flush=True)
    show_verdict(root, verdict)
    return 0 if verdict.champion is not None and verdict.champion.label == label else 1


def _report(root: Path, arguments: argparse.Namespace) -> int:
    from flows.report import report

    to = arguments.here / arguments.to if arguments.to else None
    print(report(root, arguments.first, arguments.second, to))
    return 0


def _status(root: Path, arguments: argparse.Namespace) -> int:
    from flows.stack.standing import lines, standing
    from flows.status import as_lines, status

    found = status(root, arguments.recipe or _first_recipe(root))
    if arguments.json:
        print(json.dumps(found | standing(root)))
    else:
        print("\n".join([*as_lines(found), "", *lines(root)]))
    return 0


def _recipes(root: Path, arguments: argparse.Namespace) -> int:
    from flows.recipes import as_lines, recipes

    rows = recipes(root)
    print(json.dumps(rows) if arguments.json else "\n".join(as_lines(rows)))
    return int(any(row["status"] == "broken" for row in rows))


def _show_recipe(root: Path, arguments: argparse.Namespace) -> int:
    from flows.recipes import resolved

    if arguments.json:
        raise ConfigError("recipes show prints a recipe as it would be written, which is YAML. Leave --json out.")
    print(resolved(root, arguments.name, arguments.scale), end="")
    return 0


def _ui(root: Path, arguments: argparse.Namespace) -> int:
    from flows.ui import ui

    ui(root, arguments.prefect_port, arguments.mlflow_port, not arguments.no_watch)
    return 0


def _down(root: Path, arguments: argparse.Namespace) -> int:
    from flows.serving.down import down
    from flows.stack.up import end

    ended = end(root)
    print(f"{down(root)}{' The other servers have ended too; what they keep stays.' if ended else ''}")
    return 0


def _first_recipe(root: Path) -> str:
    from components.recipes.names import check_names

    return check_names(root)[0]


if __name__ == "__main__":
    sys.exit(main())
