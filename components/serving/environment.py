"""The serving environment: an interpreter of its own and the tritonserver that the nvidia-pytriton wheel ships.

It is looked at from outside, never imported: the wheel needs numpy below 2, and our own environment does not.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contracts.errors import CapabilityError

FOLDER = ".venv-serving"
REMEDY = "all up to the registered model works without, and `make run` serves it once that is mended"
WHEEL = "nvidia-pytriton"
NEEDED = (WHEEL, "numpy", "onnxruntime", "pillow", "tokenizers")
PROBE_S = 60
BACKENDS = Path(__file__).parent / "backends"

# Run by the serving interpreter; it imports none of the packages, so it takes a tenth of a second.
FACTS = """
import json, sys, sysconfig
from importlib.metadata import PackageNotFoundError, version
def found(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
print(json.dumps({
    "python": "%d.%d" % sys.version_info[:2], "site": sysconfig.get_path("platlib"),
    "libdir": sysconfig.get_config_var("LIBDIR"), "libpython": sysconfig.get_config_var("INSTSONAME"),
    "versions": {name: found(name) for name in sys.argv[1:]},
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingEnvironment:
    """What is needed to start the server.

    Args:
        python: the interpreter that the server's Python stubs run on.
        python_version: such as "3.11"; the wheel has one stub for each.
        wheel: the folder that holds bin/tritonserver.
        libraries: folders with the wheel's libraries and with libpython.
    """

    python: Path
    python_version: str
    wheel: Path
    libraries: tuple[Path, ...]

    @property
    def server(self) -> Path:
        """The executable."""
        return self.wheel / "bin" / "tritonserver"

    @classmethod
    def find(cls, root: Path) -> "ServingEnvironment":
        """Return the environment in `root`/.venv-serving.

        Raises CapabilityError, saying in one sentence why nothing can be served here, when it cannot run Triton.
        """
        if sys.platform != "linux":
            raise _unable(f"Triton's server runs on Linux only, and this is {sys.platform}")
        python = root / FOLDER / "bin" / "python"
        if not python.exists():
            raise _unable(f"there is no {FOLDER}/bin/python in {root}")
        facts = _facts(python)
        missing = [name for name, version in facts["versions"].items() if version is None]
        if WHEEL in missing:
            here = f"{platform.machine()} with {' '.join(platform.libc_ver()) or 'another C library'}"
            raise _unable(f"{FOLDER} has no {WHEEL}, which needs x86_64 or aarch64 with glibc 2.35 (here: {here})")
        if missing:
            raise _unable(f"{FOLDER} has no {', '.join(missing)}")
        if int(facts["versions"]["numpy"].split(".")[0]) >= 2:
            raise _unable(
                f"{FOLDER} has numpy {facts['versions']['numpy']}, with which Triton reads wrong values in silence"
            )
        site = Path(facts["site"])
        environment = cls(
            python=python,
            python_version=facts["python"],
            wheel=site / "pytriton" / "tritonserver",
            libraries=(site / "nvidia_pytriton.libs", Path(facts["libdir"] or "/nonexistent")),
        )
        environment._check(facts["libpython"] or "libpython")
        return environment

    def _check(self, libpython: str) -> None:
        """Raise CapabilityError unless server, stub and libpython are here and the server can be loaded."""
        stub = self._stub()
        if not stub.exists():
            raise _unable(f"the wheel has no stub for Python {self.python_version}")
        if not libpython.endswith((".so", ".so.1.0")) or not (self.libraries[-1] / libpython).exists():
            raise _unable(f"Python {self.python_version} of {FOLDER} has no shared libpython, which Triton embeds")
        try:
            probe = subprocess.run(
                [self.server, "--help"], env=self.variables(), capture_output=True, text=True, timeout=PROBE_S
            )
        except OSError as err:  # another processor, or no such file
            raise _unable(f"{self.server} cannot be started ({err.strerror})") from err
        if "Usage:" not in probe.stdout + probe.stderr:
            reason = (probe.stderr or probe.stdout).strip().splitlines() or [f"exit code {probe.returncode}"]
            raise _unable(f"tritonserver cannot be loaded here: {reason[0].rpartition('tritonserver: ')[2]}")

    def stage_backends(self, target: Path) -> Path:
        """Lay the Python backend, with the stub for our interpreter, and our own backends under `target`."""
        python = target / "python"
        python.mkdir(parents=True)
        for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
            shutil.copy2(self.wheel / "backends" / "python" / name, python / name)
        shutil.copy2(self._stub(), python / self._stub().name)
        for model in BACKENDS.glob("*/model.py"):
            (target / model.parent.name).mkdir()
            shutil.copyfile(model, target / model.parent.name / model.name)
        return target

    def variables(self) -> dict[str, str]:
        """Return the whole environment of the server: nothing of ours is handed on, so no password is.

        The stubs embed libpython and take the first python3 on PATH as theirs; PYTHONPATH they ignore.
        """
        return {
            "LD_LIBRARY_PATH": os.pathsep.join(str(folder) for folder in self.libraries),
            "PATH": os.pathsep.join((str(self.python.parent), "/usr/bin", "/bin")),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",  # threads of numpy's BLAS would wait on each other's requests
            "OPENBLAS_NUM_THREADS": "1",
        }

    def _stub(self) -> Path:
        return self.wheel / "python_backend_stubs" / self.python_version / "triton_python_backend_stub"


def _facts(python: Path) -> dict[str, Any]:
    command = [str(python), "-I", "-c", FACTS, *NEEDED]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_S, check=True)
    except (OSError, subprocess.SubprocessError) as err:
        raise _unable(f"{python} does not run ({type(err).__name__})") from err
    return dict(json.loads(answer.stdout))


def _unable(why: str) -> CapabilityError:
    return CapabilityError(f"Nothing is served, because {why}; {REMEDY}.")
