"""Prefect's and MLflow's servers on PostgreSQL, each with a password; MLflow hands artifacts on to S3 itself."""

import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from flows.loopback import HOST
from flows.mlflow_users import JOBS, SERVING, VARIABLES
from flows.page_apps import ARTIFACTS, LEASES, SPOOL, STORE, USERS, kept_for
from flows.pages import said_mlflow
from flows.stack.deployments import DEPLOY_WITHIN_S
from flows.stack.objects import keys_of
from flows.stack.place import USER, Place, write_private
from flows.stack.prefect_set_up import set_up
from flows.stack.service import Service, answers
from flows.telling.again import tried

CALM = {
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT15S", "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "15", "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60", "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "15",
}  # fmt: skip
"""How often Prefect's server looks at what changes by the minute; its own choice, mostly every 5 s, is of a server of thousands of runs."""


def prefect(place: Place) -> Service:
    """Return Prefect's server, whose pools, deployments and automations are made as soon as it is well."""
    return Service(
        name="prefect", what="Prefect", version=version("prefect"), address=place.url("prefect"), command=_uvicorn("prefect_page", place.ports["prefect"]),
        folder=place.root, after=("postgres",), fault=answers(f"{place.url('prefect')}/api/health"), set_up=lambda: set_up(place),
        busy_s=DEPLOY_WITHIN_S,
        environment={
            "PREFECT_HOME": str(_made(place.data / "prefect")), "PREFECT_SERVER_DATABASE_CONNECTION_URL": place.database("prefect", "prefect", "asyncpg"),
            "PREFECT_SERVER_API_AUTH_STRING": f"{USER}:{place.passwords['prefect']}", "PREFECT_UI_API_URL": "/api",
            "PREFECT_UI_STATIC_DIRECTORY": str(place.data / "prefect" / "page"), "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_SERVER_METRICS_ENABLED": "true",
            **kept_for(), **tried(),
            # more than SILENT_S: a place that was given back before its run counts as crashed is given back twice, the other time of whoever has it then
            **CALM, **LEASES, "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "150",
        },
        metrics=f"{place.url('prefect')}/api/metrics",
    )  # fmt: skip


def mlflow(place: Place) -> Service:
    """Return MLflow's server, with its webhooks on."""
    users = place.data / "mlflow-users.ini"
    return Service(
        name="mlflow", what="MLflow", version=version("mlflow"), address=place.url("mlflow"), command=_uvicorn("mlflow_page", place.ports["mlflow"]),
        folder=place.data, after=("postgres", "s3"), fault=answers(f"{place.url('mlflow')}/health"), prepare=lambda: _users(place, users),
        environment={
            STORE: place.database("mlflow", "mlflow", "psycopg2"), ARTIFACTS: "s3://mlflow/artifacts", USERS: str(users),
            SPOOL: str(place.data / "mlflow-spool"),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": place.passwords["mlflow-forms"], "MLFLOW_AUTH_ADMIN_USERNAME": USER,
            "MLFLOW_AUTH_ADMIN_PASSWORD": place.passwords["mlflow"], VARIABLES[JOBS]: place.passwords["mlflow-jobs"],
            VARIABLES[SERVING]: place.passwords["mlflow-serving"], "MLFLOW_S3_ENDPOINT_URL": place.url("s3"),
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": place.passwords["webhooks"], "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "https,http",
            "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true", "MLFLOW_WEBHOOK_CACHE_TTL": "5", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            **_named(), **keys_of(place, "mlflow"),
        },
    )  # fmt: skip


def _named() -> dict[str, str]:
    """Return what has MLflow answer, beside this machine's own names, to the one that DIPTYCH_MLFLOW_PAGE says people use; it refuses all others."""
    if not (page := said_mlflow()):
        return {}
    there = urlsplit(page)
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{there.netloc},localhost:*,{HOST}:*", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"{there.scheme}://{there.netloc}",
    }  # fmt: skip


def _uvicorn(page: str, port: int) -> tuple[str, ...]:
    return (
        sys.executable, "-m", "uvicorn", "--factory", f"flows.page_apps:{page}", "--log-level", "warning", "--host", HOST, "--port", str(port),
        "--lifespan", "on", "--timeout-graceful-shutdown", "5",
    )  # fmt: skip


def _users(place: Place, path: Path) -> None:
    write_private(path, users_ini(place.database("mlflow_users", "mlflow", "psycopg2")))


def users_ini(database: str) -> str:
    """Return where MLflow keeps its users; who has none there is asked for a password, who has one may read what is not given to him."""
    said = {
        "default_permission": "READ", "database_uri": database, "admin_username": USER,
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth", "auth_cache_ttl_seconds": "30",
    }  # fmt: skip
    text = "\n".join(["[mlflow]", *(f"{key} = {value.replace('%', '%%')}" for key, value in said.items())])
    return f"{text}\n"


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
