"""Runs, jobs and steps reach an OpenTelemetry collector as spans, each once."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ci_metrics.commands.upload import failure_words
from ci_metrics.errors import SettingsError
from ci_metrics.models import Job, Run
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.orchestration.storage.rows import IndexedDocument, JobVerdicts, JudgedError
from ci_metrics.report.span_export import read_headers
from ci_metrics.settings import load_settings
from ci_metrics_tests.builders import HOUR, RUN_ID, a_job, a_run, a_step, a_verdict, an_error
from ci_metrics_tests.orchestration.conftest import run_job, tick

KEY = f"{HOUR:%Y-%m-%dT%H}"
SOON = HOUR + timedelta(hours=2)


class Receiver:
    """A collector on loopback that keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.headers: list[Mapping[str, str]] = []
        self.status = 200
        self.sends_on = ""  # where to, with a redirect's status
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.status == 200 and self.path == "/v1/traces":
                    body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
                    request = ExportTraceServiceRequest.FromString(body)
                    receiver.headers.append(dict(self.headers))
                    for resource in request.resource_spans:
                        for scope in resource.scope_spans:
                            receiver.spans += scope.spans
                self.answer()

            def do_GET(self) -> None:  # what a client makes of a POST that is sent on
                receiver.headers.append(dict(self.headers))
                self.answer()

            def answer(self) -> None:
                self.send_response(receiver.status)
                if receiver.sends_on:
                    self.send_header("location", receiver.sends_on)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Receiver:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@contextmanager
