from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.commands.pr_comment import pr_comment as command
from ci_metrics.errors import AuthenticationError, NotFoundError, SettingsError
from ci_metrics.github.comments import PullRequestClient
from ci_metrics.history.pull_request import PullRequest, read_pull_request
from ci_metrics.index.document_index import Body, Document, DocumentIndex
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.times import iso
from ci_metrics.report.markdown import fenced, inert_text
from ci_metrics.report.pr_comment import MARKER, comment_body
from ci_metrics.report.pr_comment_posting import post
from ci_metrics.sample.scenario import sample_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import World

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REPO = "acme/shop"


def run(number: int, sha: str, status: str, hours_ago: float, attempt: int = 1, **more: str) -> Document:
    """A workflow document of pull request 7."""
    when = iso(NOW - timedelta(hours=hours_ago))
    body: Body = {
        "@timestamp": when, "s_repo": REPO, "s_workflow_id": str(number), "s_workflow_name": "CI", "s_branch": "topic",
        "s_github_event": "pull_request", "s_pr_id": "7", "s_commit_sha": sha, "s_status": status, "l_run_attempt": attempt,
        "ts_creation_time": when, "s_partition": "2026-11-20T10", **more,
    }  # fmt: skip
    return Document("workflows", f"github-workflow-{number}-attempt-{attempt}", body)


def job(number: int, sha: str, name: str, status: str, error: str = "", attempt: int = 1, **more: object) -> Document:
    """A job document; `error` is its fingerprint, "no_log" a state."""
    job_id = number * 10_000_000_000 + attempt * 5_000_000_000 + zlib.crc32(name.encode())
    body: Body = {
        "@timestamp": iso(NOW - timedelta(hours=1)), "s_repo": REPO, "s_workflow_id": str(number), "s_workflow_name": "CI",
        "s_branch": "topic", "s_github_event": "pull_request", "s_pr_id": "7", "s_commit_sha": sha, "s_status": status,
        "l_run_attempt": attempt, "s_job_id": str(job_id), "s_job_name": name, "l_duration_sec": 60,
        "s_html_url": f"https://github.com/{REPO}/actions/runs/{number}/job/{job_id}",
    }  # fmt: skip
    if error == "no_log":
        body["s_error_state"] = "no_log"
    elif error:
        body |= {
            "s_error_state": "classified", "s_error_type": "assertion_failure", "s_error_summary": "A sum is wrong.",
            "f_error_confidence": 0.9, "s_error_source": "rules", "s_error_evidence": "assert 1 == 2", "l_error_line": 12,
            "s_error_log_url": f"https://github.com/{REPO}/actions/runs/{number}/job/{job_id}#step:3:9",
            "s_error_fingerprint": error, "s_error_group": error,
            "errors": [{"s_step_name": "Run tests", "s_error_state": "classified", "s_error_fingerprint": error}],
        }  # fmt: skip
    return Document("jobs", f"github-job-{job_id}-attempt-{attempt}", {**body, **more})


OLD, NEW = "a" * 40, "b" * 40


def read(index: DocumentIndex, documents: list[Document], **more: object) -> PullRequest:
    index.upsert(documents)
    index.refresh()
    return read_pull_request(index, REPO, 7, now=NOW, **more)  # type: ignore[arg-type]


def test_failed_jobs_of_the_newest_commit_are_told_with_type_cause_quote_and_link(any_index: DocumentIndex) -> None:
    documents = [run(1, OLD, "failure", 5), job(1, OLD, "lint", "failure", "f1-old"), run(2, NEW, "failure", 1)]
    documents += [
        job(2, NEW, "unit (3.11)", "failure", "f1-sum"),
        job(2, NEW, "unit (3.1)", "failure", "f1-sum"),
        job(2, NEW, "docs", "success"),
    ]
    body = comment_body(read(any_index, documents), exists=False)
    assert body is not None
    assert body.startswith(MARKER)
    assert f"2 jobs failed at `{NEW[:7]}`, 1 passed" in body
    assert "assertion failure, 90% sure" in body
    assert "A sum is wrong." in body
    assert "```text\nassert 1 == 2\n```" in body
    assert "[log line 12](https://github.com/acme/shop/actions/runs/2/job/" in body
    assert body.count("A sum is wrong.") == 1, "one cause of two jobs is told once"
    assert "lint" not in body


