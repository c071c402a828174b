"""What only OpenSearch shows: the queries people know, templates, older teams' indices, users, a busy or absent server."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opensearchpy import OpenSearch

from ci_metrics.errors import (
    AuthenticationError,
    CiMetricsError,
    ContractError,
    NotFoundError,
    PermanentError,
    SettingsError,
    TransientError,
)
from ci_metrics.index import opensearch as opensearch_module
from ci_metrics.index.base import Document, DocumentIndex, Where, Written
from ci_metrics.index.mappings import mapping_of
from ci_metrics.index.open import open_index
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.index.corpus import corpus, many_jobs
from ci_metrics_tests.index.seed_queries import assert_seed_queries


@pytest.mark.opensearch
def test_the_queries_people_know_give_the_known_truth(
    opensearch_index: DocumentIndex, opensearch_client: OpenSearch, shared_prefix: str
) -> None:
    documents, truth = corpus()
    for _ in range(2):  # the second time changes nothing
        opensearch_index.upsert(documents)
        opensearch_index.refresh()
        assert_seed_queries(opensearch_client, f"{shared_prefix}jobs", truth)


@pytest.mark.opensearch
def test_nested_errors_are_searched_entry_by_entry(
    opensearch_index: DocumentIndex, opensearch_client: OpenSearch, shared_prefix: str
) -> None:
    errors = [{"s_error_type": "timeout", "s_step_name": "A"}, {"s_error_type": "network_error", "s_step_name": "B"}]
    opensearch_index.upsert([Document("jobs", "j1", {"errors": errors})])
    opensearch_index.refresh()
    for step, expected in (("A", 1), ("B", 0)):
        musts = [{"term": {"errors.s_error_type": "timeout"}}, {"term": {"errors.s_step_name": step}}]
        query = {"nested": {"path": "errors", "query": {"bool": {"must": musts}}}}
        assert opensearch_client.count(index=f"{shared_prefix}jobs", body={"query": query})["count"] == expected


@pytest.mark.opensearch
def test_each_index_has_explicit_strict_mappings_and_a_template_of_its_own(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    index_of_ours = open_index(opensearch_settings)
    index_of_ours.ensure()
    index_of_ours.close()
    for name, kind in (
        ("workflows", "workflows"),
        ("jobs", "jobs"),
        ("steps", "steps"),
        ("error_classifications", "verdicts"),
    ):
        index = f"{opensearch_prefix}{name}"
        mappings = opensearch_client.indices.get_mapping(index=index)[index]["mappings"]
        expected = mapping_of(kind)  # type: ignore[arg-type]
        assert mappings["dynamic"] == "strict"
        assert set(mappings["properties"]) == set(expected["properties"])
        for field, wanted in expected["properties"].items():
            assert mappings["properties"][field]["type"] == wanted["type"], field
            assert mappings["properties"][field].get("ignore_above") == wanted.get("ignore_above"), field
        template = opensearch_client.indices.get_index_template(name=f"ci-metrics-{index}")["index_templates"][0]
        assert template["index_template"]["index_patterns"] == [index]
        # Somebody deletes the index: it comes back with the same mappings, and its neighbours' names stay free.
        opensearch_client.indices.delete(index=index)
        opensearch_client.indices.create(index=index)
        assert opensearch_client.indices.get_mapping(index=index)[index]["mappings"] == mappings
        opensearch_client.indices.create(index=f"{index}-of-others")
        assert opensearch_client.indices.get_mapping(index=f"{index}-of-others")[f"{index}-of-others"]["mappings"] == {}


@pytest.mark.opensearch
def test_an_older_index_made_by_dynamic_mapping_is_used_as_it_is_and_completed(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    name = f"{opensearch_prefix}jobs"
    old = {
        "@timestamp": "2025-01-01T00:00:00Z",
        "s_job_name": "old job",
        "s_status": "failure",
        "s_team_own_field": "x",
        "l_duration_sec": 5,
        "f_error_confidence": 0.5,
        "s_error_summary": "old words",
    }
    opensearch_client.indices.create(index=name)
    opensearch_client.index(index=name, id="old", body=old, refresh=True)
    index = open_index(opensearch_settings)
    documents, _ = corpus()
    index.upsert(documents)
    index.refresh()
    mappings = opensearch_client.indices.get_mapping(index=name)[name]["mappings"]
    assert mappings.get("dynamic") is None, "how their index treats unknown fields stays theirs"
    assert mappings["properties"]["s_job_name"]["type"] == "text"
    assert mappings["properties"]["s_error_type"]["type"] == "keyword"
    assert index.get("jobs", ["old"])["old"] == old
    assert index.count_by("jobs", "s_status") == {"failure": 8, "success": 1, "timed_out": 1, "action_required": 1}
    assert [d.id for d in index.scan("jobs", Where(equals={"s_job_name": "old job"}))] == ["old"]
    assert [d.id for d in index.scan("jobs", sort="s_job_name", limit=1)] == ["github-job-1-attempt-1"]
    assert len(list(index.scan("jobs", Where(text="WIDGETS got")))) == 6
    index.close()


@pytest.mark.opensearch
def test_an_index_that_cannot_hold_the_documents_is_refused_naming_each_field(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    name = f"{opensearch_prefix}jobs"
    properties = {
        "s_status": {"type": "text"},
        "l_duration_sec": {"type": "keyword"},
        "errors": {"type": "nested", "properties": {"l_error_line": {"type": "date"}}},
        "s_job_name": {"type": "keyword"},
    }
    opensearch_client.indices.create(index=name, body={"mappings": {"properties": properties}})
    index = open_index(opensearch_settings)
    with pytest.raises(ContractError) as caught:
        index.upsert(corpus()[0])
    index.close()
    text = str(caught.value)
    assert f"index {name}" in text
    assert "field s_status is text, not keyword" in text
    assert "field l_duration_sec is keyword, not long" in text
    assert "field errors.l_error_line is date, not long" in text
    assert "s_job_name" not in text
    assert "JOB_INDEX" in text
    assert opensearch_client.indices.get_mapping(index=name)[name]["mappings"]["properties"].keys() == properties.keys()


@pytest.mark.opensearch
def test_an_index_made_by_an_earlier_version_gets_the_fields_it_lacks(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    name = f"{opensearch_prefix}jobs"
    earlier = mapping_of("jobs")
    del earlier["properties"]["s_error_group"], earlier["properties"]["errors"]["properties"]["s_error_group"]
    text = json.dumps(earlier).replace('"analyzer": "ci_metrics_words"', '"analyzer": "standard"')
    opensearch_client.indices.create(index=name, body={"mappings": json.loads(text)})
    index = open_index(opensearch_settings)
    index.upsert(corpus()[0])
    index.refresh()
    assert index.count_by("jobs", "s_error_group") == {"v1-gggg": 6}
    index.close()


@pytest.mark.opensearch
def test_an_alias_serves_as_an_index(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    body = {"aliases": {f"{opensearch_prefix}jobs": {"is_write_index": True}}}
    opensearch_client.indices.create(index=f"{opensearch_prefix}jobs-000001", body=body)
    index = open_index(opensearch_settings)
    documents, _ = corpus()
    index.upsert(documents)
    index.refresh()
    assert index.count_by("jobs", "s_error_type")["timeout"] == 2
    assert set(index.get("jobs", ["github-job-4-attempt-1"])) == {"github-job-4-attempt-1"}
    index.close()


@pytest.mark.opensearch
def test_asking_an_index_that_is_not_there_is_an_error_and_makes_none(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    index = open_index(opensearch_settings)
    for ask in (
        lambda: list(index.scan("jobs")),
        lambda: index.count_by("jobs", "s_status"),
        lambda: index.get("jobs", ["x"]),
        index.refresh,
    ):
        with pytest.raises(NotFoundError, match=opensearch_prefix):
            ask()
    index.close()
    assert opensearch_client.indices.get(index=f"{opensearch_prefix}*") == {}


@pytest.mark.opensearch
def test_creating_what_is_there_leaves_no_warning(
    opensearch_index: DocumentIndex, caplog: pytest.LogCaptureFixture
) -> None:
    document = Document("verdicts", "v1", {"s_claimed_by": "a"})
    with caplog.at_level(logging.WARNING):
        assert [opensearch_index.create(document), opensearch_index.create(document)] == [True, False]
        opensearch_index.ensure()
    assert [record.getMessage() for record in caplog.records] == []


def _settings(tmp_path: Path, host: str, **more: str) -> Settings:
    names = {"WORKFLOW_INDEX": "w", "JOB_INDEX": "j", "STEPS_INDEX": "s"}
    return load_settings({**{k: f"{host}/{v}" for k, v in names.items()}, "CI_METRICS_HOME": str(tmp_path), **more})


def test_a_server_that_is_not_there_may_come_back(tmp_path: Path) -> None:
    index = open_index(_settings(tmp_path, "http://127.0.0.1:9"))
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9/w: no answer"):
        index.upsert(many_jobs(1))
    index.close()


class _Answers(BaseHTTPRequestHandler):
    """A server that answers as its `script` says; notes who asked."""

    script: Any = staticmethod(lambda handler, body: (200, {}))
    users: list[str | None]

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.users.append(self.headers.get("authorization"))
        status, answer = self.script(self, body)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - http.server looks for these names

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(script: Any) -> Iterator[tuple[str, list[str | None]]]:
    """The address of a server that answers by `script(handler, body) -> (status, json)`, and who asked it."""
    users: list[str | None] = []
    handler = type("Handler", (_Answers,), {"script": staticmethod(script), "users": users})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", users
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _ready(path: str) -> tuple[int, Any]:
    """What a server with our indices says to everything but bulk."""
    if "_mapping" in path:
        kinds = {"w": "workflows", "j": "jobs", "s": "steps", "error_classifications": "verdicts"}
        name = path.split("/")[1]
        return 200, {name: {"mappings": mapping_of(kinds[name])}}  # type: ignore[arg-type]
    return 200, {"acknowledged": True}


def _bulk_answer(body: bytes, status: int) -> dict[str, Any]:
    actions = [json.loads(line) for line in body.decode().splitlines()[::2]]
    error = {"type": "rejected_execution_exception", "reason": "queue full"}
    items = [
        {
            "index": {
                "_id": a["index"]["_id"],
                "status": status,
                **({"error": error} if status == 429 else {"result": "created"}),
            }
        }
        for a in actions
    ]
    return {"errors": status == 429, "items": items}


@pytest.mark.parametrize("whole", [False, True], ids=["documents", "request"])
def test_what_a_busy_server_puts_off_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(opensearch_module, "FIRST_WAIT", 0)
    asked = []

    def busy_twice(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        if not handler.path.startswith("/_bulk"):
            return _ready(handler.path)
        asked.append(len(body.splitlines()) // 2)
        if len(asked) > 2:
            return 200, _bulk_answer(body, 201)
        return (
            (429, {"error": {"type": "busy", "reason": "queue full"}, "status": 429})
            if whole
            else (200, _bulk_answer(body, 429))
        )

    with serving(busy_twice) as (host, _):
        index = open_index(_settings(tmp_path, host))
        assert index.upsert(many_jobs(7)) == Written(created=7)
        index.close()
    assert asked == [7, 7, 7]


def test_a_server_that_stays_busy_is_asked_a_bounded_number_of_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opensearch_module, "FIRST_WAIT", 0)
    asked = []

    def always_busy(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        if not handler.path.startswith("/_bulk"):
            return _ready(handler.path)
        asked.append(1)
        return 200, _bulk_answer(body, 429)

    with serving(always_busy) as (host, _):
        index = open_index(_settings(tmp_path, host))
        with pytest.raises(TransientError, match=r"too busy for 3 documents after 5 retries, github-job-0-attempt-1"):
            index.upsert(many_jobs(3))
        index.close()
    assert len(asked) == 6


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, AuthenticationError),
        (403, AuthenticationError),
        (503, TransientError),
        (500, TransientError),
        (406, PermanentError),
    ],
)
def test_a_refused_request_says_what_to_do_and_shows_no_password(
    tmp_path: Path, status: int, expected: type[CiMetricsError]
) -> None:
    def refusing(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        if not handler.path.startswith("/_bulk"):
            return _ready(handler.path)
        return status, {"error": {"type": "security_exception", "reason": "no permissions"}, "status": status}

    with serving(refusing) as (host, _):
        index = open_index(_settings(tmp_path, host.replace("//", "//ann:geheim@")))
        with pytest.raises(expected) as caught:
            index.upsert(many_jobs(2))
        index.close()
    assert f"HTTP {status}" in str(caught.value)
    assert "no permissions" in str(caught.value)
    assert "geheim" not in str(caught.value) + index.location


def test_without_the_right_to_make_templates_the_upload_goes_on_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def no_templates(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        if handler.path.startswith("/_index_template"):
            return 403, {"error": {"type": "security_exception", "reason": "no permissions"}, "status": 403}
        return (200, _bulk_answer(body, 201)) if handler.path.startswith("/_bulk") else _ready(handler.path)

    with serving(no_templates) as (host, _):
        index = open_index(_settings(tmp_path, host))
        with caplog.at_level(logging.WARNING, logger="ci_metrics"):
            assert index.upsert(many_jobs(2)).created == 2
        index.close()
    assert "ci-metrics-j" in caplog.text


def test_users_come_from_the_address_or_from_the_settings_and_may_differ(tmp_path: Path) -> None:
    from base64 import b64decode

    with serving(lambda handler, body: _ready(handler.path)) as (host, users):
        settings = load_settings(
            {
                "WORKFLOW_INDEX": f"{host.replace('//', '//w-user:p%40ss@')}/w",
                "JOB_INDEX": f"{host}/j",
                "STEPS_INDEX": f"{host}/s",
                "OPENSEARCH_USERNAME": "shared",
                "OPENSEARCH_PASSWORD": "word",
                "CI_METRICS_HOME": str(tmp_path),
            }
        )
        index = open_index(settings)
        index.ensure()
        index.close()
        assert index.location == f"{host}/w, {host}/j, {host}/s, {host}/error_classifications"
    seen = {b64decode(user.removeprefix("Basic ")).decode() for user in users if user}
    assert seen == {"w-user:p@ss", "shared:word"}
    assert None not in users


def test_the_verdicts_are_beside_the_jobs_unless_they_have_an_address(tmp_path: Path) -> None:
    near = open_index(_settings(tmp_path, "http://127.0.0.1:9", ERROR_CLASSIFICATION_INDEX="verdicts-2"))
    far = open_index(_settings(tmp_path, "http://127.0.0.1:9", ERROR_CLASSIFICATION_INDEX="http://127.0.0.2:9/v"))
    assert near.location.endswith(", http://127.0.0.1:9/verdicts-2")
    assert far.location.endswith(", http://127.0.0.2:9/v")
    for index in (near, far):
        index.close()


@pytest.mark.parametrize(
    "name", ["Verdicts", "a b", "ftp://host/x", "http://host", "http://u:geheim@host/a/b", "_x", "a,b", "*"]
)
def test_a_verdict_index_that_is_neither_name_nor_address_is_explained(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="ERROR_CLASSIFICATION_INDEX") as caught:
        open_index(_settings(tmp_path, "http://127.0.0.1:9", ERROR_CLASSIFICATION_INDEX=name))
    assert "geheim" not in str(caught.value)