def parts_at(home: Path, receiver: Receiver, now: datetime = SOON, **more: str) -> Iterator[Parts]:
    given = {"CI_METRICS_HOME": str(home), "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **more}
    with open_parts(load_settings(given), clock=lambda: now) as parts:
        yield parts


def store(parts: Parts, run: Run, jobs: list[Job], *, at: datetime = SOON, state: str = "classified") -> None:
    """The hour as the chain leaves it: the first job's second step failed by a timeout."""
    error, verdict = (
        an_error(step_number=2),
        a_verdict(state=state, error_type="timeout" if state == "classified" else None),
    )
    verdicts = JobVerdicts(
        repo=run.repo, run_id=run.run_id, run_attempt=run.run_attempt, job_id=jobs[0].job_id, state=verdict.state,
        judged=(JudgedError(error=error, verdict=verdict),), digest="", background=False,
    )  # fmt: skip
    rows: tuple[tuple[str, list[object], type], ...] = (
        ("workflow_runs", [run], Run), ("workflow_jobs", list(jobs), Job),
        ("classifications", [verdicts], JobVerdicts), ("indexed_documents", [], IndexedDocument),
    )  # fmt: skip
    for asset, found, kind in rows:
        parts.hours.store.commit(asset, KEY, found, kind, notes={}, status={}, now=at)


def told(parts: Parts) -> str:
    """What the sensor says, or how the run that it requests ends."""
    with dg.DagsterInstance.ephemeral() as instance:
        asked = tick(parts, "trace_spans", instance)
    if isinstance(asked, str):
        return asked
    result = run_job(parts, "send_trace_spans")
    return "sent" if result.success else failure_words(result)


def attributes(span: Span) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


def test_an_attempt_is_one_trace_of_its_run_its_jobs_and_their_steps_by_the_conventions(
    receiver: Receiver, tmp_path: Path
) -> None:
    passed = a_job(job_id=501, name="lint", conclusion="success", steps=(a_step(1),))
    skipped = a_job(job_id=502, name="deploy", conclusion="skipped", started_at=None, completed_at=None, steps=())
    with parts_at(tmp_path, receiver) as parts:
        store(parts, a_run(pr_id="7"), [a_job(), passed, skipped])
        assert told(parts) == "sent"
    run, job, ok_step, bad_step, lint, _ = receiver.spans
    assert {span.trace_id for span in receiver.spans} == {run.trace_id} and len(receiver.spans) == 6
    assert not run.parent_span_id
    assert [job.parent_span_id, lint.parent_span_id] == [run.span_id] * 2
    assert [ok_step.parent_span_id, bad_step.parent_span_id] == [job.span_id] * 2
    assert (run.name, job.name, bad_step.name) == ("RUN CI", "test (3.12)", "Step 2")
    assert run.start_time_unix_nano == int(HOUR.timestamp()) * 10**9
    assert (job.end_time_unix_nano - job.start_time_unix_nano) / 10**9 == 580
    told_of_run = attributes(run)
    assert told_of_run["cicd.pipeline.name"] == "CI" and told_of_run["cicd.pipeline.run.id"] == str(RUN_ID)
    assert told_of_run["cicd.pipeline.result"] == "failure" and told_of_run["error.type"] == "timeout"
    assert (told_of_run["vcs.owner.name"], told_of_run["vcs.repository.name"]) == ("octo", "widgets")
    assert told_of_run["vcs.repository.url.full"] == "https://github.com/octo/widgets"
    assert told_of_run["vcs.ref.head.name"] == "main" and told_of_run["vcs.change.id"] == "7"
    assert attributes(job)["cicd.pipeline.task.run.id"] == "500" and attributes(job)["error.type"] == "timeout"
    assert attributes(bad_step)["error.type"] == "timeout" and bad_step.status.code == Status.STATUS_CODE_ERROR
    assert "error.type" not in attributes(ok_step) and ok_step.status.code == Status.STATUS_CODE_UNSET


def test_what_was_sent_is_not_sent_again_and_a_later_attempt_is(receiver: Receiver, tmp_path: Path) -> None:
    first, second = a_run(), a_run(run_attempt=2, conclusion="success")
    with parts_at(tmp_path, receiver) as parts:
        store(parts, first, [a_job()])
        assert told(parts) == "sent" and len(receiver.spans) == 4
        assert told(parts) == "No hour was indexed since its spans were sent."
        store(parts, first, [a_job()], at=SOON + timedelta(minutes=5))  # done again, nothing is new
        assert told(parts) == "sent" and len(receiver.spans) == 4
        again = a_job(run_attempt=2, job_id=600, conclusion="success", steps=())
        parts.hours.store.commit("workflow_runs", KEY, [first, second], Run, notes={}, status={}, now=SOON)
        parts.hours.store.commit("workflow_jobs", KEY, [a_job(), again], Job, notes={}, status={}, now=SOON)
        later = SOON + timedelta(minutes=10)
        parts.hours.store.commit("indexed_documents", KEY, [], IndexedDocument, notes={}, status={}, now=later)
        assert told(parts) == "sent" and len(receiver.spans) == 6
    assert len({span.span_id for span in receiver.spans}) == 6
    assert len({span.trace_id for span in receiver.spans}) == 2


def test_ids_follow_from_githubs_so_that_two_machines_send_the_same_span(receiver: Receiver, tmp_path: Path) -> None:
    for home in ("a", "b"):
        with parts_at(tmp_path / home, receiver) as parts:
            store(parts, a_run(), [a_job()])
            assert told(parts) == "sent"
    ids = [(span.trace_id, span.span_id) for span in receiver.spans]
    assert len(ids) == 8 and ids[:4] == ids[4:]


@pytest.mark.parametrize(
    ("run", "job", "state"),
    [
        (a_run(status="in_progress", conclusion=None), a_job(), "classified"),
        (a_run(), a_job(status="in_progress", conclusion=None), "classified"),
        (a_run(), a_job(), "pending"),
    ],
)
def test_what_has_not_ended_or_waits_for_its_verdict_is_not_sent_yet(
    run: Run, job: Job, state: str, receiver: Receiver, tmp_path: Path
) -> None:
    with parts_at(tmp_path, receiver) as parts:
        store(parts, run, [job], state=state)
        assert told(parts) == "sent" and not receiver.spans
        store(parts, a_run(), [a_job()], at=SOON + timedelta(minutes=5))
        assert told(parts) == "sent" and len(receiver.spans) == 4


def test_a_collector_that_takes_nothing_is_named_and_sent_everything_later(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 400
    with parts_at(tmp_path, receiver) as parts:
        store(parts, a_run(), [a_job()])
        assert f"the collector at {receiver.url} did not take 4 of 4 spans" in told(parts)
        receiver.status = 200
        assert told(parts) == "sent" and len(receiver.spans) == 4


def test_the_settings_headers_go_with_every_request(receiver: Receiver, tmp_path: Path) -> None:
    headers = "x-team=a%20b, authorization=Bearer t"
    with parts_at(tmp_path, receiver, OTEL_EXPORTER_OTLP_HEADERS=headers) as parts:
        store(parts, a_run(), [a_job()])
        assert told(parts) == "sent"
    (seen,) = receiver.headers
    assert (seen["x-team"], seen["authorization"]) == ("a b", "Bearer t")
    with pytest.raises(SettingsError, match="an entry is not name=value") as refused:
        read_headers("secret-without-a-name")
    assert "secret-without" not in str(refused.value)


def test_without_a_collector_nothing_is_due(receiver: Receiver, tmp_path: Path) -> None:
    with open_parts(load_settings({"CI_METRICS_HOME": str(tmp_path)}), clock=lambda: SOON) as parts:
        store(parts, a_run(), [a_job()])
        assert told(parts) == "OTEL_EXPORTER_OTLP_ENDPOINT is not set: no collector is told."


@pytest.mark.parametrize("status", [302, 307])
def test_spans_and_the_collectors_headers_are_not_sent_on_to_another_address(
    receiver: Receiver, tmp_path: Path, status: int
) -> None:
    with Receiver() as elsewhere:
        receiver.status, receiver.sends_on = status, f"{elsewhere.url}/v1/traces"
        with parts_at(tmp_path, receiver, OTEL_EXPORTER_OTLP_HEADERS="api-key=s3cr3t") as parts:
            store(parts, a_run(), [a_job()])
            assert f"the collector at {receiver.url} did not take 4 of 4 spans" in told(parts)
            assert (elsewhere.headers, elsewhere.spans) == ([], [])
            receiver.status, receiver.sends_on = 200, ""
            assert told(parts) == "sent" and len(receiver.spans) == 4