def test_what_also_fails_on_the_base_branch_is_said_to_be(embedded_index: DocumentIndex) -> None:
    on_main: dict[str, Any] = {"s_branch": "main", "s_github_event": "push", "s_pr_id": "N/A"}
    documents = [run(1, OLD, "failure", 9, **on_main), job(1, OLD, "unit", "failure", "f1-sum", **on_main)]
    documents += [
        run(2, NEW, "failure", 1),
        job(2, NEW, "unit", "failure", "f1-sum"),
        job(2, NEW, "lint", "failure", "f1-other"),
    ]
    body = comment_body(read(embedded_index, documents), exists=False) or ""
    assert "1 of them also on the base branch" in body
    assert "**Also failing on the base branch** main: once in two weeks, last [20 Nov 11:00](https://" in body
    assert body.index("lint") < body.index("/ unit"), "what this change may have broken comes first"


def test_an_owner_is_named_without_being_notified_and_the_base_branchs_commit_is_linked(
    embedded_index: DocumentIndex,
) -> None:
    base: dict[str, Any] = {
        "s_branch": "main",
        "s_github_event": "push",
        "s_pr_id": "N/A",
        "s_first_bad_sha": "b" * 40,
        "s_last_good_sha": "a" * 40,
    }
    embedded_index.upsert(
        [
            run(1, "aaaaaaa1", "failure", 2),
            job(1, "aaaaaaa1", "unit", "failure", "f1-x", s_owner=["@acme/pay"], s_error_path="src/pay.py", s_error_domain="code"),
            job(1, "aaaaaaa1", "lint", "failure", "f1-n", s_owner=["@acme/it"], s_error_domain="platform"),
            job(2, "bbbbbbb1", "unit", "failure", "f1-x", **base),
        ]
    )  # fmt: skip
    said = comment_body(read_pull_request(embedded_index, REPO, 7, base="main", now=NOW), exists=False) or ""
    assert "Owner: @\u200bacme/pay (src/pay.py)." in said
    assert "**The platform's, not the code's.** Owner: @\u200bacme/it." in said
    assert f"(https://github.com/{REPO}/compare/{'a' * 40}...{'b' * 40})" in said
    assert "@acme" not in said


def test_a_re_run_that_passed_is_not_a_failure_any_more(embedded_index: DocumentIndex) -> None:
    documents = [
        run(2, NEW, "failure", 2),
        run(2, NEW, "success", 1, attempt=2),
        job(2, NEW, "unit", "failure", "f1-sum"),
    ]
    documents += [job(2, NEW, "unit", "success", attempt=2), job(2, NEW, "docs", "success")]
    pull = read(embedded_index, documents)
    assert (pull.green, pull.passed) == (True, 2)


@pytest.mark.parametrize(
    ("documents", "gaps", "head", "gap"),
    [
        ([], (), "", "no run of this pull request"),
        ([run(2, NEW, "in_progress", 1), job(2, NEW, "unit", "success")], (), "", "not finished"),
        ([run(2, NEW, "success", 1), job(2, NEW, "unit", "success"), job(2, NEW, "slow", "queued")], (), "", "not finished"),
        ([run(2, NEW, "failure", 1), job(2, NEW, "unit", "success")], (), "", "is not in the index"),
        ([run(2, NEW, "success", 1), job(2, NEW, "unit", "success")], ("the hour is not finished",), "", "not finished"),
        ([run(2, NEW, "success", 1), job(2, NEW, "unit", "success")], (), "c" * 40, "ccccccc is not in the index yet"),
    ],
)  # fmt: skip
def test_green_is_never_claimed_while_something_is_not_known(
    embedded_index: DocumentIndex, documents: list[Document], gaps: tuple[str, ...], head: str, gap: str
) -> None:
    pull = read(embedded_index, documents, gaps=gaps, head=head)
    assert comment_body(pull, exists=False) is None
    body = comment_body(pull, exists=True) or ""
    assert gap in body
    assert "passed" not in body


def test_a_failed_job_without_a_log_is_still_a_failed_job(embedded_index: DocumentIndex) -> None:
    body = (
        comment_body(
            read(embedded_index, [run(2, NEW, "failure", 1), job(2, NEW, "unit", "failure", "no_log")]), exists=False
        )
        or ""
    )
    assert "1 job failed" in body
    assert "GitHub has no log of this job" in body


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("thanks @octocat and @acme/team", r"@[a-z]"),
        ("fixes #12, GH-3 and acme/shop#4", r"#\d|GH-\d"),
        ("at 1a2b3c4d5e6f7081920a1b2c3d4e5f6071829304", r"\b[0-9a-f]{7,40}\b"),
        ("see https://evil.example or www.evil.example", r"://e|www\.e"),
        ("<img src=x onerror=alert(1)> <!-- ci-metrics: why CI failed -->", r"<"),
        ("**bold** `code` [x](https://e) ~~s~~ | cell", r"(?<!\\)[*`\[\]~|]"),
        ("# heading", r"^#"),
        ("- list", r"^-"),
        ("1. list", r"^1\."),
        ("a\nb\r\n> c\u202e\x1b[31m", r"[\n\r\u202e\x1b]"),
    ],
)  # fmt: skip
def test_text_from_logs_is_inert_in_a_comment(text: str, forbidden: str) -> None:
    assert not re.search(forbidden, inert_text(text), re.IGNORECASE)


