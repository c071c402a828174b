"""What `ci-metrics upload` says of hours and settings before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.text import Text

from ci_metrics.commands.run_answer import answer_lines
from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.commands.upload import EXIT_CODES, ended_as, quiet_repositories, upload
from ci_metrics.errors import SettingsError
from ci_metrics.orchestration.summary import BigCause, Summary
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import load_settings

OWN = {"REPO": "o/r", "GITHUB_TOKEN": "t"}


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        ("2026-03-99", "", "--from: “2026-03-99” is not an hour"),
        ("", "2026-03-02 05:00", "--to: “2026-03-02 05:00” is not an hour"),
        ("2026-03-02T05", "2026-03-02T03", "--from: 2026-03-02T05 lies after the last hour, 2026-03-02T03"),
    ],
)
@pytest.mark.parametrize("own", [{}, OWN])
def test_hours_that_are_none_are_one_message(
    first: str, last: str, says: str, own: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.chdir(str(tmp_path))
    for name, value in {**own, "CI_METRICS_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        upload(from_=first, to=last)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("own", "first", "last", "says"),
    [
        (OWN, "2025-01-01T05", "2026-01-01T06", "--from: 2025-01-01T05 lies before PARTITIONS_START, 2026-01-01T00"),
        (OWN, "2026-03-02T05", "2199-01-01T00", "--to: 2199-01-01T00 has not closed yet"),
        ({}, "2026-02-16T23", "", "--from: 2026-02-16T23 is no hour of the sample"),
        ({}, "2026-03-02T05", "2026-03-03T00", "--to: 2026-03-03T00 is no hour of the sample"),
    ],
)
def test_hours_that_are_not_there_are_one_message(
    own: dict[str, str], first: str, last: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    test_hours_that_are_none_are_one_message(first, last, says, own, monkeypatch, tmp_path)


def test_a_repository_without_a_run_in_the_hours_is_told_when_it_ran_last(tmp_path: Path) -> None:
    world = scaled_world(runs=3, jobs=1, repos=2)
    repos = (*world.repos, "scaled/repo-0009")
    with SampleGitHub(world) as github:
        given = {"GITHUB_API_URL": github.api_url, "GITHUB_TOKEN": github.token, "CI_METRICS_HOME": str(tmp_path)}
        settings = load_settings({**given, "REPO": ",".join(repos)})
        told = quiet_repositories(settings, ["2026-03-02T05"])
    last = {run.repo: run.created_at for run in world.runs}
    assert told == {repo: f"the last one was created {last[repo]:%Y-%m-%d %H:%M} UTC" for repo in world.repos}, (
        "of one that is not there nothing is told"
    )


@pytest.mark.parametrize("story", [(), tuple(f"Sentence {n}." for n in range(5))], ids=["no story", "a story"])
def test_a_run_ends_with_the_answer_in_fifteen_lines(story: tuple[str, ...]) -> None:
    causes = tuple(
        BigCause(
            group=str(n), jobs=9 - n, error_type="timeout", headline="h", quote=f"line [bold]{n}[/]\x1b[31m", example=""
        )
        for n in range(5)
    )
    summary = Summary(
        hours=336, runs=1200, jobs=4000, passed_jobs=3000, failed_jobs=500, failure_rate=1 / 7, gates=3, causes=causes,
        by_category={"timeout": 490}, by_state={"classified": 490, "unknown": 10}, unfinished_hours=("2026-03-02T23",), story=story,
    )  # fmt: skip
    lines = list(answer_lines(summary, "2026-02-17T00", "2026-03-02T23"))
    assert len(lines) + 3 <= 15, "documents and what is next follow"
    shown = [Text.from_markup(line).plain for line in lines]
    assert shown[1].startswith("500 failed of 3,500 (14.3 %)")
    assert [line for line in shown if line in story] == list(story)
    assert any("unknown 10" in line for line in shown)
    assert [line[:5] for line in shown if " × timeout " in line] == [f"{9 - n:>5}" for n in range(2 if story else 5)]
    assert any("line [bold]0[/]" in line for line in shown), "what a log says is no markup"
    assert not any("\x1b" in line for line in shown)


def test_few_failures_are_told_one_by_one() -> None:
    summary = Summary(hours=1, failed_jobs=1, few=("o/r test: timeout, 92%  it hung",), by_category={"timeout": 1})
    lines = list(answer_lines(summary, "2026-03-02T05", "2026-03-02T05"))
    assert "❌ o/r test: timeout, 92%  it hung" in lines
    assert not any(line.startswith("By kind") for line in lines)


@pytest.mark.parametrize(("enabled", "asks"), [("", False), ("true", True)])
def test_the_sample_asks_a_model_only_when_classification_was_switched_on(enabled: str, asks: bool) -> None:
    given = load_settings({"ANTHROPIC_API_KEY": "k", "ENABLE_ERROR_CLASSIFICATION": enabled})
    sample = sample_settings(given, "http://127.0.0.1:1", ("o/r",))
    assert sample.enable_error_classification
    assert sample.uses_model == asks


@pytest.mark.parametrize(
    ("summary", "succeeded", "code"),
    [
        (Summary(hours=1), True, 0),
        (Summary(hours=1, unfinished_jobs=3, unfinished_hours=("2026-03-02T05",)), True, 0),
        (Summary(hours=1, problems={"o/r listing of runs": "404"}), True, 3),
        (Summary(hours=1, problems={"o/r listing of runs": "404"}), False, 1),
        (Summary(hours=1), False, 1),
        (None, False, 1),
    ],
)
def test_the_exit_code_tells_complete_from_unfinished_from_failed(
    summary: Summary | None, succeeded: bool, code: int
) -> None:
    assert EXIT_CODES[ended_as(summary, succeeded=succeeded)] == code
