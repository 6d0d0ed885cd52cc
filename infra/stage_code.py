"""Keep components/stages/code.yaml equal to what each stage really imports, its recipe's classes included.

    python -m infra.stage_code           # say what differs, exit 1 if anything does
    python -m infra.stage_code --write   # write it

A stage that lists too little would not run again when it should; one that lists too much would train again for nothing.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import yaml

from components.contracts.plain_yaml import load_yaml
from components.stages.code import CODE, LISTS, files_of

HEAD = "# The files that each stage imports, with the classes that recipes and catalogues name: `python -m infra.stage_code --write`.\n"
SECTIONS = {
    "pretrain": ("model", "method", "training"), "finetune": ("model", "method", "training", "finetuning"),
    "evaluate": ("model", "evaluation"), "package": ("model",), "curate": ("curation",),
}  # fmt: skip
"""Sections of a recipe whose classes a stage builds."""

SOURCES = "components/data/sources/catalogue.yaml"
CATALOGUES = {
    "ingest": (SOURCES,), "finetune": ("components/finetuning/catalogue.yaml",),
    "evaluate": ("components/evaluation/catalogue.yaml", "components/evaluation/downstream/catalogue.yaml", SOURCES), "validate": ("components/validation/catalogue.yaml",),
    "curate": ("components/curation/catalogue.yaml",),
}  # fmt: skip
"""Catalogues from which a stage builds what it runs: it depends on the code of all rows. Evaluation sets come from sources too."""

ADDED = ("evaluate", "package")
"""Stages that load what was tuned, with what a strategy adds to a model."""

READ = {
    "ingest": (SOURCES,),
    "evaluate": (SOURCES,),
    "validate": CATALOGUES["validate"],
}  # what stages read when they run


def main() -> int:
    """Compare or write, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the lists")
    write, root = parser.parse_args().write, Path.cwd()
    stages = [name for name in load_yaml((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"] if name != CODE]
    listed, found = files_of(root), {stage: stage_code(root, stage) for stage in stages}
    if listed == found:
        return 0
    for stage in (*found, *(name for name in listed if name not in found)):
        was, its = listed.get(stage, []), found.get(stage, [])
        for path in sorted({*was, *its}):
            if (path in was) != (path in its):
                print(f"{stage}: {'imports' if path in its else 'no longer imports'} {path}")
    if write:
        (root / LISTS).write_text(HEAD + yaml.safe_dump(found, sort_keys=False), encoding="utf-8")
    else:
        print(f"{LISTS} does not name the code that stages import; run: python -m infra.stage_code --write")
    return int(not write)


def stage_code(root: Path, stage: str) -> list[str]:
    """Return the files, relative to root, that a stage imports, and those of the classes its recipes name."""
    graph = grimp.build_graph("components", cache_dir=None)
    modules = {f"components.stages.{stage}"}
    for recipe in sorted((root / "components" / "recipes").glob("*.yaml")):
        values = load_yaml(recipe.read_text(encoding="utf-8"))
        for section in SECTIONS.get(stage, ()):
            modules |= {
                path.rpartition(".")[0] for path in class_paths(values[section]) if path.startswith("components.")
            }
    for listed in CATALOGUES.get(stage, ()):
        catalogue = load_yaml((root / listed).read_text(encoding="utf-8"))
        modules |= {path.rpartition(".")[0] for path in class_paths(list(catalogue.values()))}
    if stage in ADDED:
        catalogue = load_yaml((root / CATALOGUES["finetune"][0]).read_text(encoding="utf-8"))
        added = [row["adds"] for row in catalogue.values() if "adds" in row]
        modules |= {path.rpartition(".")[0] for path in class_paths(added)}
    closure = set(modules)
    for module in modules:
        closure |= graph.find_upstream_modules(module)
    closure |= {parent for module in closure for parent in parents(module)}
    return sorted(str(file_of(root, module)) for module in closure) + list(READ.get(stage, ()))


def class_paths(value: Any) -> Iterator[str]:
    """Yield every class_path below a value."""
    if isinstance(value, dict):
        if "class_path" in value:
            yield value["class_path"]
        for item in value.values():
            yield from class_paths(item)
    elif isinstance(value, list):
        for item in value:
            yield from class_paths(item)


def parents(module: str) -> Iterator[str]:
    """Yield the packages a module lies in: importing it runs their __init__."""
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def file_of(root: Path, module: str) -> Path:
    """Return the file of a module, relative to root."""
    path = Path(*module.split("."))
    return path / "__init__.py" if (root / path).is_dir() else path.with_suffix(".py")


if __name__ == "__main__":
    sys.exit(main())
