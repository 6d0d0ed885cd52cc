#!/bin/sh
# Run once by PostgreSQL's image in an empty cluster: a user for each server that keeps something, and its databases.
set -eu
make() { # make USER DATABASE...
    user=$1
    shift
    psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
set log_min_error_statement = panic; -- a statement that fails is else logged as it is, with the password
\\set password \`cat /run/secrets/postgres-$user\`
create role "$user" login password :'password';
SQL
    for database in "$@"; do
        createdb --username "$POSTGRES_USER" --owner "$user" "$database"
    done
}
make prefect prefect
make mlflow mlflow mlflow_users
