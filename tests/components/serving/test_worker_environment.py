"""What the gateway finds in its environment."""

from components.serving.worker_environment import handed_on

RUNS_BY = {"PATH": "/bin", "HOME": "/home/anna", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "PYTHONPATH": ".", "REQUESTS_CA_BUNDLE": "/ca.pem", "OTEL_SERVICE_NAME": "page"}  # fmt: skip
SECRETS = {
    "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "MLFLOW_TRACKING_PASSWORD": "c", "PREFECT_API_KEY": "d", "DIPTYCH_SIGNING_KEY": "e",
    "DIPTYCH_NOTIFY_URL": "f", "HF_TOKEN": "g", "PGPASSWORD": "h", "ANYTHING_ELSE": "i", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=it",
    "LD_ACCESS_TOKEN": "j", "PYTHON_REGISTRY_PASSWORD": "k", "PROMETHEUS_MULTIPROC_DIR": "/somebody's",
    "https_proxy": "http://anna:secret@proxy", "HTTP_PROXY": "http://anna:secret@proxy",
}  # fmt: skip


def test_it_is_given_what_it_runs_by_and_nothing_that_opens_a_store():
    assert handed_on(RUNS_BY | SECRETS) == RUNS_BY


def test_where_spans_are_sent_it_is_given_what_sends_them():
    its = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://spans"}
    sends = {name for name in SECRETS if name.startswith("OTEL_") or name.lower().endswith("_proxy")}
    assert set(handed_on(RUNS_BY | SECRETS | its)) == {*RUNS_BY, *its, *sends}
