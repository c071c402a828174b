"""Fixtures for all tests: a real OpenSearch, and both indices on it or beside it.

`OPENSEARCH_TEST_URL` (user:password allowed in it) uses a running server; else one is started (deploy/opensearch/). Each test has
index names of its own and removes them. Without Java or Maven the tests that need it are skipped, under CI they fail.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from ci_metrics.index.base import DocumentIndex
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.open import open_index
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests import opensearch_server


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


@pytest.fixture
def opensearch_client(opensearch_url: str) -> Iterator[OpenSearch]:
    """A plain client, for looking at the server past our own code."""
    client = OpenSearch(opensearch_url, timeout=60)
    yield client
    client.close()


@pytest.fixture
def opensearch_prefix(opensearch_client: OpenSearch) -> Iterator[str]:
    """What this test's index names begin with; what has such a name is gone afterwards."""
    prefix = f"test-{uuid.uuid4().hex[:12]}-"
    yield prefix
    names = list(opensearch_client.indices.get(index=f"{prefix}*", ignore=404))
    if names:
        opensearch_client.indices.delete(index=",".join(names), ignore=404)
    templates = opensearch_client.indices.get_index_template()["index_templates"]
    for name in (template["name"] for template in templates):
        if prefix in name:
            opensearch_client.indices.delete_index_template(name=name, ignore=404)


@pytest.fixture
def opensearch_settings(opensearch_url: str, opensearch_prefix: str, tmp_path: Path) -> Settings:
    """Settings whose index addresses are this test's own."""
    return load_settings(
        {
            "WORKFLOW_INDEX": f"{opensearch_url}/{opensearch_prefix}workflows",
            "JOB_INDEX": f"{opensearch_url}/{opensearch_prefix}jobs",
            "STEPS_INDEX": f"{opensearch_url}/{opensearch_prefix}steps",
            "ERROR_CLASSIFICATION_INDEX": f"{opensearch_prefix}error_classifications",
            "CI_METRICS_HOME": str(tmp_path),
        }
    )


@pytest.fixture
def opensearch_index(opensearch_settings: Settings) -> Iterator[DocumentIndex]:
    """An empty index on the real server."""
    index = open_index(opensearch_settings)
    index.ensure()
    yield index
    index.close()


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
