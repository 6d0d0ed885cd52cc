"""Each package by version and sha256, in infra/locks/: what production images install, and the versions that infra/setup.sh keeps to.

    python -m infra.locks            # whether they are what pyproject.toml asks for
    python -m infra.locks --write    # resolve anew, to the versions of this environment, which the tests have passed with

`cpu` has torch's wheels without CUDA, which PyTorch's own index has and PyPI does not; `cuda` has PyPI's. `triton` is what our Python models import in
NVIDIA's image, which has a Python of its own. `setup` is of a checkout, with what the tests need. One hash a package: of the wheel that fits. No address of
an index is in them.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.markers import Environment, default_environment
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[1]
LOCKS = Path("infra/locks")
IMAGES = {"cpu": (11, 35), "cuda": (11, 35), "triton": (12, 39)}
"""Lock -> Python 3.x, glibc 2.x: the least that the image has."""
LOCKED = {**IMAGES, "setup": (11, 35)}
EXTRAS = {"cpu": "kubernetes", "cuda": "kubernetes", "setup": "test"}
"""Lock -> the extra of pyproject.toml that it has, too."""
OWN = ("nvidia-pytriton", "onnxruntime")  # which NVIDIA's image has as Triton itself
TORCHES = ("torch", "torchvision")
_LINE = re.compile(r"(?P<name>[a-z0-9.-]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package of a lock."""

    version: str
    sha256: str


def read(text: str) -> dict[str, Pin]:
    """Return name -> pin of a lock; ValueError for a line that is not one package with one hash."""
    found = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        matched = _LINE.fullmatch(line)
        if matched is None or matched["name"] in found:
            raise ValueError(f"{line!r} is no pin with one hash, or the second of its package")
        found[matched["name"]] = Pin(version=matched["version"], sha256=matched["sha256"])
    return found


def asked(root: Path, name: str) -> list[Requirement]:
    """Return what a lock must have: of pyproject.toml with its extra, or of serving-requirements.txt without OWN, where it runs on Linux and x86-64."""
    if name == "triton":
        lines = (root / "infra/serving-requirements.txt").read_text().splitlines()
        wanted = [line for line in lines if line and not line.startswith(("#", *OWN))]
    else:
        project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
        wanted = [*project["dependencies"], *project["optional-dependencies"][EXTRAS[name]]]
    return [one for one in map(Requirement, wanted) if one.marker is None or one.marker.evaluate(_there())]


def faults(wanted: list[Requirement], pins: Mapping[str, Pin], needs: Mapping[str, list[Requirement]]) -> Iterator[str]:
    """Yield a sentence for each that is asked for, by us or by a package of the lock, and not pinned, or pinned elsewhere.

    Args:
        wanted: by us.
        needs: package -> what it asks for itself, as far as it is known.
    """
    todo, seen = [("we", one) for one in wanted], set[str]()
    while todo:
        who, one = todo.pop()
        name = canonicalize_name(one.name)
        pin = pins.get(name)
        if pin is None:
            yield f"{name}, which {who} need{'' if who == 'we' else 's'}, is not pinned"
        elif not one.specifier.contains(pin.version, prereleases=True):
            yield f"{name} is pinned to {pin.version}, and {who} need{'' if who == 'we' else 's'} {one.specifier}"
        for key in (name, *(f"{name}[{extra}]" for extra in one.extras)):
            if pin is not None and key not in seen:
                seen.add(key)
                todo += [(name, its) for its in needs.get(key, ())]


def installed(pins: Mapping[str, Pin]) -> dict[str, list[Requirement]]:
    """Return what each package asks for that is here in the version of its pin, on Linux and x86-64; by name, and by name[extra] what an extra adds.

    What is here in another version says nothing of the one that is pinned.
    """
    found: dict[str, list[Requirement]] = {}
    for one in distributions():
        name = canonicalize_name(one.metadata["Name"])
        if name not in pins or pins[name].version.partition("+")[0] != one.version.partition("+")[0]:
            continue
        requirements = [Requirement(line) for line in one.requires or ()]
        for extra in ("", *one.metadata.get_all("Provides-Extra", [])):
            environment: Environment | dict[str, str] = {**_there(), "extra": extra}
            found[f"{name}[{extra}]" if extra else name] = [
                its for its in requirements if its.marker is None or its.marker.evaluate(environment)  # type: ignore[arg-type]
            ]  # fmt: skip
    return found


