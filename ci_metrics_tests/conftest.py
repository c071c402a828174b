"""Fixtures for all tests: a real OpenSearch, and both indices on it or beside it.

`OPENSEARCH_TEST_URL` (user:password allowed in it) uses a running server; else one is started
(deploy/opensearch/). Index names are of our own making and removed again, so that a server in use
is safe. Without Java or Maven the tests that need a server are skipped, under CI they fail.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.open import open_index
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests import opensearch_server

#: What takes long to make: the sample gone through the chain, a server, a browser.
SLOW_FIXTURES = frozenset({"ingested", "team", "live", "opensearch_url", "browser", "site"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `slow` what waits for one of those, or stands in a module that runs the chain itself.

    `-m "not slow"` leaves a loop to work in; CI runs everything. Modules with such tests come
    first, so that no worker begins a long one when the others have ended.
    """
    for item in items:
        waits = SLOW_FIXTURES & set(getattr(item, "fixturenames", ()))
        if waits or item.get_closest_marker("opensearch") or _runs_the_chain(item.path):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@cache
def _runs_the_chain(module: Path) -> bool:
    return "run_hours" in module.read_text(encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    opensearch_server.begin_session()


def pytest_unconfigure(config: pytest.Config) -> None:
    opensearch_server.end_session()


@pytest.fixture(scope="session")
def opensearch_url() -> str:
    """The address of a real OpenSearch server."""
    given = os.environ.get("OPENSEARCH_TEST_URL")
    if given:
        return given.rstrip("/")
    try:
        return opensearch_server.server_url()
    except opensearch_server.NoServerError as error:
        reason = f"not tested against a real OpenSearch: {error}"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def opensearch_client(opensearch_url: str) -> Iterator[OpenSearch]:
    """A plain client, for looking at the server past our own code."""
    client = OpenSearch(opensearch_url, timeout=60)
    yield client
    client.close()


@pytest.fixture
def opensearch_prefix(opensearch_client: OpenSearch) -> Iterator[str]:
    """What the names of this test's own indices begin with; none exists yet, and what has such
    a name is gone afterwards.
    """
    with _names_of_our_own(opensearch_client) as prefix:
        yield prefix


@pytest.fixture
def opensearch_settings(opensearch_url: str, opensearch_prefix: str, tmp_path: Path) -> Settings:
    """Settings whose index addresses are this test's own."""
    return _settings(opensearch_url, opensearch_prefix, tmp_path)


@pytest.fixture(scope="session")
def shared_prefix(opensearch_client: OpenSearch) -> Iterator[str]:
    """What the names of the indices begin with that `opensearch_index` empties rather than makes
    anew: making takes seconds.
    """
    with _names_of_our_own(opensearch_client) as prefix:
        yield prefix


@pytest.fixture
def opensearch_index(
    opensearch_url: str, opensearch_client: OpenSearch, shared_prefix: str, tmp_path: Path
) -> Iterator[DocumentIndex]:
    """An empty index on the real server; its indices are called `shared_prefix` + workflows,
    jobs, steps, error_classifications.
    """
    index = open_index(_settings(opensearch_url, shared_prefix, tmp_path))
    index.ensure()
    yield index
    index.close()
    opensearch_client.indices.refresh(index=f"{shared_prefix}*")
    opensearch_client.delete_by_query(
        index=f"{shared_prefix}*", body={"query": {"match_all": {}}}, refresh=True, conflicts="proceed"
    )


@pytest.fixture
def embedded_index(tmp_path: Path) -> Iterator[DocumentIndex]:
    """An empty embedded index."""
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    yield index
    index.close()


@pytest.fixture(params=["embedded", pytest.param("opensearch", marks=pytest.mark.opensearch)])
def any_index(request: pytest.FixtureRequest) -> DocumentIndex:
    """Each of the two indices in turn, empty: what holds for one holds for the other."""
    index: DocumentIndex = request.getfixturevalue(f"{request.param}_index")
    return index


@contextmanager
def _names_of_our_own(client: OpenSearch) -> Iterator[str]:
    prefix = f"test-{uuid.uuid4().hex[:12]}-"
    yield prefix
    names = list(client.indices.get(index=f"{prefix}*", ignore=404))
    if names:
        client.indices.delete(index=",".join(names), ignore=404)
    for name in client.indices.get_index_template()["index_templates"]:
        if prefix in name["name"]:
            client.indices.delete_index_template(name=name["name"], ignore=404)


def _settings(url: str, prefix: str, home: Path) -> Settings:
    return load_settings(
        {
            "WORKFLOW_INDEX": f"{url}/{prefix}workflows",
            "JOB_INDEX": f"{url}/{prefix}jobs",
            "STEPS_INDEX": f"{url}/{prefix}steps",
            "ERROR_CLASSIFICATION_INDEX": f"{prefix}error_classifications",
            "CI_METRICS_HOME": str(home),
        }
    )
