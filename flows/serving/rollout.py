"""From the alias `champion` to the endpoint: vetted, verified, tried on a share of the requests, switched, written down; or what served before still does.

Asked twice it does nothing the second time, and it may be killed anywhere: what serves goes on, a canary that nobody watches ends by
itself, and the next call finishes what the registry was not told.
"""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from components.contracts.deploying import Deploying
from components.contracts.errors import (
    Busy,
    DiptychError,
    GateClosed,
    StaleArtifact,
    TransientError,
    Untrusted,
)
from components.recipes.params import load_params
from components.registry.champion import files_of
from components.registry.deployments import (
    DEPLOYED_AT,
    ENDPOINT,
    SPACE,
    TRITON,
    say_deployed,
    say_failed,
    say_replaced,
)
from components.registry.promotion import OLD_INDEX, Verdict, give_back, put_back
from components.registry.signatures import check_signature
from components.registry.store import Store, open_store, store_errors
from components.registry.turns import CHAMPION, by_right_besides
from components.registry.versions import ModelVersion, by_alias, by_label
from components.serving.canary import Counts, Judged, counts_of
from components.serving.endpoint import Endpoint, read_endpoint
from components.serving.environment import ServingEnvironment
from components.serving.errors import NeverReady, ParityFailed, RequestRefused, ServerFailed
from components.serving.held import held_queries
from components.serving.indexes import Borrowed
from components.serving.package import Package
from components.serving.record import read_gateway
from components.serving.routes import read_routes
from components.serving.timeline import Timeline, read_timeline
from components.serving.triton import status
from components.serving.triton_client import TritonClient
from components.stages.lock import hold
from components.stages.place import private
from flows.promote import requested
from flows.serving.deploy import deploy, deploy_beside, end_beside, set_share, take_over
from flows.serving.reindex import own_indexes, stop_if_asked

LEASE_S = 60.0  # that a canary stands without anybody watching it
LOOK_EVERY_S = 0.5
MOST_SLOW = (
    3  # times in a row that a version's server may not answer in its time before that is the version's own fault
)
LOCK = "rollout.lock"
OWN_FAULTS = (Untrusted, StaleArtifact, ParityFailed, ServerFailed, RequestRefused)
"""What a version is refused for. Everything else is the world's fault, or of whoever runs it: the alias stays, and another call tries again."""

RUN_WAITS_S = 300.0

