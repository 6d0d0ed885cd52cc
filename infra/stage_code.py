"""Keep dvc.yaml's code dependencies equal to what each stage really imports, its recipe's classes included.

    python -m infra.stage_code           # say what differs, exit 1 if anything does
    python -m infra.stage_code --write   # write it into dvc.yaml

A stage that lists too little would not run again when it should; one that lists too much would train again for nothing.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
from ruamel.yaml import YAML

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
    parser.add_argument("--write", action="store_true", help="write the lists into dvc.yaml")
    write, root = parser.parse_args().write, Path.cwd()
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(root / "dvc.yaml")
    differs = False
    for stage, entry in document["stages"].items():
        body = entry.get("do", entry)
        code = stage_code(root, stage)
        listed = [dep for dep in body["deps"] if str(dep).startswith("components/")]
        if listed == code:
            continue
        differs = True
        for path in sorted({*listed, *code}):
            if (path in listed) != (path in code):
                print(f"{stage}: {'imports' if path in code else 'no longer imports'} {path}")
        body["deps"] = [dep for dep in body["deps"] if dep not in listed] + code
    if differs and write:
        yaml.dump(document, root / "dvc.yaml")
    elif differs:
        print("dvc.yaml does not name the code that its stages import; run: python -m infra.stage_code --write")
    return int(differs and not write)


def stage_code(root: Path, stage: str) -> list[str]:
    """Return the files, relative to root, that a stage imports, and those of the classes its recipes name."""
    graph = grimp.build_graph("components", cache_dir=None)
    modules = {f"components.stages.{stage}"}
    for recipe in sorted((root / "components" / "recipes").glob("*.yaml")):
        values = YAML(typ="safe").load(recipe)
        for section in SECTIONS.get(stage, ()):
            modules |= {
                path.rpartition(".")[0] for path in class_paths(values[section]) if path.startswith("components.")
            }
    for listed in CATALOGUES.get(stage, ()):
        catalogue = YAML(typ="safe").load(root / listed)
        modules |= {path.rpartition(".")[0] for path in class_paths(list(catalogue.values()))}
    if stage in ADDED:
        catalogue = YAML(typ="safe").load(root / CATALOGUES["finetune"][0])
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
