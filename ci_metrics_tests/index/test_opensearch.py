"""What only OpenSearch shows: the queries people know, templates, older teams' indices,
users, a busy or absent server.
"""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from opensearchpy import OpenSearch

from ci_metrics.errors import (
    AuthenticationError,
    CiMetricsError,
    ContractError,
    IndexWriteError,
    NotFoundError,
    PermanentError,
    SettingsError,
    TransientError,
)
from ci_metrics.index import opensearch_bulk
from ci_metrics.index.document_index import Document, DocumentIndex, Where, Written
from ci_metrics.index.mappings import mapping_of
from ci_metrics.index.open import open_index
from ci_metrics.settings import Settings, load_settings, with_values
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
def test_a_scan_leaves_nothing_open_on_the_server(
    opensearch_index: DocumentIndex, opensearch_client: OpenSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci_metrics.index.opensearch._PAGE", 10)
    opensearch_index.upsert(many_jobs(25))
    opensearch_index.refresh()
    assert len({document.id for document in opensearch_index.scan("jobs")}) == 25
    assert len(list(opensearch_index.scan("jobs", Where(equals={"s_status": "no such"})))) == 0
    left = opensearch_index.scan("jobs", sort="@timestamp")
    next(left)
    del left
    nodes = opensearch_client.nodes.stats(metric="indices", index_metric="search")["nodes"].values()
    assert [node["indices"]["search"]["scroll_current"] for node in nodes] == [0]


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
        # Somebody deletes the index: it comes back with the same mappings, and its
        # neighbours' names stay free.
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
    """A server that answers as its `script` says (None: with a page for
    people); notes who asked.
    """

    script: Any = staticmethod(lambda handler, body: (200, {}))
    users: list[str | None]

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.users.append(self.headers.get("authorization"))
        status, answer = self.script(self, body)
        text = b"<html><h1>It works!</h1></html>" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "text/html" if answer is None else "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - http.server looks for these names

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(script: Any, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str | None]]]:
    """The address of a server that answers by `script(handler, body) -> (status,
    json)`, and who asked it. `tls`: it speaks HTTPS.
    """
    users: list[str | None] = []
    handler = type("Handler", (_Answers,), {"script": staticmethod(script), "users": users})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", users
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority, and what it signed for a server on 127.0.0.1 and a client (PEM, with keys)."""

    def made(name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey) -> Path:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, "authority")]
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=name == "authority", path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path = folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM) + key.private_bytes(*plain))
        return path

    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    authority, server, client = (
        made(name, key, keys[0]) for name, key in zip(("authority", "server", "client"), keys, strict=True)
    )
    return authority, server, client


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
    monkeypatch.setattr(opensearch_bulk, "FIRST_WAIT", 0)
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
    monkeypatch.setattr(opensearch_bulk, "FIRST_WAIT", 0)
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


def taking(most: int) -> tuple[Any, list[int]]:
    """A server that takes requests of so many bytes, and the sizes of those it was sent."""
    sizes: list[int] = []

    def script(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        if not handler.path.startswith("/_bulk"):
            return _ready(handler.path)
        sizes.append(len(body))
        if len(body) > most:
            return 413, {"error": "Request Entity Too Large", "status": 413}
        return 200, _bulk_answer(body, 201)

    return script, sizes


def test_a_request_that_is_too_large_is_sent_in_parts_and_later_ones_are_smaller(tmp_path: Path) -> None:
    script, sizes = taking(20_000)
    with serving(script) as (host, _):
        index = open_index(_settings(tmp_path, host))
        assert index.upsert(many_jobs(1_000)) == Written(created=1_000)
        first = len(sizes)
        assert index.upsert(many_jobs(1_000)) == Written(created=1_000)
        index.close()
    assert sizes[0] > 20_000
    assert max(sizes[first:]) <= 20_000, "what was refused once is not tried again"


def test_of_a_request_that_is_too_large_for_one_document_all_others_land(tmp_path: Path) -> None:
    script, _ = taking(20_000)
    large = Document("jobs", "large", {"s_error_summary": "x" * 30_000})
    with serving(script) as (host, _):
        index = open_index(_settings(tmp_path, host))
        with pytest.raises(IndexWriteError, match=r"1 document was refused .* large: HTTP 413.* bytes") as caught:
            index.upsert([*many_jobs(50), large])
        index.close()
    assert [id_ for id_, _ in caught.value.refused] == ["large"]


def test_requests_grow_to_the_setting_while_answers_are_quick(tmp_path: Path) -> None:
    script, sizes = taking(10**9)
    bodies = [Document("jobs", f"j{number}", {"s_error_summary": "x" * 20_000}) for number in range(4_000)]
    with serving(script) as (host, _):
        index = open_index(_settings(tmp_path, host, OPENSEARCH_BULK_MB="6"))
        index.upsert(bodies)
        index.close()
    assert 5 * 1024**2 < max(sizes) <= 6 * 1024**2


def test_one_document_that_spoils_its_request_is_named_and_the_others_land(tmp_path: Path) -> None:
    def spoiled(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        if not handler.path.startswith("/_bulk"):
            return _ready(handler.path)
        if b'job 7"' in body:
            return 400, {"error": {"type": "parse_exception", "reason": "malformed"}, "status": 400}
        landed.extend(json.loads(line)["index"]["_id"] for line in body.splitlines()[::2])
        return 200, _bulk_answer(body, 201)

    landed: list[str] = []
    with serving(spoiled) as (host, _):
        index = open_index(_settings(tmp_path, host))
        with pytest.raises(IndexWriteError) as caught:
            index.upsert([*many_jobs(20), Document("jobs", "half", {"s_job_name": "\ud800"})])
        index.close()
    assert dict(caught.value.refused).keys() == {"github-job-7-attempt-1", "half"}
    assert "malformed" in str(caught.value)
    assert len(landed) == 19


@pytest.mark.parametrize("status", [200, 404, 405])
def test_something_else_at_the_address_is_one_message(tmp_path: Path, status: int) -> None:
    with serving(lambda handler, body: (status, None)) as (host, _):
        for ask in (
            lambda index: index.upsert(many_jobs(1)),
            lambda index: index.count_by("jobs", "s_status"),
            lambda index: list(index.scan("jobs")),
            lambda index: index.get("jobs", ["x"]),
        ):
            index = open_index(_settings(tmp_path, host))
            with pytest.raises(PermanentError, match=r"something else than OpenSearch answers there .*index address"):
                ask(index)
            index.close()


def test_another_node_answers_for_one_that_is_down(tmp_path: Path) -> None:
    with serving(lambda handler, body: _ready(handler.path)) as (host, users):
        index = open_index(_settings(tmp_path, "http://127.0.0.1:9", OPENSEARCH_HOSTS=host))
        index.ensure()
        index.close()
    assert users


def test_a_server_that_asks_for_a_client_certificate_gets_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, server, client = certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(server)
    seen: list[Any] = []

    def noting(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        seen.append(handler.connection.getpeercert())
        return _ready(handler.path)

    with serving(noting, context) as (host, _):
        index = open_index(_settings(tmp_path, host, OPENSEARCH_CLIENT_CERT=str(client)))
        index.ensure()
        index.close()
        without = open_index(_settings(tmp_path, host))
        with pytest.raises(CiMetricsError):
            without.ensure()
        without.close()
    assert {certificate["subject"][0][0][1] for certificate in seen} == {"client"}


def test_requests_are_signed_for_amazons_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore", reason="requests are signed by botocore, which is not installed here")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with serving(lambda handler, body: _ready(handler.path)) as (host, users):
        index = open_index(_settings(tmp_path, host, OPENSEARCH_AWS_REGION="eu-west-1"))
        index.ensure()
        index.close()
    assert all("/eu-west-1/es/aws4_request" in str(user) for user in users)


def test_a_signature_without_what_signs_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(SettingsError, match=r"OPENSEARCH_AWS_REGION: .*botocore.*pip install botocore"):
        open_index(_settings(tmp_path, "http://127.0.0.1:9", OPENSEARCH_AWS_REGION="eu-west-1"))


def test_shards_and_replicas_are_those_of_the_settings(tmp_path: Path) -> None:
    templates: list[Any] = []

    def noting(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        if handler.path.startswith("/_index_template"):
            templates.append(json.loads(body)["template"]["settings"]["index"])
        return _ready(handler.path)

    with serving(noting) as (host, _):
        index = open_index(_settings(tmp_path, host, OPENSEARCH_SHARDS="3", OPENSEARCH_REPLICAS="2"))
        index.ensure()
        index.close()
    assert templates == [{"number_of_shards": 3, "number_of_replicas": 2}] * 4


@pytest.mark.opensearch
def test_documents_go_to_an_index_of_their_month_and_are_one_wherever_they_are(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    settings = with_values(opensearch_settings, index_by_month=True)
    index = open_index(settings)
    january = Document("jobs", "a", {"s_partition": "2026-01-31T23", "s_job_name": "old"})
    february = Document("jobs", "b", {"s_partition": "2026-02-01T00", "s_job_name": "new"})
    assert index.upsert([january, february]) == Written(created=2)
    assert index.upsert([january, february]) == Written(updated=2)
    assert index.update("jobs", {"a": {"s_branch": "main"}, "never": {"s_branch": "x"}}) == 1
    assert index.get("jobs", ["a", "b", "never"]) == {"a": {**january.body, "s_branch": "main"}, "b": february.body}
    name = f"{opensearch_prefix}jobs"
    count = {month: opensearch_client.count(index=f"{name}-{month}")["count"] for month in ("2026.01", "2026.02")}
    assert count == {"2026.01": 1, "2026.02": 1}
    assert index.delete("jobs", ["b", "never"]) == 1
    index.refresh()
    assert index.count_by("jobs", "s_job_name") == {"old": 1}
    opensearch_client.indices.delete(index=f"{name}-2026.01")
    assert index.get("jobs", ["a"]) == {}
    index.close()


@pytest.mark.opensearch
def test_an_index_that_stands_where_the_months_alias_should_is_named(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    opensearch_client.indices.create(index=f"{opensearch_prefix}jobs")
    index = open_index(with_values(opensearch_settings, index_by_month=True))
    with pytest.raises(ContractError, match=rf"{opensearch_prefix}jobs is one index.*JOB_INDEX"):
        index.ensure()
    index.close()


@pytest.mark.opensearch
def test_after_a_rollover_a_document_is_written_where_it_is(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    name = f"{opensearch_prefix}jobs"
    opensearch_client.indices.create(index=f"{name}-000001", body={"aliases": {name: {"is_write_index": True}}})
    index = open_index(opensearch_settings)
    documents = list(many_jobs(3))
    index.upsert(documents[:2])
    opensearch_client.indices.rollover(alias=name)
    assert index.upsert(documents) == Written(created=1, updated=2)
    index.refresh()
    assert sorted(document.id for document in index.scan("jobs")) == [document.id for document in documents]
    assert set(index.get("jobs", [document.id for document in documents])) == {d.id for d in documents}
    index.close()


@pytest.mark.opensearch
def test_an_answer_that_lacks_a_month_is_an_error_and_not_taken_for_the_whole(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    index = open_index(with_values(opensearch_settings, index_by_month=True))
    documents, _ = corpus()
    index.upsert(documents)
    index.refresh()
    allocated_nowhere = {"index.routing.allocation.require._name": "no such node", "index.number_of_replicas": 0}
    opensearch_client.indices.create(
        index=f"{opensearch_prefix}jobs-2025.01",
        body={"settings": allocated_nowhere},
        wait_for_active_shards="0",
    )
    for ask in (
        lambda: index.count_by("jobs", "s_status"),
        lambda: list(index.scan("jobs")),
        lambda: list(index.scan("jobs", limit=3)),
    ):
        with pytest.raises(TransientError):
            ask()
    index.close()


@pytest.mark.opensearch
def test_an_operators_template_takes_the_place_of_ours(
    opensearch_settings: Settings, opensearch_client: OpenSearch, opensearch_prefix: str
) -> None:
    name = f"{opensearch_prefix}jobs"
    theirs = {"index_patterns": [f"{name}*"], "priority": 900, "template": {"settings": {"number_of_shards": 2}}}
    opensearch_client.indices.put_index_template(name=f"{opensearch_prefix}theirs", body=theirs)
    index = open_index(opensearch_settings)
    documents, _ = corpus()
    index.upsert(documents)
    index.refresh()
    assert index.count_by("jobs", "s_error_type")["timeout"] == 2
    index.close()
    opensearch_client.indices.delete_index_template(name=f"{opensearch_prefix}theirs")
    assert opensearch_client.indices.get_settings(index=name)[name]["settings"]["index"]["number_of_shards"] == "2"


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


def test_a_command_loads_opensearchs_client_without_what_it_does_not_use() -> None:
    code = """if True:
        import sys
        from ci_metrics.index.open import open_index
        from ci_metrics.settings import load_settings
        names = ("WORKFLOW_INDEX", "JOB_INDEX", "STEPS_INDEX")
        open_index(load_settings({name: f"http://127.0.0.1:9/{name.lower()}" for name in names}), reading=True)
        print("opensearchpy" in sys.modules, "aiohttp" in sys.modules)
        import aiohttp
        print(aiohttp.ClientSession.__name__)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.split(), done.stderr) == (["True", "False", "ClientSession"], "")


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
