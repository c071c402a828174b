"""No secret of a whole run is seen in anything that it keeps, prints, sends or
shows, except in the raw logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sqlite3
import stat
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hyperscan
import pyarrow.parquet as pq
import pytest
import zstandard
from mcp import Client

from ci_metrics.agents.mcp_server import build_server
from ci_metrics.agents.questions import Questions
from ci_metrics.cli import build_app
from ci_metrics.commands.top_tables import What
from ci_metrics.orchestration.alert_job import events
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.report.alerts import slack_message
from ci_metrics.sample.server import SAMPLE_TOKEN, SampleGitHub
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.github.worlds import REPO, START
from ci_metrics_tests.llm.model_server import KEY, ModelServer
from ci_metrics_tests.orchestration.leaking_world import PULL, LeakingGitHub, by_place, probe
from ci_metrics_tests.orchestration.test_trace_spans import Receiver
from ci_metrics_tests.redaction.leaks import COMMON, LEAKS
from ci_metrics_tests.redaction.test_masking import PIECE

#: The whole run and every command take a minute of CPU time; on a busy machine several.
pytestmark = pytest.mark.timeout(1_200)

#: Where a dozen kinds stand in one sentence, which some are known by ending: of those nearly all
#: are masked, of all others all.
SENTENCES = {"answer", "note"}
REACH = 0.96

HOUR = f"{START:%Y-%m-%dT%H}"
#: What is allowed to hold them: `docs/operation.md` says so, and that the
#: folder is to be protected.
RAW = "data/hours/job_logs"


@dataclass
class Outcome:
    """The run's home, and all else that left it, by sink."""

    github: LeakingGitHub
    home: Path
    sinks: dict[str, bytes]
    raw: bytes


def settings_of(server: SampleGitHub, model: ModelServer, home: Path) -> dict[str, str]:
    return {
        "CI_METRICS_HOME": str(home), "GITHUB_API_URL": server.api_url, "GITHUB_TOKEN": SAMPLE_TOKEN, "REPO": REPO,
        "ENABLE_ERROR_CLASSIFICATION": "true", "ANTHROPIC_API_KEY": KEY, "API_BASE_URL": model.url,
        "MODEL_BATCHES": "false", "MAX_RPM": "100000", "COLUMNS": "400",
    }  # fmt: skip


def said(*arguments: str) -> bytes:
    """What a command prints, on both streams."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        build_app()(list(arguments), result_action="return_value")
    return out.getvalue().encode("utf-8", "surrogatepass")


def unpacked(data: bytes) -> bytes:
    """`data`, and what it is the compressed form of."""
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return data + zstandard.ZstdDecompressor().decompressobj().decompress(data)
    if data[:2] in (b"\x1f\x8b", b"\x78\x9c", b"\x78\xda", b"\x78\x01"):
        with contextlib.suppress(zlib.error):
            return data + zlib.decompress(data, 47)
    return data


def database(path: Path) -> Iterator[bytes]:
    """Every value of every table."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        for (name,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
            with contextlib.suppress(sqlite3.OperationalError):  # a shadow table of a full-text index
                for row in connection.execute(f'select * from "{name.decode()}"'):
                    yield from (unpacked(value) for value in row if isinstance(value, bytes))


def contents(path: Path) -> bytes:
    """All text that a file holds, however it is stored."""
    data = unpacked(path.read_bytes())
    if data[:4] == b"PAR1":
        return json.dumps(pq.read_table(path).to_pylist(), ensure_ascii=False, default=str).encode(
            "utf-8", "surrogatepass"
        )
    if data[:15] == b"SQLite format 3":
        return data + b"\n".join(database(path))
    return data


def plain(data: bytes) -> bytes:
    """`data`, and the same without the escapes of JSON within JSON."""
    return data + b"\n" + data.replace(b"\\", b"")


