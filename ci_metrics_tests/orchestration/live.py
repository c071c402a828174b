"""A running `dagster dev` and its GraphQL API, as the web UI uses it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

ASSETS = ("workflow_runs", "workflow_jobs", "job_logs", "extracted_errors", "classifications", "indexed_documents")

LAUNCH = """
mutation Launch($p: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $p) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""

BACKFILL = """
query Backfill($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status numPartitions }
    ... on PythonError { message }
  }
}
"""

GRAPH = """
query Graph { assetNodes { assetKey { path } dependencyKeys { path } } }
"""

TICKS = """
query Ticks($s: InstigationSelector!) {
  instigationStateOrError(instigationSelector: $s) {
    ... on InstigationState { status ticks(limit: 5) { status runIds skipReason } }
  }
}
"""


class LiveDagster:
    """`dagster dev` on a free port, asked through GraphQL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """One GraphQL request; a GraphQL error is a failure."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": text, "variables": variables}, timeout=30).json()
        assert "errors" not in answer, answer
        return dict(answer["data"])

    def backfill(self, assets: tuple[str, ...], hours: list[str]) -> str:
        """Launch a backfill of these assets and hours; its id."""
        selection = [{"path": [name]} for name in assets]
        launched = self.query(LAUNCH, p={"assetSelection": selection, "partitionNames": hours})[
            "launchPartitionBackfill"
        ]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def wait_for_backfill(self, backfill: str, seconds: float = 180) -> str:
        """Its final status."""
        status: str = wait_for(
            lambda: next(
                (
                    s
                    for s in [self.query(BACKFILL, id=backfill)["partitionBackfillOrError"]["status"]]
                    if s not in ("REQUESTED", "CANCELING")
                ),
                None,
            ),
            seconds,
        )
        return status

    def ticks(self, schedule: str) -> list[dict[str, Any]]:
        """The newest ticks of a schedule or sensor."""
        selector = {"repositoryName": "__repository__", "repositoryLocationName": "live", "name": schedule}
        return list(self.query(TICKS, s=selector)["instigationStateOrError"].get("ticks", []))


def wait_for(ask: Callable[[], Any], seconds: float) -> Any:
    """Ask until the answer is true, at most for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(1)
    raise AssertionError(f"nothing after {seconds} s")


@contextlib.contextmanager
def dagster_dev(home: Path, environment: Mapping[str, str]) -> Iterator[LiveDagster]:
    """Run `dagster dev` on the live definitions until the block ends; its log is `home/dev.log`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    workspace = home / "workspace.yaml"
    workspace.write_text(
        "load_from:\n  - python_module:\n      module_name: ci_metrics_tests.orchestration.live_definitions\n      location_name: live\n"
        f"      working_directory: {Path(__file__).parents[2]}\n"
    )
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
    with (home / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment, "DAGSTER_HOME": str(home)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: _answers(url, process), 90)
        yield LiveDagster(url)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "dagster dev ended by itself: see dev.log"
    try:
        ready = httpx.post(
            f"{url}/graphql",
            json={"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"},
            timeout=5,
        )
        return bool(ready.status_code == 200 and ready.json()["data"]["repositoriesOrError"].get("nodes"))
    except httpx.HTTPError:
        return False
