"""A job's log arrives whole, without the token travelling; what is missing is a state;
what is too long says so.
"""

from __future__ import annotations

import logging
import random
from dataclasses import replace

import pytest

from ci_metrics.errors import AuthenticationError
from ci_metrics.github import GitHub
from ci_metrics.github.capped_log import CappedLog
from ci_metrics.models import Job, JobLog
from ci_metrics.sample.faults import Fault, FaultKind
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import LogAnswer, StepSpec, World
from ci_metrics_tests.github.worlds import HOUR, REPO, START, at, attempt, client, job, run, world

BIG = b"".join(b"%06d a line of the log that is about fifty bytes long\n" % n for n in range(40_000))


def serving(log: bytes, answer: LogAnswer = "stored") -> SampleGitHub:
    """A sample GitHub with one failed job that has this log."""
    return SampleGitHub(
        world(run(1, [attempt(1, [job(11, "test", conclusion="failure", log=log, log_answer=answer)])]))
    )


def fetch(github: GitHub, max_bytes: int = 100_000_000, earlier: JobLog | None = None) -> tuple[JobLog, bytes]:
    """Download the one job's log."""
    parts: list[bytes] = []
    log = github.download_log(the_job(github), parts.append, max_bytes, earlier)
    return log, b"".join(parts)


def the_job(github: GitHub) -> Job:
    """The one job."""
    (latest,) = github.runs_created(REPO, START, START + HOUR)
    return github.jobs(latest)[0]


def test_a_log_comes_byte_for_byte_from_a_host_that_refuses_tokens() -> None:
    text = "\ufeff2026-03-02T09:01:00.0000000Z ##[group]Run make\r\nüñï\x1b[31m red\x1b[0m\n\xff no newline at the end"
    with serving(text.encode("utf-8")) as server, client(server) as github:
        log, body = fetch(github)
        assert github.requests.by_kind["log_storage"] == 1
    assert body == text.encode("utf-8")
    assert (log.state, log.http_status, log.raw_bytes, log.truncated) == ("stored", 200, len(body), False)
    assert (log.repo, log.run_id, log.run_attempt, log.job_id) == (REPO, 1, 1, 11)


@pytest.mark.parametrize(
    ("answer", "content", "state", "status"),
    [("not_found", b"x", "not_found", 404), ("gone", b"x", "gone", 410), ("stored", b"", "not_found", 200)],
)
def test_a_missing_log_is_a_state_that_says_why(answer: LogAnswer, content: bytes, state: str, status: int) -> None:
    with serving(content, answer) as server, client(server) as github:
        log, body = fetch(github)
        if content == b"":  # a step ran, so it should have printed: only a second look is believed
            assert log.state == "unavailable"
            log, body = fetch(github, earlier=log)
    assert (log.state, log.http_status, body) == (state, status, b"")
    assert log.detail
    assert "Server Error" not in log.detail, "it is no trouble of GitHub's, whatever its 410 calls itself"


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        (Fault(kind="cut", on="log_storage"), 2),
        (Fault(kind="cut", on="log_storage", times=3), 4),
        (Fault(kind="break", on="log_storage"), 2),
        (Fault(kind="status", status=503, on="log_storage"), 2),
        (Fault(kind="status", status=403, on="log_storage"), 2),  # the signature's minute was over
        (Fault(kind="html", on="log_storage"), 2),
        (Fault(kind="status", status=502, on="log"), 1),
        (Fault(kind="html", on="log"), 1),
    ],
    ids=lambda value: f"{value.kind}-{value.on}-{value.times}" if isinstance(value, Fault) else "",
)
def test_a_download_that_breaks_goes_on_where_it_was(fault: Fault, requests: int) -> None:
    with serving(BIG) as server, client(server) as github:
        server.faults.add(Fault(**{k: getattr(fault, k) for k in ("kind", "on", "times", "status")}))
        log, body = fetch(github)
        assert github.requests.by_kind["log_storage"] == requests
    assert log.state == "stored"
    assert log.raw_bytes == len(BIG)
    assert body == BIG


def ended(log: bytes) -> World:
    """One failed job whose runner came to its own end, with this log."""
    last = StepSpec(number=9, name="Complete job", started_at=at(4), completed_at=at(5))
    base = job(11, "test", conclusion="failure", log=log)
    return world(run(1, [attempt(1, [replace(base, steps=(*base.steps, last))])]))


def line(text: str) -> bytes:
    """A line as the runner writes it."""
    return f"2026-03-02T09:04:00.0000000Z {text}\n".encode()


@pytest.mark.parametrize(
    ("end", "whole"),
    [
        ([], False),
        (["Cleaning up orphan processes"], True),
        (["Cleaning up orphan processes", "Terminate orphan process: pid (6624) (java)"], True),
        (
            ["Cleaning up orphan processes", "Terminate orphan process: pid (1) (a)", "##[warning]Old " + "x" * 900],
            True,
        ),
        (["Cleaning up orphan processes", "and then the build went on"], False),
        (["the script says: Cleaning up orphan processes"], False),
    ],
)
def test_a_log_of_a_job_that_came_to_its_end_is_whole_when_it_ends_as_the_runner_ends_it(
    end: list[str], whole: bool
) -> None:
    content = BIG + b"".join(map(line, end))
    with SampleGitHub(ended(content)) as server, client(server) as github:
        log, _ = fetch(github)
        assert (log.state, log.raw_bytes) == ("stored" if whole else "unavailable", len(content))
        again, body = fetch(github, earlier=log)  # GitHub has no more of it
        assert (again.state, body) == ("stored", content)
        assert github.requests.by_kind["log"] == 2
    assert ("does not end" in again.detail) is not whole