Show = Callable[[Verdict], None]
"""Has people see what was decided, and raises nothing where they do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """What became of a request.

    Args:
        outcome: `served`: it is, since now; `already served`; `refused`: what served before still does.
        label: the version that is served now; empty where none is.
        sentence: what was done, and why.
        timeline: what was done, and when; None where nothing had to be.
    """

    outcome: Literal["served", "already served", "refused"]
    label: str
    sentence: str
    timeline: Timeline | None = None


class Refused(GateClosed):
    """A version that may not be served as it is; what served before still does, and has the alias again."""


def rollout(
    root: Path, model: str, store: Store | None = None, wait_s: float = 0.0, show: Show = lambda verdict: None
) -> Rolled:
    """Bring the endpoint of a workspace to what the alias `champion` of a registered model asks for.

    Args:
        wait_s: seconds that another may still deploy.
        show: gets what was decided about the version that was asked for, once the endpoint is done with, also where that went wrong: it is not decided again.

    Raises GateClosed where no version has the alias, CapabilityError where this machine cannot run the server, Busy while another
    deploys, ConfigError where params.yaml makes no sense, TransientError where registry or server do not answer: the alias stays then,
    and another call tries again.
    """
    store = store or open_store(root)
    while True:
        with _alone(root, wait_s):
            catch_up(root, store)
        verdict = requested(root, model, store)  # may take minutes, in which the way back must be free
        try:
            rolled = _rolled(root, model, verdict, store, wait_s)
        finally:
            for one in verdict.decided:
                show(one)
        if rolled is not None:
            return rolled


def _rolled(root: Path, model: str, verdict: Verdict, store: Store, wait_s: float) -> Rolled | None:
    """Return what became of a verdict; None where somebody asks for another version by now."""
    if verdict.champion is None:
        return Rolled(outcome="refused", label=served_label(root), sentence=verdict.sentence)
    with _alone(root, wait_s):
        catch_up(root, store)
        with store_errors(store.uri):
            now = by_alias(store, model, CHAMPION)
        if now is None or now.version != verdict.champion.version:
            return None
        try:
            rolled = _bring(root, verdict.champion, store)
        except Refused as err:
            return Rolled(outcome="refused", label=served_label(root), sentence=str(err), timeline=read_timeline(root))
    if verdict.version.version != verdict.champion.version:  # it was refused; who had the alias has it again
        return Rolled(outcome="refused", label=rolled.label, sentence=verdict.sentence, timeline=rolled.timeline)
    return rolled


def bring(root: Path, version: ModelVersion, store: Store | None = None) -> ModelVersion:
    """Serve a version that may be served, once whoever deploys has ended, or the one that is asked for by now; return which.

    Refused where it turns out that it may not. Others as of `rollout`.
    """
    store = store or open_store(root)
    while True:
        with _alone(root, RUN_WAITS_S):
            catch_up(root, store)
            with store_errors(store.uri):
                now = by_alias(store, version.name, CHAMPION)
            if now is not None and now.version == version.version:
                _bring(root, version, store)
                return version
        rolled = rollout(root, version.name, store, RUN_WAITS_S)  # the alias was moved since that was decided
        if rolled.outcome != "refused":  # else somebody has it again
            return by_label(store, rolled.label)


def _alone(root: Path, wait_s: float) -> AbstractContextManager[None]:
    return hold(private(root, "locks") / LOCK, f"the endpoint of {root}", wait_s=wait_s)


def _bring(root: Path, version: ModelVersion, store: Store) -> Rolled:
    rules, now = load_params(root).deploy, status(root)
    if now.state == "serving" and now.endpoint is not None and now.endpoint.package_digest == version.digest:
        if now.endpoint.label != version.label:
            deploy(files_of(version, root, store), root, version.label)  # the same package by another name
        return Rolled(outcome="already served", label=version.label, sentence=f"{version.label} is served already.")
    ServingEnvironment.find(root)  # before anything is done
    read_routes(root)
    before = now.endpoint.label if now.endpoint is not None else ""
    last = read_timeline(root)
    slow = last.slow if last is not None and last.label == version.label and last.outcome == "failed" else 0
    timeline = Timeline(label=version.label, before=before, slow=slow)
    timeline.write(root)
    try:
        folder, vouched = _vouched(root, version, store, rules)
        timeline.step(root, "files", f"all of {folder.name} are what was registered")
        timeline.step(root, "signature", vouched)
        stop_if_asked(root)
        lent = _lent(version, folder, store, rules)
        with own_indexes(root, folder, version.label, rules, timeline, lent):  # as of its first request
            endpoint = _served(root, folder, version.label, rules, timeline)
    except BaseException as err:
        why = str(err) if isinstance(err, DiptychError | OSError) else type(err).__name__
        if timeline.outcome == "served":  # only the end of what served before went wrong
            raise
        timeline.slow += isinstance(err, NeverReady)
        timeline.own_fault = isinstance(err, OWN_FAULTS) or timeline.slow >= MOST_SLOW
        timeline.ended(root, "failed", why)
        if not timeline.own_fault:
            _told(root, timeline, lambda: say_failed(store, version, why))
            raise
        raise Refused(_refused(root, version, why, timeline, store)) from err
    _told(root, timeline, lambda: _say_served(root, store, version, endpoint, timeline))
    after = f" after {timeline.steps[-1]['seconds']:.0f} s" + (f", in place of {before}" if before else "")
    return Rolled(
        outcome="served", label=version.label, sentence=f"{version.label} is served{after}.", timeline=timeline
    )


def _vouched(root: Path, version: ModelVersion, store: Store, rules: Deploying) -> tuple[Path, str]:
    """Return the files of a version, and what their signature says.

    Where the workspace has made the same model anew, its manifest is not the one that was signed: then they are those that were registered.
    """
    folder = files_of(version, root, store)
    try:
        return folder, check_signature(store, version.run_id, version.label, folder, root, rules)
    except Untrusted:
        registered = files_of(version, root, store, own=False)
        if registered == folder:
            raise
        return registered, check_signature(store, version.run_id, version.label, registered, root, rules)


def _lent(version: ModelVersion, folder: Path, store: Store, rules: Deploying) -> Borrowed | None:
    """Return whose vectors the words of a version were shown to find what they should by; None where they were not, or those are not wanted."""
    old = json.loads((folder / "manifest.json").read_text(encoding="utf-8")).get("compatible_with")
    if not old or rules.old_index != "searched":
        return None
    with store_errors(store.uri):
        held = store.client.get_model_version(version.name, version.version).tags.get(OLD_INDEX)
    return Borrowed(space=old["space"], label=old["label"]) if held == "holds" else None


def _served(root: Path, folder: Path, label: str, rules: Deploying, timeline: Timeline) -> Endpoint:
    """Return the server of a package that all requests go to now."""
    for one in read_routes(root).beside:
        if one.until is not None:  # a canary that somebody was killed over
            end_beside(root, one.endpoint)
    pictures, texts = held_queries(Package.verify(folder), root)

    def handed() -> None:
        timeline.ended(root, "served")

    asked = (
        f"{len(pictures)} pictures and {len(texts)} texts of its index, and odd ones, are answered as the package does"
    )
    by_shares = rules.canary and status(root).state == "serving" and read_gateway(root) is not None
    if not by_shares:

        def proven() -> None:
            timeline.step(root, "parity", asked)
            handed()

        return deploy(
            folder, root, label, pictures=pictures, texts=texts, latency_ms=rules.latency_ms, timeout_s=rules.ready_s, handed=proven
        )  # fmt: skip
    first = 0.0 if rules.shadow else rules.canary[0]
    endpoint = deploy_beside(
        folder, root, label, first, rules.shadow, until=time.time() + LEASE_S,
        pictures=pictures, texts=texts, latency_ms=rules.latency_ms, timeout_s=rules.ready_s,
    )  # fmt: skip
    try:
        timeline.step(root, "parity", asked)
        judged = Judged(label, rules, counts_of(root))
        for at, share in enumerate(rules.canary, 1):
            _watch(root, endpoint, 0.0 if rules.shadow else share, rules, judged, at == len(rules.canary))
            what = "shadow" if rules.shadow else f"canary {share:.0%}"
            timeline.step(root, what, _fares(judged.counts(counts_of(root))))
        take_over(root, endpoint, handed)
    except BaseException:
        with suppress(Busy):  # else its lease ends it
            end_beside(root, endpoint)
        raise
    return endpoint


def _watch(root: Path, endpoint: Endpoint, share: float, rules: Deploying, judged: Judged, last: bool) -> None:
    """Let a canary have a share for `rules.step_s` seconds, and the last one for as many more where it may be too slow. ServerFailed or ParityFailed as soon as something speaks against it."""
    until, renewed = time.monotonic() + rules.step_s, float("-inf")
    while True:
        if time.monotonic() - renewed > LEASE_S / 4:
            set_share(root, endpoint, share, rules.shadow, time.time() + LEASE_S)
            renewed = time.monotonic()
        stop_if_asked(root)
        if not endpoint.process.is_alive():
            raise ServerFailed(f"the server of {endpoint.label} ended while it had {share:.0%} of the requests.")
        main, now = read_routes(root).main, counts_of(root)
        fault = judged.fault(now, main.label if main else "", same_space=main is None or main.space == endpoint.space)
        suspicion = judged.suspicion if last else None
        left_s = until - time.monotonic() + (rules.step_s if suspicion else 0.0)
        if left_s <= 0:
            fault = fault or suspicion
        if fault:
            raise ParityFailed(f"{endpoint.label} was taken back: {fault}.")
        if left_s <= 0:
            return
        time.sleep(min(LOOK_EVERY_S, left_s))


def _fares(its: Counts) -> str:
    if not its.asked:
        return "no request came its way"
    return f"{its.asked:.0f} requests, {its.failed:.0f} failed, {1e3 * its.mean_s:.1f} ms each"


def _refused(root: Path, version: ModelVersion, why: str, timeline: Timeline, store: Store) -> str:
    """Put the alias back, and return what happened; where the registry cannot be told, the next call does."""
    sentence = f"{version.label} is not served: {why}"

    def tell() -> None:
        nonlocal sentence
        sentence = _say_refused(store, version, timeline)

    _told(root, timeline, tell)
    return sentence


def _say_refused(store: Store, version: ModelVersion, timeline: Timeline) -> str:
    """Tag a version with why it is not served, and give the alias back to whoever had it by right; return one sentence."""
    say_failed(store, version, timeline.why, timeline.as_json())
    with store_errors(store.uri):
        before = next(by_right_besides(store, version.name, version.version), None)
        return put_back(store, version, before, timeline.why).sentence


def catch_up(root: Path, store: Store) -> None:
    """Tell the registry what it could not be told when it happened, or by whoever was killed. TransientError where it still cannot."""
    timeline, endpoint = read_timeline(root), read_endpoint(root)
    if timeline is None or timeline.recorded:
        return
    if timeline.outcome == "under way":  # whoever did it was killed, since the lock is ours
        if endpoint is None or endpoint.label != timeline.label:
            return
        timeline.ended(root, "rolled back" if timeline.back else "served", timeline.why)
    version = _version(store, timeline.label, timeline.label.partition("@")[0])
    if version is not None and timeline.outcome == "served":
        if endpoint is not None and endpoint.label == version.label:
            _say_served(root, store, version, endpoint, timeline)
    elif version is not None and timeline.outcome == "failed":
        if timeline.own_fault:
            _say_refused(store, version, timeline)
        else:
            say_failed(store, version, timeline.why)
    elif version is not None:
        say_went_back(store, version, timeline)
    timeline.recorded = True
    timeline.write(root)


def say_went_back(store: Store, version: ModelVersion, timeline: Timeline) -> None:
    """Give the alias to what was gone back to, and tell of both versions what happened."""
    left = _version(store, timeline.before, version.name)
    give_back(store, version, left.version if left is not None else "", timeline.why)
    if left is not None:
        say_failed(store, left, f"the endpoint went back to {version.label}: {timeline.why}", timeline.as_json())
        say_replaced(store, left, datetime.now(UTC).isoformat(timespec="seconds"))
    say_deployed(store, version, {DEPLOYED_AT: timeline.began}, timeline.as_json())


def _say_served(root: Path, store: Store, version: ModelVersion, endpoint: Endpoint, timeline: Timeline) -> None:
    gateway = read_gateway(root)
    with TritonClient(endpoint.http) as client:
        said = {
            DEPLOYED_AT: timeline.steps[-1]["at"], ENDPOINT: gateway.url if gateway else f"http://{endpoint.http}",
            TRITON: str(client.metadata()["version"]), SPACE: endpoint.space,
        }  # fmt: skip
    say_deployed(store, version, said, timeline.as_json())
    before = _version(store, timeline.before, version.name)
    if before is not None and before.version != version.version:
        say_replaced(store, before, said[DEPLOYED_AT])


def _told(root: Path, timeline: Timeline, tell: Callable[[], None]) -> None:
    """Tell the registry; where it does not answer, what was done stands, and the next call tells it."""
    try:
        tell()
    except (DiptychError, OSError):
        return
    timeline.recorded = True
    timeline.write(root)


def _version(store: Store, label: str, name: str) -> ModelVersion | None:
    """Return the version of a label of that model; None where it is of another, or is gone."""
    if label.partition("@")[0] != name:
        return None
    try:
        return by_label(store, label)
    except TransientError:
        raise
    except DiptychError:
        return None


def served_label(root: Path) -> str:
    """Return the version that was handed over last; empty where none was."""
    try:
        endpoint = read_endpoint(root)
    except StaleArtifact:
        return ""
    return endpoint.label if endpoint is not None else ""
