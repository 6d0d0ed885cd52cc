"""Whose turn it is to move the alias `champion`: of two who judged at once, one moves it and the other judges again.

MLflow keeps the first value of a run's param for good, whoever writes it and on whichever store; that is all that is needed. Turns are
counted on the run of a model's first version: `diptych.promotion.<n>` names who took turn n and whether the alias moves, a tag beside
it says that it was ended. One who is killed between the two leaves a turn that the next one ends for him, so that nothing waits for long. One who
was only slow, and moved the alias after that, gives it to whoever took the last turn.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from components.contracts.errors import DataError
from components.registry.store import Store, gone_already
from components.registry.versions import ModelVersion, by_alias, version_of

CHAMPION = "champion"
_TAKEN, _DONE = "diptych.promotion.", "diptych.promoted."
_NO_ALIAS = "no-alias"
_PATIENCE_S, _LOOK_EVERY_S = 5.0, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The next turn, with the champion as it was when it was asked for.

    Args:
        name: of the registered model.
        number: of the turn, from 1.
        champion: who is to be beaten; None where there is none.
        last: the version that the last turn gave the alias to, which a hand may have moved since; None where none was taken.
        run_id: where turns are counted.
    """

    name: str
    number: int
    champion: ModelVersion | None
    last: str | None
    run_id: str

    @classmethod
    def next(cls, store: Store, name: str) -> "Turn":
        """Return the turn after the last, which is waited for, and ended for one who does not end it himself."""
        run_id = _first_run(store, name)
        number, deadline = _last(store, run_id), time.monotonic() + _PATIENCE_S
        while number and not _is_done(store, run_id, number):
            if time.monotonic() > deadline:
                _end(store, name, run_id, number)
            time.sleep(_LOOK_EVERY_S)
            number = _last(store, run_id)
        last = _taken_by(store, run_id, number) if number else None
        return cls(name=name, number=number + 1, champion=by_alias(store, name, CHAMPION), last=last, run_id=run_id)

    def move(self, store: Store, version: ModelVersion, record: Callable[[], None], alias: bool = True) -> bool:
        """Make a version the champion, and return True; False, with nothing done, where another took this turn.

        Args:
            record: writes down why, once the turn is ours and before the alias is.
            alias: whether it gets the alias too; else somebody else has it by hand, and keeps it until that is judged.
        """
        from mlflow.exceptions import MlflowException

        key, whether = f"{_TAKEN}{self.number}", "alias" if alias else _NO_ALIAS
        try:
            store.client.log_param(self.run_id, key, f"{version.version} {uuid.uuid4().hex} {whether}")
        except MlflowException:
            if key not in store.client.get_run(self.run_id).data.params:
                raise
            return False
        record()
        if not _is_done(store, self.run_id, self.number):  # else we were so slow that another ended our turn
            _end(store, self.name, self.run_id, self.number)
        return True

    def give_again(self, store: Store) -> None:
        """Give the alias to the version of the last turn, whoever has it now."""
        _give(store, self.name, self.run_id, self.number - 1)


def by_right(store: Store, name: str) -> str | None:
    """Return the version that took the last turn, ended or not, writing nothing; None where none was taken."""
    run_id = _first_run(store, name)
    number = _last(store, run_id)
    return _taken_by(store, run_id, number) if number else None


def by_right_besides(store: Store, name: str, version: str) -> Iterator[ModelVersion]:
    """Yield who has the alias by right but for one version, last first, of those that the registry has still.

    A version is left where one before it gets the alias again, as by the way back, and is none of them: two that are refused one after the other do not
    give it to each other for ever.
    """
    run_id = _first_run(store, name)
    params = store.client.get_run(run_id).data.params
    standing: list[str] = []
    for number in range(1, _last(store, run_id) + 1):
        taken = str(params[f"{_TAKEN}{number}"]).partition(" ")[0]
        standing = [*(standing[: standing.index(taken)] if taken in standing else standing), taken]
    found = (version_of(store, name, one) for one in reversed(standing) if one != version)
    yield from (one for one in found if one is not None)


def _first_run(store: Store, name: str) -> str:
    """Return the run of the first version that has one which nobody deleted: to one that was, nothing can be written."""
    versions = sorted(store.client.search_model_versions(f"name = '{name}'"), key=lambda one: int(one.version))
    first = next((str(one.run_id) for one in versions if one.run_id and _is_active(store, one.run_id)), None)
    if first is None:
        raise DataError(
            f"the runs of all versions of {name} were deleted, so nothing can be promoted. Restore one on MLflow's page."
        )
    return first


def _is_active(store: Store, run_id: str) -> bool:
    with gone_already():  # for good, as `mlflow gc` does
        return bool(store.client.get_run(run_id).info.lifecycle_stage == "active")
    return False


def _last(store: Store, run_id: str) -> int:
    taken = [name for name in store.client.get_run(run_id).data.params if name.startswith(_TAKEN)]
    return max((int(name.removeprefix(_TAKEN)) for name in taken), default=0)


def _taken_by(store: Store, run_id: str, number: int) -> str:
    """Return which version a turn is for."""
    return _words(store, run_id, number)[0]


def _words(store: Store, run_id: str, number: int) -> list[str]:
    """Return what is written of a turn: its version, who took it, and whether the alias moves, which it does in one of an older diptych."""
    return str(store.client.get_run(run_id).data.params[f"{_TAKEN}{number}"]).split()


def _is_done(store: Store, run_id: str, number: int) -> bool:
    return f"{_DONE}{number}" in store.client.get_run(run_id).data.tags


def _end(store: Store, name: str, run_id: str, number: int) -> None:
    version, *about = _words(store, run_id, number)
    if _NO_ALIAS not in about:
        _give(store, name, run_id, number)
    store.client.set_tag(run_id, f"{_DONE}{number}", version)


def _give(store: Store, name: str, run_id: str, number: int) -> None:
    """Give the alias to the version of a turn; where that came so late that it undid what came after, to that of the last turn."""
    version = _taken_by(store, run_id, number)
    store.client.set_registered_model_alias(name, CHAMPION, version)
    last = _last(store, run_id)
    if last != number:
        now = by_alias(store, name, CHAMPION)
        if now is not None and now.version == version:  # else somebody has moved it since
            _give(store, name, run_id, last)