def test_a_log_that_has_grown_since_the_first_look_is_not_taken_for_all_there_is() -> None:
    with SampleGitHub(ended(BIG[:1000])) as server, client(server) as github:
        first, _ = fetch(github)
        server.world = ended(BIG[:2000])
        second, _ = fetch(github, earlier=first)
    assert [first.state, second.state] == ["unavailable", "unavailable"]


@pytest.mark.parametrize("kind", ["half_unsized", "checksum", "html_as_text", "drip", "empty", "packed"])
def test_what_is_not_the_whole_log_is_never_stored_and_had_the_next_time(kind: FaultKind) -> None:
    content = BIG + line("Cleaning up orphan processes")
    with SampleGitHub(ended(content)) as server, client(server, grace=0.2) as github:
        server.faults.add(Fault(kind=kind, on="log_storage", times=None, seconds=0.02))
        log, _ = fetch(github)
        assert log.state == "unavailable"
        assert log.detail
        server.faults.clear()
        assert fetch(github, earlier=log) == (
            replace(log, state="stored", http_status=200, raw_bytes=len(content), detail=""),
            content,
        )


def test_a_killed_jobs_log_without_a_length_is_whole_when_the_storage_says_that_nothing_is_behind_it() -> None:
    with serving(BIG) as server, client(server) as github:
        server.faults.add(Fault(kind="unsized", on="log_storage"))
        log, body = fetch(github)
        assert github.requests.by_kind["log_storage"] == 2
    assert (log.state, body) == ("stored", BIG)


@pytest.mark.parametrize("kind", ["cut", "break", "html"])
def test_a_log_that_cannot_be_had_now_is_a_state_and_not_for_ever(kind: str) -> None:
    with serving(BIG) as server, client(server) as github:
        server.faults.add(Fault(kind=kind, on="log_storage", times=None))  # type: ignore[arg-type]
        log, _ = fetch(github)
        assert log.state == "unavailable"
        assert log.detail
        assert "sig=" not in log.detail
        assert server.stats.total["log"] <= 5
        server.faults.clear()
        assert fetch(github)[0].state == "stored"


@pytest.mark.parametrize(("on", "asked"), [("log", {"log": 5}), ("log_storage", {"log": 5, "log_storage": 5})])
def test_a_log_that_answers_502_for_ever_costs_no_more_than_one_policys_attempts(
    on: str, asked: dict[str, int]
) -> None:
    with serving(BIG) as server, client(server) as github:
        failed = the_job(github)
        server.reset_stats()
        server.faults.add(Fault(kind="status", status=502, on=on, times=None))
        assert github.download_log(failed, lambda part: None, 1_000).state == "unavailable"
        assert dict(server.stats.total) == asked


def test_the_signature_of_a_logs_address_stands_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(BIG) as server, client(server) as github:
        server.faults.add(Fault(kind="cut", on="log_storage"))
        assert fetch(github)[0].state == "stored"
    assert "sig=" not in caplog.text


def test_a_token_that_may_not_read_logs_is_an_error_that_says_what_it_needs() -> None:
    with serving(BIG) as server, client(server) as github:
        server.faults.add(Fault(kind="status", status=403, on="log"))
        with pytest.raises(AuthenticationError, match="read Actions"):
            fetch(github)


def test_a_log_over_the_cap_keeps_its_beginning_and_its_end_and_says_what_is_missing() -> None:
    with serving(BIG) as server, client(server) as github:
        log, body = fetch(github, max_bytes=100_000)
    lines = body.decode().splitlines()
    (mark,) = [n for n, line in enumerate(lines) if line.startswith("[ci-metrics]")]
    assert log.truncated
    assert log.raw_bytes == len(BIG)
    assert len(body) < 101_000
    assert lines[0].startswith("000000 ")
    assert lines[-1].startswith("039999 ")
    after = int(lines[mark + 1].split()[0])
    missing = int(lines[mark].split("(")[1].split()[0])
    assert after == mark - 1 + missing  # of the last line before the mark, the end is missing and counts as a line
    assert mark * 3 < len(lines)  # the end gets more than the beginning


@pytest.mark.parametrize("known", [True, False], ids=["length known", "length unknown"])
@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 1999, 2001, 50_000])
@pytest.mark.parametrize("chunk", [1, 7, 1000, 100_000])
def test_the_cap_loses_count_of_no_byte(size: int, chunk: int, known: bool) -> None:
    log = random.Random(size).randbytes(size).replace(b"[", b"\n")
    parts: list[bytes] = []
    capped = CappedLog(parts.append, 1000)
    if known:
        capped.expect(size)
    for start in range(0, size, chunk):
        capped.feed(log[start : start + chunk])
    capped.finish()
    body = b"".join(parts)
    assert capped.received == size
    if not capped.truncated:
        assert body == log
        return
    head, _, rest = body.partition(b"\n[ci-metrics] ")
    mark, _, tail = rest.partition(b"\n")
    assert log.startswith(head)
    assert log.endswith(tail)
    dropped = log[len(head) : size - len(tail)]
    assert mark.startswith(b"%d bytes (%d lines)" % (len(dropped), dropped.count(b"\n")))


def test_a_cap_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 byte"):
        CappedLog(print, 0)
