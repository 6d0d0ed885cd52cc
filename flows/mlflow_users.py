"""Whom MLflow's server knows beside its administrator: one user for what runs flows, and one for what only reads.

The server makes them itself when it starts, where the environment has a password for them, and gives them that password again where they have another.
An administrator makes users and webhooks and changes whatever there is; jobs change runs and models, which aliases and twins need, and none of the
former; who serves reads. MLflow lets each of its users make experiments and models of his own.
"""

from collections.abc import Mapping

JOBS, SERVING = "diptych-jobs", "diptych-serving"
VARIABLES = {JOBS: "DIPTYCH_MLFLOW_JOBS", SERVING: "DIPTYCH_MLFLOW_SERVING"}
"""User -> the variable that has his password."""
_MAY = {JOBS: {"experiment": "MANAGE", "registered_model": "MANAGE"}, SERVING: dict[str, str]()}
"""User -> kind -> what he may do with all of them; READ unless said (`flows.stack.pages.users_ini`)."""


def make_users(environment: Mapping[str, str]) -> None:
    """Have MLflow's store of users know those that have a password in an environment. The application has to be there already."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
    from mlflow.server.auth import store

    for user, variable in VARIABLES.items():
        if not (password := environment.get(variable)):
            continue
        if not store.has_user(user):
            store.create_user(user, password)
        elif not store.authenticate_user(user, password):
            store.update_user(user, password=password)
        for kind, permission in _MAY[user].items():
            try:
                store.grant_user_resource_permission(user, kind, "*", permission)
            except MlflowException as err:
                if err.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                    raise