def every_command(settings: Settings, logs: Path, note: str) -> Iterator[tuple[str, bytes]]:
    """What each command that shows anything prints."""
    with open_parts(settings) as parts:
        jobs = [d.body["s_job_id"] for d in parts.index.documents.scan("jobs") if "s_error_state" in d.body]
        messages = [slack_message(alert) for alert in events(parts.hours, None)]
    yield "label", said("label", str(jobs[0]), "timeout", "--note", note)
    yield "alerts", json.dumps(messages, ensure_ascii=False).encode()
    for option in ((), ("--json",), ("--csv",)):
        yield "search", said("search", "--limit", "1000", *option)
    for what in What.__args__:  # type: ignore[attr-defined]
        for option in ((), ("--csv",)):
            yield "top", said("top", what, "--limit", "1000", *option)
    for number, job in enumerate(jobs):  # a job has a dozen kinds; with --why its log is read again
        yield "explain", said("explain", str(job), *(("--why", "--json") if number % 4 == 0 else ("--json",)))
        if number % 8 == 0:
            yield "explain", said("explain", str(job), "--why")
            yield "summary", said("explain", str(job), "--markdown")
    yield "report", said("report", "--out", str(logs / "report.html"))
    yield "report", (logs / "report.html").read_bytes()
    yield "comment", said("pr-comment", "--repo", REPO, "--pr", str(PULL), "--dry-run")
    yield "doctor", said("doctor")
    for reply in every_reply(settings, logs, [str(job) for job in jobs]):
        yield "mcp", reply
    files = [str(path) for path in sorted(logs.glob("*.log"))]
    yield "classify", said("classify", "--json", *files)
    yield "classify", said("classify", "--why", *files[:8])
    yield "classify", said("classify", "--show-request", *files)
    yield "summary", said("classify", "--markdown", *files)
    yield "extract", said("extract", "--json", *files)
    yield "extract", said("extract", *files[:8])


