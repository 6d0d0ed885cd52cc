"""What dvc.yaml says, and what DVC says about it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import yaml

from components.contracts.errors import Busy, ConfigError
from components.contracts.plain_yaml import load_yaml
from components.stages.code import CODE, FOLDER, code_then, codes, edits, has_code, md5_of, write_code
from components.stages.place import private

T = TypeVar("T")


def stages_of(root: Path) -> dict[str, bool]:
    """Return the stages of dvc.yaml in order, and of each whether it has one instance a recipe; not `code`, which is no work."""
    stages = load_yaml((root / "dvc.yaml").read_text())["stages"]
    return {name: "foreach" in stage or "matrix" in stage for name, stage in stages.items() if name != CODE}


def bring_code(root: Path) -> list[str]:
    """Have build/code say what code the stages are of, where dvc.yaml has it so; return the stage `code` where DVC has to write down that this is another."""
    if not has_code(root):
        return []
    return [CODE] if write_code(root) or not _locked(root, CODE) else []


def _locked(root: Path, stage: str) -> bool:
    """Return whether dvc.lock has a stage; of one that cannot be read DVC says so."""
    try:
        said = load_yaml((root / "dvc.lock").read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(said, dict) and stage in (said.get("stages") or {})


def outputs_of(root: Path, stage: str, recipe: str) -> list[str]:
    """Return the paths that a stage of a recipe writes, from the workspace."""
    said = load_yaml((root / "dvc.yaml").read_text())["stages"][stage]
    outs = (said.get("do") or said)["outs"]
    paths = [out if isinstance(out, str) else next(iter(out)) for out in outs]
    return [path.replace("${key}", recipe) for path in paths]


def why_stale(root: Path, addresses: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return of each stage why it has work to do, such as "data/raw: modified"; an empty tuple when it has none. Of code it is the files that were edited.

    Raises Busy while another DVC command is at work, and ConfigError when DVC cannot read the workspace.
    """

    def ask(stages: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        now = _codes(root, stages)
        return {one: tuple(_why(root, stages[one], now)) for one in addresses}

    return _asked(root, ask)


def inputs_of(root: Path, address: str, remote: str) -> dict[str, Any]:
    """Return what decides a stage's outputs as it is now: `cmd`, `params`, and `deps` with the digest of each, in the form of `inputs_in`.

    Of an input that is not here it is the digest that dvc.lock has of the stage which makes it, or that the list of its files gives, which a remote
    has; None where nobody knows. Errors as of `why_stale`.
    """

    def ask(stages: Mapping[str, Any]) -> dict[str, Any]:
        from dvc.dependency import ParamsDependency

        said: dict[str, Any] = {"cmd": stages[address].cmd, "deps": {}, "params": {}}
        now = _codes(root, stages)
        for dep in stages[address].deps:
            if isinstance(dep, ParamsDependency):
                said["params"][dep.def_path] = dep.get_hash().value
            elif dep.def_path in now:
                said["deps"][dep.def_path] = md5_of(now[dep.def_path])
            else:
                known = dep.get_hash() if dep.exists else _made_by(dep, stages, remote)
                said["deps"][dep.def_path] = known.value if known else None
        return said

    return _asked(root, ask)


def _made_by(dep: Any, stages: Mapping[str, Any], remote: str) -> Any:
    """Return DVC's hash of an input that is not here, by what dvc.lock says of the output which it is, or lies in; None where that is not known."""
    out = _holder(dep, stages)
    if out is None or not out.hash_info:
        return None
    if out.fs_path == dep.fs_path:
        return out.hash_info
    found = out.get_obj(filter_info=dep.fs_path) if out.get_dir_cache(remote=remote) is not None else None
    return found.hash_info if found is not None else None


def listed(root: Path, paths: Sequence[str], remote: str) -> list[str]:
    """Return those of some files, relative to root, that an output's list of files has, here or in a remote. Errors as of `why_stale`."""

    def ask(stages: Mapping[str, Any]) -> list[str]:
        return [
            path for path in paths if _made_by(SimpleNamespace(fs_path=str(root / path)), stages, remote) is not None
        ]

    return _asked(root, ask) if paths else []


def _holder(dep: Any, stages: Mapping[str, Any]) -> Any:
    outs = (out for name in stages for out in stages[name].outs)
    return next((out for out in outs if dep.fs_path == out.fs_path or dep.fs_path.startswith(f"{out.fs_path}/")), None)


def inputs_in(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same of an entry of dvc.lock."""
    deps = {dep["path"]: dep.get("md5") for dep in entry.get("deps", ())}
    return {"cmd": entry.get("cmd"), "deps": deps, "params": dict(entry.get("params", {}))}


def missing_inputs(root: Path, address: str) -> list[str]:
    """Return the outputs of other stages, relative to root, that a stage reads all or part of and that are not here. Errors as of `why_stale`."""

    def ask(stages: Mapping[str, Any]) -> list[str]:
        here = _codes(root, stages)
        holders = (_holder(dep, stages) for dep in stages[address].deps if dep.def_path not in here and not dep.exists)
        return sorted({out.def_path for out in holders if out is not None})

    return _asked(root, ask)


def _asked(root: Path, question: Callable[[Mapping[str, Any]], T]) -> T:
    """Return the answer to a question about DVC's stages, by address; dvc.yaml and dvc.lock are read once, not once a stage."""
    from dvc.dvcfile import PROJECT_FILE, load_file  # 0.6 s, and only needed here
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo, locked

    @locked
    def ask(repo: Repo) -> T:
        return question(load_file(repo, repo.fs.join(repo.root_dir, PROJECT_FILE)).stages)

    try:
        with Repo(str(root), config={"core": {"site_cache_dir": str(private(root, "dvc"))}}) as repo:
            return ask(repo)
    except LockError as err:
        raise Busy(f"another DVC command is at work in {root}. Wait until it has ended.") from err
    except DvcException as err:
        raise ConfigError(f"DVC cannot read this workspace: {err}. See: dvc status") from err


def _codes(root: Path, stages: Mapping[str, Any]) -> dict[str, str]:
    """Return what the files in build/code have to say as the code is now, by path: to ask writes nothing."""
    return {f"{FOLDER}/{stage}": text for stage, text in codes(root).items()} if CODE in stages else {}


def _why(root: Path, stage: Any, now: Mapping[str, str]) -> Iterator[str]:
    """Yield why one of DVC's stages has work to do; for its code the files that were edited, as far as it is known of which it last ran."""
    # DVC calls a stage otherwise where we stand elsewhere.
    for reason in _reasons([why for all_of in stage.status(check_updates=True).values() for why in all_of]):
        if reason.rpartition(": ")[0] not in now:
            yield reason
    for path, md5 in [(dep.def_path, dep.hash_info.value) for dep in stage.deps if dep.def_path in now]:
        if md5 is None:
            yield f"{path}: new"
        elif md5 != md5_of(now[path]):
            then = code_then(root, stage.name, md5)
            yield from (then and [*edits(then, now[path])]) or [f"{path}: modified"]


def _reasons(entries: list[Any]) -> Iterator[str]:
    """Flatten DVC's answer for one stage, a list of {"changed deps": {path: how}} or plain text."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
            continue
        for changed in entry.values():
            for path, how in changed.items():
                yield f"{path}: {', '.join(how) if isinstance(how, dict) else how}"