def check(root: Path) -> list[str]:
    """Return what is wrong with the locks, a sentence each."""
    wrong = []
    for name in LOCKED:
        try:
            pins = read((root / LOCKS / f"{name}.txt").read_text())
        except (OSError, ValueError) as err:
            wrong.append(f"{name}: {err}")
            continue
        wrong += [
            f"{name}: {one}" for one in faults(asked(root, name), pins, {} if name == "triton" else installed(pins))
        ]
    return wrong


def write(root: Path) -> None:
    """Resolve anew; RuntimeError, with uv's words, where that fails."""
    here: dict[str, str] = {canonicalize_name(one.metadata["Name"]): one.version for one in distributions()}
    plain = [f"{name}=={version}" for name, version in here.items() if name not in (*TORCHES, "diptych")]
    torches = {name: here[name].partition("+")[0] for name in TORCHES}
    (root / LOCKS).mkdir(exist_ok=True)
    for name, (minor, _) in LOCKED.items():
        pins = [*plain, *(f"{one}=={version}{'+cpu' * (name == 'cpu')}" for one, version in torches.items())]
        lines = sorted(_pinned(_resolved(root, name, pins), name))
        what = {"cpu": " torch is PyTorch's build without CUDA.", "triton": " Installed with --no-deps."}.get(name, "")
        head = f"# Written by python -m infra.locks --write. Python 3.{minor}, Linux, x86-64.{what}\n"
        (root / LOCKS / f"{name}.txt").write_text(head + "\n".join(lines) + "\n")


def _resolved(root: Path, name: str, pins: list[str]) -> dict[str, Any]:
    """Return what uv finds, as of PEP 751."""
    minor, glibc = LOCKED[name]
    with tempfile.TemporaryDirectory() as folder:
        out, constraints, wanted = (Path(folder) / one for one in ("pylock.toml", "constraints.txt", "wanted.txt"))
        constraints.write_text("\n".join(pins))
        wanted.write_text("\n".join(map(str, asked(root, name))))
        environment = {key: value for key, value in os.environ.items() if key != "UV_CONSTRAINT"}
        more = ["--no-deps"] if name == "triton" else ["--constraint", str(constraints)]
        if name == "cpu" and "UV_FIND_LINKS" not in environment:
            more += ["--torch-backend", "cpu"]
        if name != "cpu":
            environment.pop("UV_FIND_LINKS", None)
        command = [
            sys.executable, "-m", "uv", "pip", "compile", str(wanted), "--format", "pylock.toml", "--output-file", str(out), "--quiet", "--no-header",
            "--python-version", f"3.{minor}", "--python-platform", f"x86_64-manylinux_2_{glibc}", *more,
        ]  # fmt: skip
        ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(ran.stderr.strip()[-2000:])
        return tomllib.loads(out.read_text())


def _pinned(lock: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield a line a package: its best wheel, or its source where none fits."""
    order = {tag: at for at, tag in enumerate(_tags(*LOCKED[name]))}
    for package in lock["packages"]:
        files = [*package.get("wheels", ()), *([package["archive"]] if "archive" in package else [])]
        fitting = [(min(order[tag] for tag in tags & order.keys()), one) for one in files if (tags := parse_wheel_filename(_file(one))[3]) & order.keys()]  # fmt: skip
        best = min(fitting, key=lambda one: one[0])[1] if fitting else package["sdist"]
        yield f"{canonicalize_name(package['name'])}=={package['version']} --hash=sha256:{best['hashes']['sha256']}"


def _file(one: Mapping[str, Any]) -> str:
    """Return the name of a file of a lock, which names it, or its path or address."""
    where = one.get("name") or one.get("path") or one["url"]
    return str(where).rpartition("/")[2].replace("%2B", "+")


def _tags(minor: int, glibc: int) -> Iterator[Tag]:
    """Yield what an image can install, the best first."""
    platforms = [f"manylinux_2_{least}_x86_64" for least in range(glibc, 4, -1)] + ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]  # fmt: skip
    yield from cpython_tags((3, minor), [f"cp3{minor}"], platforms)
    yield from compatible_tags((3, minor), f"cp3{minor}", platforms)


def _there() -> dict[str, str]:
    """Return the markers of where it is installed, wherever this runs."""
    return {
        **{key: str(value) for key, value in default_environment().items()}, "python_version": "3.11", "python_full_version": "3.11.9", "sys_platform": "linux",
        "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix", "implementation_name": "cpython", "platform_python_implementation": "CPython",
    }  # fmt: skip


def main() -> int:
    """Check, or write with --write; 1 where something is wrong."""
    if sys.argv[1:] == ["--write"]:
        write(ROOT)
    wrong = check(ROOT)
    for one in wrong:
        print(f"locks: {one}. Renew them: make locks", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
