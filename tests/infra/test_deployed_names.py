"""What infra/ names exists: commands and their flags, variables, ports, pools, secrets, accounts, claims, files, in the code or in another manifest."""

import ast
import json
import os
import re
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import dvc.env
import mlflow.environment_variables
import pytest
import yaml
from dvc.config import Config
from prefect.settings import Settings
from prefect.settings.legacy import _get_valid_setting_names
from prefect_kubernetes.settings import KubernetesSettings

from components.serving.command import DRAIN_S as TRITON_DRAIN_S
from components.serving.command import Ports, server_command
from components.serving.endpoint import served_folder
from components.serving.gateway.settings import DRAIN_S
from components.serving.gateway.settings import Settings as Gateway
from flows import pod, ranks
from flows.cli import _parser
from flows.page_apps import LEASES, USERS, kept_for
from flows.pages import MLFLOW_PAGE
from flows.shared import VARIABLE
from flows.stack.around import worker
from flows.stack.objects import BUCKETS, keys_of, objects
from flows.stack.pages import CALM
from flows.stack.pages import mlflow as mlflow_server
from flows.stack.pages import prefect as prefect_server
from flows.stack.place import PORTS, Place
from flows.stack.postgres import DATABASES
from flows.stack.service import Service
from flows.telling.again import tried
from flows.telling.automations import BEAT_S, DEPLOY, GO_BACK, TRAIN, WATCHDOGS
from infra.manifests.dockerfile import stages
from infra.manifests.render import Manifest, containers, pod_of
from infra.manifests.schema import misfits_of_sky
from tests.infra.deployed import (
    INFRA,
    POOLS,
    REPOSITORY,
    Started,
    compose,
    in_compose,
    in_kubernetes,
    job_of,
    manifests,
    named,
    template,
)

STARTED = [*in_kubernetes(), *in_compose()]
OF_IMAGES = {"POSTGRES_USER", "POSTGRES_PASSWORD_FILE", "POSTGRES_INITDB_ARGS"}
"""That the image of PostgreSQL reads (hub.docker.com/_/postgres)."""


