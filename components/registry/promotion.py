"""Which version is served: what a ruling, or a person with a reason, makes of the aliases `champion` and `challenger`.

A ruling is kept with the version that it is of: its outcome and its sentence as tags, all of it as files of its run.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from getpass import getuser
from pathlib import Path

from components.contracts.errors import Busy, ConfigError, DiptychError, GateClosed, Interrupted, TransientError
from components.contracts.promotion import COMPATIBLE, Ruling
from components.registry.store import Store, open_store, store_errors
from components.registry.turns import CHAMPION, Turn, by_right, by_right_besides
from components.registry.versions import ModelVersion, by_alias, by_label, version_of

CHALLENGER = "challenger"
VERDICT, SENTENCE = "diptych.verdict", "diptych.verdict.sentence"
APPROVED, APPROVED_BY, APPROVED_AT = "diptych.approved", "diptych.approved.by", "diptych.approved.at"
OLD_INDEX = "diptych.old_index"  # whether its texts were shown to find what they should on the champion's index, as `Finding.held`
PUT_BACK, GIVEN_BACK = "diptych.put_back", "diptych.given_back"
MAY_BE_SERVED = ("promoted", "approved")  # verdicts
RULINGS = "promotion"  # folder of a run's artifacts

Judge = Callable[[ModelVersion, ModelVersion | None], tuple[Ruling, str]]
"""Gives the ruling on a challenger against a champion, and the same as a page in Markdown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was decided about a version.

    Args:
        version: the one in question.
        champion: the one to serve, which may be the same; None where no version may be.
        sentence: what was decided, why, and how to decide otherwise by hand.
        ruling: what the rules gave; None where nothing was judged anew.
        page: what was decided now, as a page in Markdown; empty where nothing was.
        before: what was decided first, of versions that somebody had set the alias to by hand.
    """

    version: ModelVersion
    champion: ModelVersion | None
    sentence: str
    ruling: Ruling | None = None
    page: str = ""
    before: "tuple[Verdict, ...]" = ()

    @property
    def decided(self) -> "tuple[Verdict, ...]":
        """All that was decided now, in its order, this one last; none where nothing was."""
        return tuple(one for one in (*self.before, self) if one.page)

    @property
    def served(self) -> ModelVersion:
        """The champion; GateClosed, with what to do, when there is none."""
        if self.champion is None:
            raise GateClosed(self.sentence)
        return self.champion


def promote(store: Store, version: ModelVersion, judge: Judge, anew: bool = False) -> Verdict:
    """Return what becomes of a version, judged against the champion of the moment in which it takes over.

    Args:
        anew: whether a version is judged again of which the verdict was given. Unless it is, a champion that a person set stays.
    """
    before: list[Verdict] = []
    return replace(_promoted(store, version, judge, anew, before), before=tuple(before))


def _promoted(store: Store, version: ModelVersion, judge: Judge, anew: bool, before: list[Verdict]) -> Verdict:
    """Return the verdict; `before` gets those of versions that had the alias by hand meanwhile, and are settled first."""
    with store_errors(store.uri):
        while True:
            turn = Turn.next(store, version.name)
            champion = turn.champion
            if champion is not None and champion.version != turn.last:  # somebody gave it the alias by hand
                first = requested(store, version.name, judge)
                before.extend(first.decided)
                continue
            if champion is not None and champion.version == version.version:
                return Verdict(version=champion, champion=champion, sentence=f"{champion.label} is the champion.")
            tags = store.client.get_model_version(version.name, version.version).tags
            beaten = champion or _to_beat(store, turn, version)
            if beaten is not None and VERDICT in tags and not anew:
                return _unasked(_stays(version, champion, tags.get(SENTENCE, "")), beaten)
            ruling, page = judge(version, beaten)
            if ruling.outcome != "promoted":
                return _unasked(_keep(store, version, champion, ruling, page), beaten)
            if turn.move(
                store, version, partial(_record, store, version, ruling, page)
            ):  # else another was faster, and is to be beaten
                return _crowned(store, version, ruling, page)


def _to_beat(store: Store, turn: Turn, version: ModelVersion) -> ModelVersion | None:
    """Return who has the alias by right, and lost it by hand, or with a version that was deleted; None where nobody has, or the version itself."""
    if turn.last == version.version:
        return None
    for one in by_right_besides(store, version.name, version.version):
        if PUT_BACK not in store.client.get_model_version(one.name, one.version).tags:
            return one
    return None


def _unasked(verdict: Verdict, beaten: ModelVersion | None) -> Verdict:
    """Return a verdict that says, where no version has the alias, who had it by right."""
    if verdict.champion is not None or beaten is None:
        return verdict
    gone = f"No version has the alias champion any more, which {beaten.label} had by right, so none is asked for, and what is served stays"
    return replace(verdict, sentence=f"{gone}. {verdict.sentence}")


def requested(store: Store, name: str, judge: Judge) -> Verdict:
    """Return what becomes of the alias `champion` as somebody has set it, wherever: where it may not be, it is put back.

    A version may be served of which a ruling says so, or a person who signed for it: then and there, or earlier. Else it is judged now,
    against the version that had the alias by right before. Raises GateClosed where no version has the alias.
    """
    with store_errors(store.uri):
        while True:
            if by_alias(store, name, CHAMPION) is None:
                raise _none_asked_for(name)
            turn = Turn.next(store, name)
            asked = turn.champion
            if asked is None:  # it was taken away just now
                continue
            before = _served_last(store, name, asked) if turn.last is None else version_of(store, name, turn.last)
            if before is not None and before.version == asked.version:
                return Verdict(version=asked, champion=asked, sentence=f"{asked.label} is the champion.")
            tags = store.client.get_model_version(name, asked.version).tags
            if tags.get(VERDICT) in MAY_BE_SERVED:
                said = f"{asked.label} was made the champion by hand, and may be: {tags.get(SENTENCE, 'it was judged before')}"
                if turn.move(store, asked, lambda: None):
                    _no_challenger(store, asked)
                    return Verdict(version=asked, champion=asked, sentence=said, page=_page(asked, said))
                continue
            try:
                ruling, page = judge(asked, before)
            except DiptychError as err:
                if isinstance(err, TransientError | Busy | Interrupted):
                    raise
                return put_back(store, asked, before, f"it was made the champion by hand, and cannot be judged: {err}")
            if ruling.outcome == "promoted":
                if turn.move(store, asked, partial(_record, store, asked, ruling, page)):
                    return _crowned(store, asked, ruling, page)
                continue
            _record(store, asked, ruling, page)
            why = f"it was made the champion by hand, and may not be: {ruling.sentence}"
            return replace(put_back(store, asked, before, why), ruling=ruling, page=page)


def to_serve(store: Store, name: str, judge: Judge) -> Verdict:
    """Return which version a pod that only reads the registry is to serve: as `requested`, and nothing is kept or put back.

    Its champion is the version that has the alias where that may be served, by right, by what was decided earlier, or by a ruling that is given now; else
    the one that had it by right before, or was served or passed last, and the sentence says why. None where there is no such version. Raises GateClosed where no version has the alias.
    """
    with store_errors(store.uri):
        asked = by_alias(store, name, CHAMPION)
        if asked is None:
            raise _none_asked_for(name)
        last = by_right(store, name)
        if asked.version == last:
            return Verdict(version=asked, champion=asked, sentence=f"{asked.label} is the champion.")
        tags = store.client.get_model_version(name, asked.version).tags
        if tags.get(VERDICT) in MAY_BE_SERVED:
            said = (
                f"{asked.label} was made the champion by hand, and may be: {tags.get(SENTENCE, 'it was judged before')}"
            )
            return Verdict(version=asked, champion=asked, sentence=said)
        before, how = None if last is None else version_of(store, name, last), "had it by right before"
        if before is None:
            before, how = _served_last(store, name, asked), "was served last"
        if before is None:
            before, how = _passed_last(store, name), "passed last"
        ruling = None
        try:
            ruling, _ = judge(asked, before)
        except DiptychError as err:
            if isinstance(err, TransientError | Busy | Interrupted):
                raise
            why = f"it cannot be judged here: {err}"
        else:
            why = ruling.sentence
    if ruling is not None and ruling.outcome == "promoted":
        said = f"{asked.label} was made the champion by hand, and may be, which is not kept, since who serves only reads: {why}"
        return Verdict(version=asked, champion=asked, sentence=said, ruling=ruling)
    serves = f"{before.label}, which {how}, is served" if before else "none had it by right before, so none is served"
    mend = f"To judge it where that can be kept: diptych promote {asked.label}; to serve it all the same: diptych promote {asked.label} --because REASON"
    sentence = (
        f"{asked.label} has the alias champion, set by hand, and may not be served; {serves}: {why.rstrip('.')}. {mend}"
    )
    return Verdict(version=asked, champion=before, sentence=sentence, ruling=ruling)


def _none_asked_for(name: str) -> GateClosed:
    return GateClosed(
        f"no version of {name} has the alias champion, so none is asked for, and what is served stays. Set it in the registry, or: diptych promote {name}@N"
    )


def _served_last(store: Store, name: str, asked: ModelVersion) -> ModelVersion | None:
    """Return the version that was deployed last, but for the one that is asked for: turns are lost with the run that they are counted on."""
    found = [
        (its.tags["diptych.deployed_at"], ModelVersion.of(its))
        for its in store.client.search_model_versions(f"name = '{name}'")
        if "diptych.deployed_at" in its.tags
        and "diptych.replaced_at" not in its.tags
        and str(its.version) != asked.version
    ]
    return max(found, key=lambda one: one[0])[1] if found else None


def _passed_last(store: Store, name: str) -> ModelVersion | None:
    """Return the newest version that may be served by what was decided of it; turns are lost with the run that they are counted on."""
    found = [
        its for its in store.client.search_model_versions(f"name = '{name}'") if its.tags.get(VERDICT) in MAY_BE_SERVED
    ]
    return ModelVersion.of(max(found, key=lambda its: int(its.version))) if found else None


def put_back(store: Store, asked: ModelVersion, before: ModelVersion | None, why: str) -> Verdict:
    """Give the alias back to whoever had it by right, or to nobody, unless it is somebody else's by now; why is kept with the version.

    Args:
        asked: the version that has it.
        before: the one that is to have it; None where there is none.
    """
    now = by_alias(store, asked.name, CHAMPION)
    moved = now is None or now.version != asked.version  # by hand, meanwhile: that is a request of its own
    if before is not None:
        _by_right(store, before, alias=not moved)
    elif not moved:
        store.client.delete_registered_model_alias(asked.name, CHAMPION)
    where = f"the alias champion is {before.label}'s again" if before else "no version is the champion"
    if moved:
        where = f"the alias champion is {now.label}'s by now" if now else where
    sentence = f"{asked.label} is not served, and {where}: {why}"
    store.client.set_model_version_tag(asked.name, asked.version, PUT_BACK, sentence[:5000])
    return Verdict(version=asked, champion=before, sentence=sentence, page=_page(asked, sentence))


def _page(version: ModelVersion, sentence: str) -> str:
    """Return the page of what was decided without a ruling."""
    return f"# {version.label}\n\n{sentence}\n"


def _by_right(store: Store, version: ModelVersion, alias: bool) -> None:
    """Give a version the last turn, by which it is known who has the alias by right, and the alias."""
    while True:
        turn = Turn.next(store, version.name)
        if turn.last == version.version:
            if alias:
                turn.give_again(store)
            return
        if turn.move(store, version, lambda: None, alias):
            return


def give_back(store: Store, version: ModelVersion, left: str, because: str) -> None:
    """Make a version the champion again, in a turn of its own, since the endpoint has gone back to it.

    Where somebody has given the alias to a third one since, that is a request of its own, and stays.

    Args:
        left: the version, by its number, that the endpoint has left.
    """

    def record() -> None:
        store.client.set_model_version_tag(version.name, version.version, GIVEN_BACK, because[:5000])

    with store_errors(store.uri):
        while True:
            turn = Turn.next(store, version.name)
            alias = turn.champion is None or turn.champion.version in (left, version.version)
            if turn.move(store, version, record, alias):
                break
        _no_challenger(store, version)


def promote_by_hand(root: Path, label: str, because: str) -> str:
    """Make the version `clip@3` the champion, whatever was measured, and return one sentence.

    Who did so, when and why is kept with the version. ConfigError when the registry has no such version, or no reason is given.
    """
    if not because.strip():
        raise ConfigError(
            f"to serve {label} whatever was measured takes a reason, which is kept. Give it: diptych promote {label} --because REASON"
        )
    store = open_store(root)
    version = by_label(store, label)

    def record() -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for tag, said in (
            (VERDICT, "approved"), (APPROVED, because), (APPROVED_BY, getuser()), (APPROVED_AT, now),
            (SENTENCE, f"it was approved by hand: {because}"),
        ):  # fmt: skip
            store.client.set_model_version_tag(version.name, version.version, tag, said)

    with store_errors(store.uri):
        while not Turn.next(store, version.name).move(store, version, record):
            continue
        _no_challenger(store, version)
    return f"{label} is the champion, set by hand: {because}. It is served by: diptych deploy {version.name}, or by diptych watch and diptych ui, which see it"


def _crowned(store: Store, version: ModelVersion, ruling: Ruling, page: str) -> Verdict:
    _no_challenger(store, version)
    champion = replace(version, aliases=(CHAMPION,))
    return Verdict(version=champion, champion=champion, sentence=ruling.sentence, ruling=ruling, page=page)


def _keep(store: Store, version: ModelVersion, champion: ModelVersion | None, ruling: Ruling, page: str) -> Verdict:
    if CHALLENGER not in version.aliases:
        store.client.set_registered_model_alias(version.name, CHALLENGER, version.version)
    _record(store, version, ruling, page)
    return replace(_stays(version, champion, ruling.sentence), ruling=ruling, page=page)


def _stays(version: ModelVersion, champion: ModelVersion | None, sentence: str) -> Verdict:
    serve = f"To serve it all the same: diptych promote {version.label} --because REASON"
    if champion is not None and not sentence.startswith(f"{version.label} stays challenger and {champion.label} "):
        sentence = (
            f"{version.label} is not the champion, {champion.label} is. Of {version.label} it was said: {sentence}"
        )
    return Verdict(
        version=replace(version, aliases=(CHALLENGER,)), champion=champion, sentence=f"{sentence.rstrip('.')}. {serve}"
    )


def _no_challenger(store: Store, version: ModelVersion) -> None:
    challenger = by_alias(store, version.name, CHALLENGER)
    if challenger is not None and challenger.version == version.version:
        store.client.delete_registered_model_alias(version.name, CHALLENGER)


def _record(store: Store, version: ModelVersion, ruling: Ruling, page: str) -> None:
    against = f"against-{ruling.champion}" if ruling.champion else "first"
    store.client.log_text(version.run_id, json.dumps(ruling.as_json(), indent=2) + "\n", f"{RULINGS}/{against}.json")
    store.client.log_text(version.run_id, page, f"{RULINGS}/{against}.md")
    old_index = [one.held for one in ruling.findings if one.rule == COMPATIBLE]
    if not old_index and OLD_INDEX in store.client.get_model_version(version.name, version.version).tags:
        old_index = ["missing"]  # what was found against another champion says nothing of this one
    for tag, said in (
        (VERDICT, ruling.outcome),
        (SENTENCE, ruling.sentence),
        *((OLD_INDEX, held) for held in old_index),
    ):
        store.client.set_model_version_tag(version.name, version.version, tag, said[:5000])