def every_reply(settings: Settings, logs: Path, jobs: list[str]) -> Iterator[bytes]:
    """What agents are told, as the protocol carries it."""
    files = sorted(logs.glob("*.log"))
    asked: list[tuple[str, dict[str, object]]] = [
        ("what_is_broken_now", {}), ("is_this_flaky", {}), ("search_failures", {"limit": 20}),
        ("why_did_this_pull_request_fail", {"repo": REPO, "number": PULL}),
    ]  # fmt: skip
    for number, job in enumerate(jobs):
        asked.append(("why_did_this_job_fail", {"job": job}))
        if number % 4 == 0:
            asked += [("show_log_lines", {"job": job, "line": line, "before": 50, "after": 49}) for line in (40, 140)]
            asked.append(("failures_like_this", {"job": job}))
    asked += [("why_did_this_log_fail", {"log": file.name}) for file in files[:8]]

    async def replies() -> list[bytes]:
        async with Client(build_server(Questions(settings, [logs]))) as client:
            told = [await client.call_tool(name, given) for name, given in asked]
            resources = [await client.read_resource(each.uri) for each in (await client.list_resources()).resources]
        texts = [json.dumps(each.model_dump(mode="json"), ensure_ascii=False) for each in (*told, *resources)]
        return [text.encode("utf-8", "surrogatepass") for text in texts]

    return iter(asyncio.run(replies()))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """A whole run, by the command in a process of its own, with a model; then every
    command that shows what it made.
    """
    leaking = LeakingGitHub(LEAKS)
    made = leaking.world()
    home, logs = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("logs")
    for run in made.runs:
        for job in run.attempts[0].jobs:
            if job.conclusion == "failure":
                (logs / f"{job.job_id}.log").write_bytes(job.read_log())
    with (
        SampleGitHub(made) as server,
        ModelServer(answer=leaking.answer) as model,
        Receiver() as collector,
        pytest.MonkeyPatch.context() as patch,
    ):
        given = {**settings_of(server, model, home), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        for name, value in given.items():
            patch.setenv(name, value)
        patch.chdir(logs)
        done = subprocess.run(
            [sys.executable, "-c", "from ci_metrics.cli import main; main()", "upload", "--from", HOUR, "--to", HOUR, "--verbose"],
            capture_output=True, check=False, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        sinks = {"upload": done.stdout + done.stderr}
        for sink, text in every_command(load_settings(given), logs, leaking.note()):
            sinks[sink] = sinks.get(sink, b"") + b"\n" + text
        sinks["spans"] = b"\n".join(span.SerializeToString() for span in collector.spans)
        assert sinks["spans"], "no span was sent"
        sinks["prompts"] = json.dumps([r["body"] for r in model.requests], ensure_ascii=False).encode()
        raw = b""
        for path in sorted(p for p in home.rglob("*") if p.is_file()):
            where = path.relative_to(home).as_posix()
            if where.startswith(RAW) and path.suffix == ".zst":
                raw += contents(path)
            else:
                sink = "/".join(where.split("/")[1:3])
                sinks[sink] = sinks.get(sink, b"") + b"\n" + contents(path)
        yield Outcome(leaking, home, sinks, raw)


def note(number: int, _from: int, _to: int, _flags: int, numbers: object) -> None:
    """What Hyperscan calls for each match."""
    assert isinstance(numbers, set)
    numbers.add(number)


def pieces_of(secret: str) -> set[bytes]:
    """What must not be seen of a secret: the whole, and of a long one any part of some length."""
    parts = {secret[at : at + PIECE] for at in range(0, len(secret) - PIECE + 1, 4)}
    return {secret.encode(), *(part.encode() for part in parts if any(map(str.isdigit, part)))}


@pytest.fixture(scope="module")
def seen(outcome: Outcome) -> Callable[[bytes], set[tuple[str, str]]]:
    """Which (place, kind) have a secret, or a piece of one, in some text."""
    owners: dict[bytes, tuple[str, str]] = {}
    for owner, secrets in outcome.github.secrets.items():
        for piece in (piece for secret in secrets for piece in pieces_of(secret)):
            owners[piece] = owner
    known = list(owners)
    engine = hyperscan.Database()
    engine.compile(expressions=known, ids=list(range(len(known))), elements=len(known), literal=True)

    def found(data: bytes) -> set[tuple[str, str]]:
        numbers: set[int] = set()
        engine.scan(plain(data), match_event_handler=note, context=numbers)
        return {owners[known[number]] for number in numbers}

    return found


def test_no_sink_of_a_whole_run_holds_a_secret(outcome: Outcome, seen: Callable[[bytes], set[tuple[str, str]]]) -> None:
    assert len(outcome.sinks) >= 12, sorted(outcome.sinks)
    leaks = {sink: found for sink, text in outcome.sinks.items() if (found := seen(text))}
    told = "\n".join(f"{sink}: {by_place(found)}" for sink, found in leaks.items())
    found = {owner for owners in leaks.values() for owner in owners}
    in_sentences = {kind for place, kind in found if place in SENTENCES}
    assert {place for place, _ in found} <= SENTENCES, told
    assert not in_sentences & set(COMMON), told
    assert len(in_sentences) <= (1 - REACH) * sum(place in SENTENCES for place, _ in outcome.github.secrets), told


def test_what_was_looked_for_was_there(outcome: Outcome, seen: Callable[[bytes], set[tuple[str, str]]]) -> None:
    """The raw logs hold the secrets; prompts and documents the lines beside them."""
    assert {kind for _, kind in seen(outcome.raw)} == set(LEAKS)
    for sink, least in (
        ("prompts", 0.9),
        ("index.sqlite", 0.9),
        ("hours/extracted_errors", 0.9),
        ("extract", 0.9),
        ("mcp", 0.3),
    ):
        there = sum(probe(kind).encode() in outcome.sinks[sink] for kind in LEAKS)
        assert there >= least * len(LEAKS), (sink, there)
    assert outcome.sinks["hours/backgrounds"], "no passing log was looked at"
    places = {"log", "annotation", "name", "run", "title", "answer", "passing log", "note"}
    assert {place for place, _ in outcome.github.secrets} == places


def test_what_stays_raw_is_for_its_owner_alone(outcome: Outcome) -> None:
    assert outcome.raw
    folder = outcome.home / RAW
    for path in (folder, *folder.rglob("*.zst")):
        assert not stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO), path


def test_the_settings_own_secrets_are_in_no_sink(outcome: Outcome) -> None:
    for sink, text in outcome.sinks.items():
        assert SAMPLE_TOKEN.encode() not in text and KEY.encode() not in text, sink
