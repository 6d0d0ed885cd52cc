"""`diptych hooks`: from an MLflow server's webhooks to runs on a Prefect server, until Ctrl-C."""

from pathlib import Path

from components.contracts.address import without_login, without_password
from components.contracts.errors import ConfigError, DiptychError
from components.registry.hooks import AliasSet
from components.registry.store import open_store, store_uri
from components.registry.turns import CHAMPION
from components.stages.lock import hold
from components.stages.place import private
from flows.loopback import HOST, checked_port, free_port, is_free
from flows.ours import champions, is_behind, own_models
from flows.telling.automations import DEPLOY, set_up_automations
from flows.webhooks.secrets import rotate_secret, webhook_secrets
from flows.webhooks.webhook import ensure_webhook, webhook_name

FIRST_PORT = 8810
DRAIN_S = 15


def hooks(
    root: Path, port: int | None = None, url: str | None = None, rotate: bool = False, tell_only: bool = False
) -> None:
    """Receive what the MLflow server of MLFLOW_TRACKING_URI tells, on this machine alone, and hand it to Prefect.

    Automation and webhook are set up first; both are there afterwards, and need no second look. What was set while nobody
    listened is caught up with: a served model whose champion is another by now is told of.

    Args:
        port: to listen on; a free one unless given.
        url: where MLflow sends to, if there is a proxy between it and us; loopback unless given.
        rotate: whether the webhook gets a new secret; the one before is believed until the next rotation.
        tell_only: whether Prefect is only told, and no automation is set up, as where no deployment `deploy/manual` could do anything.

    Raises ConfigError where a server is not named or a port is taken, TransientError where a server does not answer, Busy
    while another receiver serves this workspace.
    """
    store = store_uri(root)
    if not store.startswith(("http://", "https://")):
        raise ConfigError(
            f"the MLflow store is {without_password(store)}, and only a server sends webhooks. Name yours in MLFLOW_TRACKING_URI; "
            "what is asked for in a file is served by: diptych watch"
        )
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise ConfigError(
            "no Prefect server is named that could run the flow deploy. Name yours in PREFECT_API_URL; without one, what is "
            "asked for is served by: diptych watch"
        )
    if port is not None and not is_free(checked_port(port)):
        raise ConfigError(
            f"port {port} is in use by another program. Give another one: diptych hooks --port {free_port(port + 1)}"
        )
    with hold(private(root, "locks") / "hooks.lock", f"the webhook of {root}"):
        port = port or free_port(FIRST_PORT)
        changed = set_up_automations(root, [] if tell_only else [DEPLOY])
        secret = rotate_secret(root) if rotate else webhook_secrets(root)[0]
        hook = ensure_webhook(store, webhook_name(root), url or f"http://{HOST}:{port}/mlflow", secret)
        how = "made" if hook.made else "brought up to date"
        print(
            f"Prefect    {without_login(str(PREFECT_API_URL.value()))}: {len(changed)} automations made or changed",
            flush=True,
        )
        print(
            f"MLflow     {without_password(store)}: webhook {webhook_name(root)} {how}, sends to {hook.url}", flush=True
        )
        _catch_up(root)
        _serve(root, port)


def _catch_up(root: Path) -> None:
    import asyncio

    from flows.webhooks.receiver import tell_alias_set

    for model, version in champions(open_store(root), own_models(root)).items():
        if version is not None and is_behind(root, model, version):
            asyncio.run(tell_alias_set(AliasSet(model=model, alias=CHAMPION, version=version, delivery="")))
            print(
                f"Caught up  {CHAMPION} of {model} is {model}@{version}, which was set while nobody listened",
                flush=True,
            )


def _serve(root: Path, port: int) -> None:
    import uvicorn

    from flows.webhooks.receiver import Receiver

    def log(line: str) -> None:
        print(line, flush=True)

    app = Receiver(root, log=log).app()
    log(f"Receiving  http://{HOST}:{port}/mlflow. Ctrl-C stops it.")
    config = uvicorn.Config(
        app, host=HOST, port=port, log_level="error", limit_concurrency=64, timeout_keep_alive=5, server_header=False,
        timeout_graceful_shutdown=DRAIN_S, lifespan="off",
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        raise DiptychError(f"nothing could listen on port {port}. Give another one: diptych hooks --port")
