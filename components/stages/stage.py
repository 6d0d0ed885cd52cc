"""What a stage's body gets: where it is, whom to tell, where to write, and where to keep what it has done so far."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from components.contracts.errors import ConfigError
from components.contracts.progress import Progress
from components.stages.output import written
from components.stages.place import address, private
from components.stages.resume import resume_base, resume_folder
from components.stages.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a stage's body gets.

    Args:
        root: the workspace, the folder of dvc.yaml.
        name: such as `curate`.
        recipe: whose instance this is; None for a stage that does not depend on a recipe.
        progress: call it after each piece of work; it raises Interrupted when a signal has come.
        signals: keeps signals back while outputs are renamed.
    """

    root: Path
    name: str
    recipe: str | None
    progress: Progress
    signals: Signals = field(default_factory=Signals)

    @property
    def address(self) -> str:
        """The name DVC uses, `curate@clip`."""
        return address(self.name, self.recipe)

    @property
    def the_recipe(self) -> str:
        """The recipe's name, for a stage that needs one; ConfigError when it was started without."""
        if self.recipe is None:
            raise ConfigError(
                f"{self.name} runs for one recipe. Start it with --recipe NAME, or by dvc repro {self.name}@NAME."
            )
        return self.recipe

    @overload
    def output(self, path: str | Path, /) -> AbstractContextManager[Path]: ...
    @overload
    def output(self, path: str | Path, /, *more: str | Path) -> AbstractContextManager[tuple[Path, ...]]: ...
    def output(self, *paths: str | Path) -> AbstractContextManager[Path] | AbstractContextManager[tuple[Path, ...]]:
        """Yield an empty folder for each of `paths`, relative to root; a single one as it is, several as a tuple.

        They become the outputs, all together, when the block ends well; nothing of them stays when it does not.
        """
        folders = written(self.root, paths, private(self.root, "tmp", self.address), self.signals.held)
        return _only(folders) if len(paths) == 1 else folders

    def resume_dir(self, inputs: Sequence[Path], numbers: object) -> Path:
        """Return the folder where this stage keeps what it has done so far; empty when there is nothing to go on from.

        It is named by a digest of the bytes of `inputs` (files or folders), of `numbers` (what JSON can say, or
        dataclasses) and of the source of all loaded components, and goes when the stage succeeds. What was begun with
        another digest is not gone on with, which is said, unless DIPTYCH_RESUME names it.
        """

        def say(said: str) -> None:
            print(f"{self.address}: {said}", flush=True)

        return resume_folder(resume_base(self.root, self.name, self.recipe), self.root, inputs, numbers, say)


@contextmanager
def _only(folders: AbstractContextManager[tuple[Path, ...]]) -> Iterator[Path]:
    with folders as (folder,):
        yield folder
