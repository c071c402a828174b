from __future__ import annotations

import importlib.util
import json
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from ci_metrics.commands.browse import datasette_command
from ci_metrics.errors import NotFoundError, SettingsError
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.report.datasette import metadata
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.report.corpus import corpus

METADATA: dict[str, Any] = yaml.safe_load(metadata())["databases"]["index"]
QUERIES: dict[str, dict[str, Any]] = METADATA["queries"]

needs_datasette = pytest.mark.skipif(
    importlib.util.find_spec("datasette") is None, reason="the extra “browse” is not installed"
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose embedded index holds a fortnight."""
    made = load_settings({"CI_METRICS_HOME": str(tmp_path_factory.mktemp("browse"))})
    index = EmbeddedIndex(made.data_dir / "index.sqlite")
    index.upsert(corpus(14))
    index.close()
    return made


@pytest.mark.parametrize("name", QUERIES)
def test_each_canned_query_finds_something_in_the_index(settings: Settings, name: str) -> None:
    given = {"days": "7", "text": "connection"}
    with sqlite3.connect(f"file:{settings.data_dir / 'index.sqlite'}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            QUERIES[name]["sql"], {key: given[key] for key in QUERIES[name].get("params", [])}
        ).fetchall()
    connection.close()
    assert rows


def test_every_table_and_facet_of_the_metadata_exists(settings: Settings) -> None:
    connection = sqlite3.connect(settings.data_dir / "index.sqlite")
    for table, made in METADATA["tables"].items():
        columns = {row[1] for row in connection.execute(f"pragma table_info({table})")}
        assert {*made.get("facets", []), made.get("sort_desc", "timestamp")} <= columns
    connection.close()


@pytest.fixture(scope="module")
def site(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Datasette itself, as the command starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path_factory.mktemp("datasette") / "datasette.yml"
    file.write_text(metadata())
    command = [*datasette_command(settings, port=port, host="127.0.0.1"), "--metadata", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                httpx.get(f"http://127.0.0.1:{port}/-/versions.json", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, "Datasette ended"
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@needs_datasette
@pytest.mark.slow
def test_datasette_serves_views_and_queries_read_only(site: str) -> None:
    page = httpx.get(f"{site}/index", timeout=30).text
    for made in QUERIES.values():
        assert made["title"] in page
    rows = json.loads(httpx.get(f"{site}/index/top_groups.json?_shape=objects", timeout=30).text)["rows"]
    assert rows[0]["failures"] >= rows[-1]["failures"] > 0
    jobs = httpx.get(f"{site}/index/jobs", params={"s_error_type": "timeout"}, timeout=30)
    assert jobs.status_code == 200
    refused = httpx.get(f"{site}/index.json", params={"sql": "delete from jobs_documents"}, timeout=30)
    assert refused.status_code == 400


def test_a_missing_index_a_missing_extra_and_opensearch_are_said_plainly(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError, match="ci-metrics upload"):
        datasette_command(load_settings({"CI_METRICS_HOME": str(tmp_path)}), port=1, host="127.0.0.1")
    indices = {f"{name}_INDEX": f"http://localhost:9200/{name.lower()}" for name in ("WORKFLOW", "JOB", "STEPS")}
    with pytest.raises(SettingsError, match="OpenSearch"):
        datasette_command(load_settings(indices), port=1, host="127.0.0.1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotFoundError, match=r"ci_metrics\[browse\]"):
        datasette_command(settings, port=1, host="127.0.0.1")