class _Any(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "x"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    return Place(root=folder, data=folder, ports={name: port or 1 for name, port in PORTS.items()}, passwords=_Any())


def started(where: str) -> Started:
    return next(one for one in STARTED if one.where == where)


def flags(command: tuple[str, ...]) -> set[str]:
    """Return the options of a command, without their values and without where it listens."""
    said = {word.partition("=")[0] for word in command if word.startswith("-")}
    return said - {"--host", "--port", "-u", "-dir", "-ip", "-ip.bind", "-s3.config", "--name"}


@pytest.mark.parametrize("one", STARTED, ids=lambda one: one.where)
def test_what_a_container_runs_exists_and_takes_these_words(one: Started):
    match one.command:
        case ("python", "-m", "uvicorn", "--factory", application, *_):
            module, _, name = application.partition(":")
            assert callable(getattr(import_module(module), name))
        case ("python", "-m", "flows.pod", *rest):
            assert pod.parser().parse_args(rest).verb in ("lay", "answer")
        case ("python", "-m", "flows.ranks", *rest):
            asked = ranks.parser().parse_args(rest)
            assert (REPOSITORY / f"components/stages/{asked.stage}.py").exists()
            assert (REPOSITORY / f"components/recipes/{asked.recipe}.yaml").exists()
        case ("python", "-m", "prefect", "flow-run", "execute"):
            pass  # what Prefect's own worker runs where a pool says nothing
        case ("diptych", *rest):
            asked = _parser().parse_args(rest)
            assert rest[0] != "hooks" or asked.tell_only, (
                "set-up leaves deploy/manual out, so the receiver would end at once"
            )
        case ("prefect", "worker", "start", *_) | ("weed", *_) | ("tritonserver", *_):
            pass  # compared with the code's own below
        case ("infra/set-up-prefect", kind):
            assert os.access(INFRA / "set-up-prefect", os.X_OK)
            text = (INFRA / "set-up-prefect").read_text()
            codes = re.findall(r"python -c \"\n([^\"]*)\"", text)
            assert len(codes) == text.count("python -c") > 0
            for node in (node for code in codes for node in ast.walk(ast.parse(code))):
                if isinstance(node, ast.ImportFrom):
                    assert all(hasattr(import_module(str(node.module)), name.name) for name in node.names)
            assert kind in ("process", "kubernetes")
        case ():
            assert one.image.startswith("postgres:")
        case _:
            pytest.fail(f"{one.where} runs {' '.join(one.command)}, which nobody checks")


@pytest.mark.parametrize("one", STARTED, ids=lambda one: one.where)
def test_somebody_reads_each_variable(one: Started):
    assert [name for name in one.variables if not read(name)] == []


def test_a_variable_that_nobody_reads_is_found():
    for name in (
        "DIPTYCH_REMOTES",
        "PREFECT_API_URI",
        "MLFLOW_TRACKING_URL",
        "DVC_CONFIG",
        "AWS_KEY",
        "POSTGRES_PASSWORD_FILES",
    ):
        assert not read(name), name


@cache
def read(name: str) -> bool:
    family = name.partition("_")[0]
    if family == "PREFECT":
        return name in _get_valid_setting_names(Settings) | _get_valid_setting_names(KubernetesSettings)
    if family == "MLFLOW":
        return hasattr(mlflow.environment_variables, name) or _in_code(name)
    if family == "DVC":
        return hasattr(dvc.env, name) or _in_code(name)
    if family == "AWS":
        return name in keys_of(Place(root=Path(), data=Path(), ports={"s3": 1}, passwords=_Any()), "dvc")
    return name in OF_IMAGES or name == "TRITON_KEY" or _in_code(name)


def _in_code(name: str) -> bool:
    """Return whether a word stands in quotes in the code, or is asked for in the script that containers begin with."""
    said = re.compile(rf"[\"']{name}[\"']|\$\{{?{name}\b")
    files = [*(REPOSITORY / "flows").rglob("*.py"), *(REPOSITORY / "components").rglob("*.py"), INFRA / "entry"]
    return any(said.search(path.read_text(encoding="utf-8")) for path in files)


@pytest.mark.parametrize("where", ["prefect/prefect", "compose/prefect"])
def test_prefect_runs_as_on_one_machine(where, place):
    _as_on_one_machine(started(where), prefect_server(place), without={*CALM})
    assert {**LEASES, **kept_for(), **tried()}.items() <= started(where).variables.items()


@pytest.mark.parametrize("where", ["mlflow/mlflow", "compose/mlflow"])
def test_mlflow_runs_as_on_one_machine(where, place):
    _as_on_one_machine(
        started(where), mlflow_server(place), without={"AWS_ENDPOINT_URL"}
    )  # it has MLFLOW_S3_ENDPOINT_URL
    assert started(where).variables[USERS] == "/run/secrets/users.ini"


def _as_on_one_machine(one: Started, service: Service, without: set[str]) -> None:
    assert flags(one.command) == flags(service.command)
    assert {*service.environment} - without <= {*one.variables}
    same = {
        name
        for name, value in service.environment.items()
        if name not in without and value in ("true", "false", "60", "5", "diptych", "https,http")
    }
    assert {name: one.variables[name] for name in same if one.variables[name]} == {
        name: service.environment[name] for name in same if one.variables[name]
    }


@pytest.mark.parametrize(
    "where", ["compose/worker", "compose/worker-gpu", *(f"worker-{pool}/worker" for pool in POOLS)]
)
def test_workers_are_started_as_on_one_machine(where, place):
    one = started(where)
    pool = one.command[one.command.index("--pool") + 1]
    assert flags(one.command) == flags(worker(place, pool).command) - {"-m"}
    assert pool in {deployment["work_pool"]["name"] for deployment in deployments()}


def test_compose_has_a_worker_a_pool_and_the_one_with_a_gpu_has_an_image_for_it(place):
    services = compose()["services"]
    workers = {
        command[command.index("--pool") + 1]: name for name, its in services.items() if (command := its.get("command", ()))[:2] == ["prefect", "worker"]
    }  # fmt: skip
    assert workers == {"cpu": "worker", "gpu": "worker-gpu"}
    cpu, gpu = (services[workers[pool]] for pool in POOLS)
    devices = [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert gpu["deploy"]["resources"]["reservations"]["devices"] == devices
    assert gpu["profiles"] == ["gpu"], "without a GPU nothing of it is built or started"
    assert "profiles" not in cpu
    limits = [
        its["command"][its["command"].index("--limit") + 1]
        for its in (gpu, {"command": [*worker(place, "gpu").command]})
    ]
    assert limits == ["1", "1"], "one run has the GPU to itself"
    assert cpu["environment"]["DIPTYCH_REMOTE"] == gpu["environment"]["DIPTYCH_REMOTE"]
    assert not {*cpu["volumes"]} & {*gpu["volumes"]}, "who shares a workspace has to see the other's processes"
    named_volumes = {volume.partition(":")[0] for its in services.values() for volume in its.get("volumes", ())}
    assert {one for one in named_volumes if not one.startswith(".")} == {*compose()["volumes"]}
    assert gpu["depends_on"]["set-up"] == {"condition": "service_completed_successfully"}, "its pool is known by then"


def test_an_image_of_ours_is_built_by_the_target_of_its_name():
    targets = {stage.name for stage in stages((INFRA / "Dockerfile").read_text())}
    ours = {name: its for name, its in compose()["services"].items() if its["image"].startswith("diptych/")}
    assert {its["build"]["target"] for its in ours.values()} == {"cpu", "cuda", "triton"} <= targets
    for name, its in ours.items():
        assert its["image"] == f"diptych/{its['build']['target']}:0.1.0", name


def deployments() -> list[dict[str, dict[str, str]]]:
    return list(yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"])


def test_every_pool_that_a_deployment_names_has_a_template_and_a_worker():
    pools = {deployment["work_pool"]["name"] for deployment in deployments()}
    assert pools == {*POOLS} == {path.stem for path in (INFRA / "kubernetes/pools").glob("*.json")}
    assert {f"worker-{pool}" for pool in pools} <= named("Deployment").keys()
    assert f"for pool in {' '.join(POOLS)}; do" in (INFRA / "set-up-prefect").read_text()


def test_seaweedfs_is_started_as_on_one_machine(place):
    ours, theirs = started("compose/s3").command, objects(place).command
    closed = {"-s3.config=", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"}
    for each in closed:
        assert any(word.startswith(each) for word in ours), each
        assert any(word.startswith(each) for word in theirs), each
    assert f"-bucket={','.join(BUCKETS)}" in ours, "mini makes them, which the supervisor does on one machine"


@pytest.mark.parametrize("where", ["serving/triton", "compose/triton"])
def test_triton_is_started_as_on_one_machine(where, tmp_path):
    from components.serving.environment import ServingEnvironment

    environment = ServingEnvironment(python=Path("python"), python_version="3.11", wheel=Path("wheel"), libraries=())
    laid = Ports(http=pod.HTTP, grpc=pod.GRPC, metrics=pod.METRICS)
    repository = served_folder(Path("/work/diptych")) / pod.INSTANCE / "repository"
    theirs = server_command(environment, repository, Path("backends"), laid, "$(TRITON_KEY)", pod.INSTANCE)[1:]
    # NVIDIA's image has backends of its own, among them one for ONNX that is no Python; Prometheus asks from another pod; compose has no second lock
    apart = {"--backend-directory=backends", "--metrics-address=127.0.0.1"}
    apart |= {word for word in theirs if word.startswith("--backend-config=onnxruntime,")}
    if where.startswith("compose"):
        apart |= {word for word in theirs if "-restricted-" in word}
    assert {*theirs} - apart <= {*started(where).command}
    left = {*started(where).command} - {*theirs}
    assert left <= {"tritonserver", "--metrics-address=0.0.0.0", "--metrics-address=127.0.0.1"}
    listens = [word for word in started(where).command if word.startswith(("--http-address", "--grpc-address"))]
    assert {word.partition("=")[2] for word in listens} == {"127.0.0.1"}


def test_services_lead_to_ports_that_containers_listen_on():
    by_labels = [(one["spec"]["template"]["metadata"]["labels"], one) for one in manifests() if pod_of(one)]
    for name, service in named("Service").items():
        behind = [one for labels, one in by_labels if service["spec"]["selector"].items() <= labels.items()]
        assert behind, name
        ports = {
            port["name"]: port["containerPort"]
            for container in containers(behind[0])
            for port in container.get("ports", ())
        }
        for port in service["spec"]["ports"]:
            assert (port.get("targetPort") or port["name"]) in ports, name


def test_each_port_is_the_one_that_its_command_listens_on():
    for manifest in manifests():
        for container in containers(manifest):
            command, variables = (
                container["args"],
                {one["name"]: one.get("value") for one in container.get("env") or ()},
            )
            said = [port["containerPort"] for port in container.get("ports", ())]
            if "--port" in command and said:
                assert said == [int(command[command.index("--port") + 1])]
            elif "--with-healthcheck" in command:
                assert said == [int(variables["PREFECT_WORKER_WEBSERVER_PORT"] or 0)]
            elif "--meet" in command:
                assert said == [int(command[command.index("--meet") + 1].rpartition(":")[2])]
            elif command[0] == "tritonserver":
                assert said == [pod.METRICS]


def test_addresses_in_the_settings_are_those_of_services():
    services = named("Service")
    for where in (named("ConfigMap")["settings"]["data"],):
        for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
            host, port = re.match(r"http://([\w-]+):(\d+)", where[name]).groups()  # type: ignore[union-attr]
            assert [one["port"] for one in services[host]["spec"]["ports"]] == [int(port)]
    for name, service in compose()["services"].items():
        for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
            value = (service.get("environment") or {}).get(variable)
            if value and "127.0.0.1" not in value:
                host, port = re.match(r"http://([\w-]+):(\d+)", value).groups()  # type: ignore[union-attr]
                assert port in " ".join(compose()["services"][host]["command"]), name


def test_links_for_people_begin_where_people_reach_the_pages():
    """Beside the names that only containers know: the ports that compose publishes, and those that docs/cluster.md forwards."""
    known = {*compose()["services"], *named("Service")}
    settings = {"kubernetes": named("ConfigMap")["settings"]["data"]} | {
        name: its["environment"] for name, its in compose()["services"].items() if "PREFECT_API_URL" in (its.get("environment") or {})
    }  # fmt: skip
    assert {"set-up", "worker", "kubernetes"} <= settings.keys()
    for where, variables in settings.items():
        for name, server in (("PREFECT_UI_URL", "prefect"), (MLFLOW_PAGE, "mlflow")):
            at = urlsplit(variables[name])
            assert at.hostname not in known, where
            assert f"127.0.0.1:{at.port}:{at.port}" in compose()["services"][server]["ports"], where
            assert at.port in [one["port"] for one in named("Service")[server]["spec"]["ports"]], where
    page = (REPOSITORY / "docs/cluster.md").read_text()
    assert "port-forward service/prefect 4200" in page
    assert "port-forward service/mlflow 5000" in page


def test_what_a_pod_mounts_or_reads_is_in_another_manifest():
    maps, claims, accounts, secrets = (
        named(kind).keys() for kind in ("ConfigMap", "PersistentVolumeClaim", "ServiceAccount", "ExternalSecret")
    )
    keys = {
        name: {one["secretKey"] for one in secret["spec"]["data"]} for name, secret in named("ExternalSecret").items()
    }
    for manifest in manifests():
        its = pod_of(manifest)
        if its is None:
            continue
        assert its["serviceAccountName"] in accounts
        for volume in its.get("volumes", ()):
            assert volume.get("configMap", {}).get("name", "dvc") in maps
            assert volume.get("persistentVolumeClaim", {}).get("claimName", "resume") in claims
            for source in volume.get("projected", {}).get("sources", ()):
                assert source["secret"]["name"] in secrets
                assert {one["key"] for one in source["secret"].get("items", ())} <= keys[source["secret"]["name"]]
        for container in containers(manifest):
            assert {one["name"] for one in container.get("volumeMounts", ())} <= {one["name"] for one in its["volumes"]}
            assert {one["configMapRef"]["name"] for one in container.get("envFrom", ())} <= maps
            for one in container.get("env") or ():
                if "valueFrom" in one:
                    assert one["valueFrom"]["secretKeyRef"]["key"] in keys[one["valueFrom"]["secretKeyRef"]["name"]]
            for word in container["args"]:
                if word.startswith("/run/secrets/"):
                    assert word.removeprefix("/run/secrets/") in _files(manifest, container, keys), word


def _files(manifest: Manifest, container: Manifest, keys: dict[str, set[str]]) -> set[str]:
    volumes = {one["name"]: one for one in manifest["spec"]["template"]["spec"]["volumes"]}
    seen = next(volumes[one["name"]] for one in container["volumeMounts"] if one["mountPath"] == "/run/secrets")
    found: set[str] = set()
    for source in seen["projected"]["sources"]:
        picked = {one["path"] for one in source["secret"].get("items", ())}
        found |= picked or keys[source["secret"]["name"]]
    return found


def test_who_may_talk_to_whom_is_said_by_labels_and_ports_that_pods_have():
    labels = {
        one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] for one in manifests() if pod_of(one)
    }
    policies = named("NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    named_there = {
        name for policy in policies.values() for selector in _selectors(policy["spec"])
        for name in [selector.get("matchLabels", {}).get("app.kubernetes.io/name"), *(value for one in selector.get("matchExpressions", ()) for value in one["values"])] if name
    }  # fmt: skip
    assert named_there == labels, "each pod has a rule, and each rule a pod"
    for name in ("prefect", "mlflow", "serving"):
        listens = {
            port["containerPort"]
            for container in containers(named("Deployment")[name])
            for port in container.get("ports", ())
        }
        allowed = {port["port"] for rule in policies[name]["spec"]["ingress"] for port in rule["ports"]}
        assert allowed == listens


def _selectors(said: object) -> list[dict[str, object]]:
    if isinstance(said, list):
        return [found for one in said for found in _selectors(one)]
    if isinstance(said, dict):
        own = [said["podSelector"]] if said.get("podSelector") and "namespaceSelector" not in said else []
        return [*own, *(found for one in said.values() for found in _selectors(one))]
    return []


def test_serving_grows_by_a_metric_that_its_rule_makes_and_keeps_a_copy():
    grows, budget = named("HorizontalPodAutoscaler")["serving"]["spec"], named("PodDisruptionBudget")["serving"]["spec"]
    rule = yaml.safe_load((INFRA / "kubernetes/queue-time.yaml").read_text())["rules"]["custom"][0]
    assert [one["pods"]["metric"]["name"] for one in grows["metrics"]] == [rule["name"]["as"]]
    serving = named("Deployment")["serving"]
    assert grows["scaleTargetRef"]["name"] == serving["metadata"]["name"]
    assert budget["selector"]["matchLabels"].items() <= serving["spec"]["template"]["metadata"]["labels"].items()
    assert grows["minReplicas"] > budget["maxUnavailable"]
    assert serving["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_whoever_ends_has_the_time_that_the_code_takes_to_drain():
    serving = named("Deployment")["serving"]["spec"]["template"]["spec"]
    (gateway,) = serving["containers"]
    assert (
        serving["terminationGracePeriodSeconds"]
        >= gateway["lifecycle"]["preStop"]["sleep"]["seconds"] + DRAIN_S + TRITON_DRAIN_S
    )
    assert f"--exit-timeout-secs={TRITON_DRAIN_S}" in serving["initContainers"][1]["args"]
    seconds = {
        name: int(service.get("stop_grace_period", "10s").removesuffix("s"))
        for name, service in compose()["services"].items()
    }
    assert seconds["gateway"] > DRAIN_S
    assert seconds["triton"] > DRAIN_S + TRITON_DRAIN_S


def test_the_gateway_is_called_what_its_ingress_is_and_takes_as_much():
    (ingress,), (lay, *_) = named("Ingress").values(), containers(named("Deployment")["serving"])
    hosts = {rule["host"] for rule in ingress["spec"]["rules"]}
    assert {host for one in ingress["spec"]["tls"] for host in one["hosts"]} == hosts
    assert {*pod.parser().parse_args(lay["args"][3:]).hosts} == hosts
    most = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert most == f"{Gateway(root=Path()).max_body_mb:.0f}m"


def test_beats_come_as_often_as_automations_wait_for_them():
    for where in (named("ConfigMap")["job"]["data"], compose()["services"]["worker"]["environment"]):
        assert where["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(BEAT_S)


def test_images_are_targets_of_the_dockerfile_by_the_version_of_the_project():
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    targets = {*re.findall(r"^FROM \S+ AS (\S+)", (INFRA / "Dockerfile").read_text(), re.MULTILINE)}
    for one in STARTED:
        name, _, tag = one.image.rpartition(":")
        if "diptych/" in name:
            assert name.rpartition("/")[2] in targets, one.where
            assert tag == version, one.where
    for service in compose()["services"].values():
        if "build" in service:
            assert service["build"]["target"] in targets


def test_compose_has_every_secret_and_volume_that_it_mounts():
    said = compose()
    assert {name: one["file"] for name, one in said["secrets"].items()} == {
        name: f"./secrets/{name}" for name in said["secrets"]
    }
    mounted = {
        one if isinstance(one, str) else one["source"]
        for service in said["services"].values()
        for one in service.get("secrets", ())
    }
    assert mounted == said["secrets"].keys()
    volumes = {one.partition(":")[0] for service in said["services"].values() for one in service.get("volumes", ())}
    assert {one for one in volumes if not one.startswith(".")} == said["volumes"].keys()
    assert all((INFRA / one).exists() for one in volumes if one.startswith("."))


def test_compose_makes_the_databases_of_one_machine():
    made = re.findall(r"^make (\w+) (.*)$", (INFRA / "compose/databases.sh").read_text(), re.MULTILINE)
    assert {database: user for user, databases in made for database in databases.split()} == DATABASES


@pytest.mark.parametrize("where", ["kubernetes", "compose"])
def test_dvc_finds_the_shared_remote_where_jobs_are_told_to_look(where, tmp_path, monkeypatch):
    if where == "kubernetes":
        said, job = named("ConfigMap")["dvc"]["data"]["config"], named("ConfigMap")["job"]["data"]
    else:
        said, job = (
            (INFRA / compose()["configs"]["dvc"]["file"]).read_text(),
            compose()["services"]["worker"]["environment"],
        )
        assert compose()["services"]["worker"]["configs"] == [
            {"source": "dvc", "target": f"{job['DVC_GLOBAL_CONFIG_DIR']}/config"}
        ]
    (tmp_path / "config").write_text(said)
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path))
    found = Config(dvc_dir=str(REPOSITORY / ".dvc"))
    assert job[VARIABLE] in found["remote"]
    assert found["remote"][job[VARIABLE]]["url"].startswith("s3://")


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_s_template_uses_every_variable_and_no_other(pool):
    said = template(pool)
    used = {*re.findall(r"\{\{ (\w+) \}\}", json.dumps(said["job_configuration"]))}
    assert used == said["variables"]["properties"].keys()
    assert job_of(pool)["spec"]["template"]["metadata"]["labels"]["diptych/pool"] == pool


def test_ranks_are_as_many_as_meet():
    job = named("Job")["ranks"]
    asked = ranks.parser().parse_args(containers(job)[0]["args"][3:])
    assert asked.nodes == job["spec"]["completions"] == job["spec"]["parallelism"]
    host = asked.meet.rpartition(":")[0]
    assert host == f"{job['metadata']['name']}-0.{job['spec']['template']['spec']['subdomain']}"
    assert job["spec"]["template"]["spec"]["subdomain"] in named("Service")
    assert job["spec"]["completionMode"] == "Indexed"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, None),
        ({"use_spot": "yes"}, "task.resources.use_spot: is 'yes', and has to be bool"),
        ({"spot": True}, "task.resources: spot is none of"),
        ({"job_recovery": {"max_restarts": 2}}, "task.resources.job_recovery: max_restarts is none of"),
        ({"accelerators": {"H100": "1"}}, "task.resources.accelerators.H100: is '1', and has to be int"),
    ],
)
def test_the_spot_job_has_words_that_skypilot_knows(change, says):
    said = yaml.safe_load((INFRA / "sky.yaml").read_text())
    assert said["resources"]["use_spot"] is True
    found = misfits_of_sky({**said, "resources": {**said["resources"], **change}})
    assert [one.startswith(str(says)) for one in found] == [True] * (says is not None)