def test_a_quote_cannot_leave_its_block_and_long_ones_are_cut() -> None:
    nasty = "```\n@octocat ````\n<!-- x -->"
    block = fenced(nasty)
    fence = block.splitlines()[0].removesuffix("text")
    assert len(fence) == 5
    assert block.endswith(fence)
    assert fenced("x\n" * 100).count("\n") < 12
    assert "…" in fenced("y" * 5_000)


def test_a_hundred_failures_fit_into_githubs_limit(embedded_index: DocumentIndex) -> None:
    long: dict[str, Any] = {"s_error_summary": "é*" * 900, "s_error_evidence": "`q`\n" * 400}
    documents = [run(2, NEW, "failure", 1)]
    documents += [job(2, NEW, f"job {n} {'x' * n}", "failure", f"f1-{n}", **long) for n in range(100)]
    body = comment_body(read(embedded_index, documents), exists=False) or ""
    assert len(body) < 65_536
    assert "100 jobs failed" in body
    assert "Also failed" in body


@pytest.fixture
def github() -> Iterator[SampleGitHub]:
    world = sample_world()
    with SampleGitHub(world) as server:
        yield server


def _open_pull(world: World) -> tuple[str, int, str]:
    pull = next(p for p in world.pulls if p.closed_at is None)
    return pull.repo, pull.number, pull.head_sha


def test_one_comment_is_made_updated_in_place_and_turned_green(
    github: SampleGitHub, embedded_index: DocumentIndex
) -> None:
    repo, number, sha = _open_pull(github.world)

    def documents(status: str, attempt: int) -> list[Document]:
        place: dict[str, Any] = {"s_repo": repo, "s_pr_id": str(number)}
        error = "f1-sum" if status == "failure" else ""
        return [run(2, sha, status, 1, attempt, **place), job(2, sha, "unit", status, error, attempt, **place)]

    def posted() -> str:
        return post(embedded_index, client, repo, number, now=NOW, gaps=()).done

    with PullRequestClient(github.api_url, github.token) as client:
        embedded_index.upsert(documents("success", 1))
        assert posted() == "nothing to say"
        embedded_index.upsert(documents("failure", 1))
        assert [posted(), posted()] == ["created", "unchanged"]
        embedded_index.upsert(documents("success", 2))
        assert posted() == "updated"
    (comment,) = github.comments.of(repo, number)
    assert comment.body.startswith(MARKER)
    assert "all 1 jobs passed" in comment.body


def test_a_foreign_comment_is_left_alone(github: SampleGitHub, embedded_index: DocumentIndex) -> None:
    repo, number, sha = _open_pull(github.world)
    for text in ("LGTM", f"> {MARKER}\nquoted", *("more" for _ in range(120))):
        github.comments.add(repo, number, text, "somebody", NOW)
    place: dict[str, Any] = {"s_repo": repo, "s_pr_id": str(number)}
    embedded_index.upsert([run(2, sha, "failure", 1, **place), job(2, sha, "unit", "failure", "f1-sum", **place)])
    with PullRequestClient(github.api_url, github.token) as client:
        assert post(embedded_index, client, repo, number, now=NOW, gaps=()).done == "created"
        assert post(embedded_index, client, repo, number, now=NOW, gaps=()).done == "unchanged"
    assert len(github.comments.of(repo, number)) == 123


def test_a_refused_token_and_a_missing_pull_request_are_said_plainly(github: SampleGitHub) -> None:
    repo, number, _ = _open_pull(github.world)
    with (
        PullRequestClient(github.api_url, "wrong") as client,
        pytest.raises(AuthenticationError, match="Pull requests: read and write"),
    ):
        client.pull(repo, number)
    with PullRequestClient(github.api_url, github.token) as client, pytest.raises(NotFoundError):
        client.pull(repo, 999_999)


def test_comments_are_off_until_switched_on_and_a_dry_run_only_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("REPO", "GITHUB_TOKEN", "ENABLE_PR_COMMENTS", "PR_COMMENT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CI_METRICS_HOME", str(tmp_path))
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:1")
    index = EmbeddedIndex(tmp_path / "sample" / "index.sqlite")
    index.upsert([run(2, NEW, "failure", 1), job(2, NEW, "unit", "failure", "f1-sum")])
    index.close()
    with pytest.raises(SettingsError, match="comments are off"):
        command(pr=7, repo=REPO)
    command(pr=7, repo=REPO, dry_run=True)
    said = capsys.readouterr().out
    assert "1 job failed" in said
    assert "the hour 2026-11-20T10 (UTC) is not finished" in said
