"""What `Dockerfile`, `compose.yaml` and `deploy/` say is right as far as it can be told without a
container engine: by schemas, by Dagster's own configuration, and by the same processes side by
side.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import psycopg2
import pytest
import yaml
from dagster._core.instance import InstanceRef
from dagster_k8s.job import UserDefinedDagsterK8sConfig
from opensearchpy import OpenSearch
from packaging.requirements import Requirement
from upath import UPath

from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.sample.scenario import sample_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics_tests.object_store import object_store
from ci_metrics_tests.orchestration.live import ASSETS, LiveDagster, wait_for

ROOT = Path(__file__).parents[2]
HOUR = "2026-03-02T13"

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "helm" / "values.yaml").read_text())
INSTANCE: dict[str, Any] = yaml.safe_load((ROOT / "dagster.yaml").read_text())
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def program(name: str) -> str:
    """A program of the environment that tests."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def test_the_dockerfile_is_as_the_linter_wants_it() -> None:
    done = subprocess.run([program("hadolint"), str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_is_as_its_schema_wants_it() -> None:
    command = [program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.M) for name in line.split()}
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name.removeprefix("./") for name in copied} == kept
    assert all((ROOT / name).exists() for name in kept)


def test_the_image_runs_as_nobody_who_owns_the_machine() -> None:
    last = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.M)
    assert VALUES["dagsterWebserver"]["podSecurityContext"]["runAsUser"] == 10001


def test_only_loopback_is_published_and_no_secret_is_written_down() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert published and all(port.startswith("127.0.0.1:") for port in published)
    named = re.findall(r"(?:PASSWORD|TOKEN|KEY): (.+)", (ROOT / "compose.yaml").read_text())
    assert named and all(value.startswith("${") for value in named)
    assert "password:" not in (ROOT / "deploy" / "helm" / "values.yaml").read_text().lower()


def test_the_charts_version_is_the_librarys() -> None:
    pins = {name: version for name, _, version in (each.partition("==") for each in PROJECT["project"]["dependencies"])}
    text = (ROOT / "deploy" / "helm" / "values.yaml").read_text()
    assert re.findall(r"--version (\S+)", text) == [pins["dagster"]]


def test_the_values_say_for_a_cluster_what_dagsters_settings_say_for_one_machine(tmp_path: Path) -> None:
    """As the chart writes them into its own settings file, Dagster takes them."""
    daemon, retention = VALUES["dagsterDaemon"], VALUES["retention"]
    monitoring = {snake(name): value for name, value in daemon["runMonitoring"].items()}
    assert INSTANCE["run_monitoring"].items() <= monitoring.items()
    assert {snake(name): value for name, value in daemon["runRetries"].items()} == INSTANCE["run_retries"]
    kept = {name: {"purge_after_days": retention[name]["purgeAfterDays"]} for name in ("schedule", "sensor")}
    assert kept["schedule"] == INSTANCE["retention"]["schedule"]
    assert INSTANCE["retention"]["sensor"]["purge_after_days"].items() <= kept["sensor"]["purge_after_days"].items()
    limits = {
        part: {snake(name): value for name, value in VALUES["concurrency"][part].items()} for part in ("runs", "pools")
    }
    assert limits == INSTANCE["concurrency"]
    written = {
        "run_coordinator": coordinator(VALUES),
        "run_monitoring": monitoring,
        "run_retries": INSTANCE["run_retries"],
        "retention": kept,
        "concurrency": limits,
        **VALUES.get("additionalInstanceConfig", {}),
    }
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(written))
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        assert instance.run_monitoring_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1