def test_the_spot_job_names_what_the_code_reads():
    said = yaml.safe_load((INFRA / "sky.yaml").read_text())
    names = {**said["envs"], **said["secrets"]}
    assert [name for name in names if not read(name) and name not in ("DIPTYCH_RECIPE", "DVC_URL")] == []
    asked = {*re.findall(r"\$(\w+)", said["run"])}
    assert asked <= names.keys()
    assert said["envs"]["DIPTYCH_CHECKPOINTS"] in said["file_mounts"]
    assert set(said["workdir"]) == {"url", "ref"}, (
        "of a folder a managed job gets no .git, and set-up asks for the commit"
    )
    assert re.fullmatch("[0-9a-f]{40}", said["workdir"]["ref"]), "a branch is other code when the machine comes back"
    assert "git rev-parse" in said["setup"]
    *_, last = said["run"].strip().splitlines()
    words = last.replace('"$DIPTYCH_RECIPE"', said["envs"]["DIPTYCH_RECIPE"]).split()
    assert words[:2] == ["exec", ".venv/bin/diptych"]
    _parser().parse_args(words[2:])
    assert {line for line in said["run"].splitlines() if ".diptych/resume" in line or "chmod" in line} <= {
        line.strip() for line in (INFRA / "entry").read_text().splitlines()
    } | {'[ -e .diptych/resume ] || ln -s "$DIPTYCH_CHECKPOINTS" .diptych/resume'}


def test_the_page_names_what_is_left_out_of_containers_and_the_one_automation_of_ours_that_is_made():
    text = (INFRA / "set-up-prefect").read_text()
    page = (REPOSITORY / "docs/cluster.md").read_text()
    compose = page.partition("## Compose")[2].partition("## Kubernetes")[0]
    (left_out,) = re.findall(r"^python -m flows.stack.deployments --without ([a-z/ ]+)$", text, re.M)
    assert [name for name in left_out.split() if f"`{name}`" not in compose] == []
    assert "set_up_automations(Path.cwd(), [TRAIN], watched=True)" in text
    assert [f"`{one.name}`" in compose for one in (TRAIN, DEPLOY, GO_BACK)] == [True, False, False]
    for name in WATCHDOGS:
        assert f"`{name}`" in compose