def coordinator(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the chart writes of the coordinator: without limits under `concurrency` it gives it one
    (Dagster's issues 31086, 33225), and its default values are never empty.
    """
    given = {**CHARTS_COORDINATOR, **values["dagsterDaemon"]["runCoordinator"].get("config", {})}
    limit = {} if values.get("concurrency", {}).get("enabled") else {"max_concurrent_runs": -1}
    return {
        "module": "dagster.core.run_coordinator",
        "class": values["dagsterDaemon"]["runCoordinator"]["type"],
        "config": {**limit, **{snake(name): value for name, value in given.items()}},
    }


#: Values that the chart itself gives.
CHARTS_COORDINATOR = {"dequeueUseThreads": True, "dequeueNumWorkers": 4}


def test_the_webserver_that_the_chart_starts_has_our_pages_and_the_settings_that_they_need(tmp_path: Path) -> None:
    [code] = VALUES["dagster-user-deployments"]["deployments"]
    webserver = VALUES["dagsterWebserver"]
    assert {name: webserver[name] for name in ("image", "env", "envSecrets")} == {
        name: code[name] for name in ("image", "env", "envSecrets")
    }
    found = re.search(
        r"printf '%s\\n' ('.+') \\\n +> /opt/ci-metrics/bin/dagster-webserver", (ROOT / "Dockerfile").read_text()
    )
    assert found
    first, *lines = shlex.split(found[1])
    assert first == "#!/opt/ci-metrics/bin/python"
    assert lines[0] == "from ci_metrics.commands.webserver import main"
    script = tmp_path / "dagster-webserver"
    script.write_text("\n".join(lines))
    started = [sys.executable, str(script), "-h", "0.0.0.0", "-p", "80", "-w", "workspace.yaml", "--help"]
    done = subprocess.run(started, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stdout.partition(" ")[0]) == (0, "Usage:")


def test_the_runs_pods_are_as_kubernetes_describes_them() -> None:
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    given = {snake(name): value for name, value in launcher["runK8sConfig"].items()}
    given["container_config"] = {"resources": launcher["resources"]}
    pod = UserDefinedDagsterK8sConfig.from_dict(given)  # type: ignore[no-untyped-call]
    assert pod.pod_spec_config["security_context"]["run_as_user"] == 10001
    [code] = VALUES["dagster-user-deployments"]["deployments"]
    assert code["envSecrets"] == launcher["envSecrets"]
    known = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.M))
    assert {each["name"] for each in code["env"]} <= known


def test_a_code_deployment_and_composes_code_server_load_the_same_definitions() -> None:
    [code] = VALUES["dagster-user-deployments"]["deployments"]
    command = COMPOSE["services"]["code"]["command"]
    assert command[:3] == ["dagster", "api", "grpc"]
    assert command[3:5] == code["dagsterApiGrpcArgs"]


def test_what_the_extras_install_is_what_is_tested() -> None:
    """Each package of the lock is here, as it is locked; each extra is in it."""
    lines = re.findall(r"^([\w.-]+(?:\[[\w,]+\])?==[^\\\n]+)", (ROOT / "requirements-server.lock").read_text(), re.M)
    pinned = [each for each in map(Requirement, lines) if each.marker is None or each.marker.evaluate()]
    locked = {each.name: str(each.specifier).removeprefix("==") for each in pinned}
    assert {name: version_of(name) for name in locked} == locked
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = {re.split(r"[^\w-]", each)[0] for name in extras for each in extras[name]}
    assert wanted <= locked.keys()
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "pip install --no-cache-dir --require-hashes -r requirements-server.lock" in dockerfile


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_processes_that_compose_names_do_an_hour_side_by_side(tmp_path: Path, opensearch_url: str) -> None:
    """With PostgreSQL, OpenSearch and S3 beside them, as they are called there."""
    ports = free_ports(3)
    with contextlib.ExitStack() as open_:
        store = open_.enter_context(object_store())
        sample = open_.enter_context(SampleGitHub(sample_world()))
        database = open_.enter_context(postgresql(ports[0]))
        home = tmp_path / "dagster"
        home.mkdir()
        storage = (ROOT / "deploy" / "storage.yaml").read_text()
        (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text() + storage)
        shutil.copy(ROOT / "deploy" / "workspace.yaml", home / "workspace.yaml")
        prefix = f"ci-metrics-compose-{ports[0]}"
        places = {
            "postgres:5432": f"127.0.0.1:{ports[0]}",
            "http://opensearch:9200/": f"{opensearch_url}/{prefix}-",
            "/opt/dagster/": f"{home}/",
            "0.0.0.0": "127.0.0.1",
            "4000": str(ports[1]),
            "3000": str(ports[2]),
        }
        own = {
            "POSTGRES_PASSWORD": "secret",
            "REPO": ",".join(sample.world.repos),
            "GITHUB_TOKEN": sample.token,
        }
        # What compose's `.env` and the image add.
        further = {
            "GITHUB_API_URL": sample.api_url,
            "HOURS_URL": store.make_bucket("compose") + "/hours",
            "CI_METRICS_HOME": str(tmp_path / "home"),
            "DAGSTER_HOME": str(home),
            "PARTITIONS_START": f"{HOUR[:10]}T00:00",
        }
        for name in ("code", "webserver", "daemon"):
            service = COMPOSE["services"][name]
            given = {key: there(value, own, places) for key, value in service["environment"].items()}
            given["CODE_SERVER_HOST"] = "127.0.0.1"
            command = [there(word, own, places) for word in service["command"]]
            open_.enter_context(
                process([program(command[0]), *command[1:]], {**given, **further}, tmp_path / f"{name}.log")
            )
        live = LiveDagster(f"http://127.0.0.1:{ports[2]}")
        wait_for(lambda: loaded(live), 150)
        backfill = live.backfill((*ASSETS, "failure_history"), [HOUR])
        assert live.wait_for_backfill(backfill) == "COMPLETED_SUCCESS"
        assert HourStore(UPath(further["HOURS_URL"])).state(HOUR).is_finished
        with psycopg2.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute("select status from runs")
            assert cursor.fetchall() == [("SUCCESS",)]
        connection.close()
        client = OpenSearch(opensearch_url)
        try:
            client.indices.refresh(index=f"{prefix}-*")
            query = {"query": {"term": {"s_error_state": "classified"}}}
            job = client.search(index=f"{prefix}-jobs", body=query)["hits"]["hits"][0]["_source"]
            page = f"/ci-metrics/jobs/{HOUR}/{job['s_job_id']}/{job['l_run_attempt']}"
            shown = httpx.get(f"http://127.0.0.1:{ports[2]}{page}", timeout=60)
            assert (shown.status_code, job["s_error_type"] in shown.text) == (200, True), shown.text
        finally:
            client.indices.delete(index=f"{prefix}-*")
            client.close()


def snake(name: str) -> str:
    """As Dagster's settings spell what the chart's values spell in their way."""
    return re.sub(r"(?<=[a-z])(8s)?([A-Z])", lambda found: f"{found[1] or ''}_{found[2].lower()}", name)


def there(text: str, variables: Mapping[str, str], places: Mapping[str, str]) -> str:
    """A value of compose.yaml with its variables filled in, and where things are here."""
    filled = re.sub(
        r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}", lambda found: variables.get(found[1], found[2] or ""), str(text)
    )
    for place, here in places.items():
        filled = filled.replace(place, here)
    return filled


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as open_:
        probes = [open_.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def loaded(live: LiveDagster) -> bool:
    """Whether the webserver answers, and has the definitions from the code server."""
    try:
        nodes = live.query("{ assetNodes { assetKey { path } } }")["assetNodes"]
    except (httpx.HTTPError, AssertionError):
        return False
    return len(nodes) >= len(ASSETS)


@contextlib.contextmanager
def process(command: list[str], environment: Mapping[str, str], log: Path, **more: Any) -> Iterator[None]:
    """A process that runs until the block ends."""
    with log.open("wb") as out:
        started = subprocess.Popen(
            command,
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=out,
            start_new_session=True,
            **more,
        )
    try:
        yield
        assert started.poll() is None, f"{command[0]} ended by itself: {log.read_text()[-2000:]}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGTERM)
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait(10)


@contextlib.contextmanager
def postgresql(port: int) -> Iterator[str]:
    """A PostgreSQL with the user and the database of compose.yaml; its address."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    initdb = shutil.which("initdb") or next((str(each / "initdb") for each in reversed(found)), None)
    if initdb is None:
        reason = "there is no PostgreSQL on this machine (Debian: postgresql)"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(reason)
        pytest.skip(reason)
    binaries = Path(initdb).resolve().parent
    # Not below pytest's folder, which is its owner's alone: PostgreSQL refuses to run as root.
    with tempfile.TemporaryDirectory(prefix="ci-metrics-postgresql-") as name:
        folder, somebody = Path(name), {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
        secret, data, log = folder / "password", folder / "data", folder / "log"
        secret.write_text("secret")
        for path in (folder, secret) if somebody else ():
            os.chown(path, 65534, 65534)
        init = ["-D", str(data), "-U", "dagster", "-A", "scram-sha-256", "--pwfile", str(secret), "-N"]
        made = subprocess.run([str(binaries / "initdb"), *init], capture_output=True, text=True, **somebody)  # type: ignore[call-overload]
        assert made.returncode == 0, made.stderr
        serve = ["-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F"]
        with process([str(binaries / "postgres"), *serve], {}, log, **somebody):
            address = f"postgresql://dagster:secret@127.0.0.1:{port}"
            wait_for(lambda: made_database(address), 60)
            yield f"{address}/dagster"


def made_database(address: str) -> bool:
    """Make the database `dagster`; False while the server does not answer yet."""
    try:
        connection = psycopg2.connect(f"{address}/postgres")
    except psycopg2.OperationalError:
        return False
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("create database dagster")
    connection.close()
    return True
