"""What the commands that read the index say when there is nothing, or nothing of that name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ci_metrics.commands.doctor import doctor
from ci_metrics.commands.explain import explain
from ci_metrics.commands.label import label
from ci_metrics.commands.pr_comment import pr_comment
from ci_metrics.commands.report import report
from ci_metrics.commands.search import search
from ci_metrics.commands.top import top
from ci_metrics.errors import CiMetricsError, NotFoundError, SettingsError
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.report.corpus import END, corpus


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedIndex:
    """The index that the commands find by the environment; nothing is in it yet."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CI_METRICS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return EmbeddedIndex(load_settings().data_dir / "index.sqlite")


@pytest.mark.parametrize("command", [top, report, search])
def test_no_index_and_an_empty_one_are_called_so_and_none_is_made(command, index: EmbeddedIndex) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotFoundError, match=r"there is no index at .*upload"):
        command()
    assert not Path(index.location).exists()
    index.ensure()
    with pytest.raises(NotFoundError, match=r"is empty: it holds no job\. Run .*upload"):
        command()


@pytest.mark.parametrize("command", [top, report, search])
def test_a_misspelt_repository_is_refused_with_the_nearest(command, index: EmbeddedIndex) -> None:  # type: ignore[no-untyped-def]
    index.upsert(corpus(3))
    with pytest.raises(SettingsError, match=r"--repo: no failure has “acme/shpo”.*“acme/shop”"):
        command(repo="acme/shpo")


def test_a_pull_requests_repository_is_checked_too(index: EmbeddedIndex) -> None:
    index.upsert(corpus(3))
    with pytest.raises(SettingsError, match=r"--repo: no failure has “acme/shpo”.*“acme/shop”"):
        pr_comment(pr=100, repo="acme/shpo", dry_run=True)
    with pytest.raises(SettingsError, match="the one repository"):
        pr_comment(pr=100, repo="acme/*", dry_run=True)


def test_doctor_tells_no_index_an_empty_one_and_one_that_answers_apart_and_makes_none(
    index: EmbeddedIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    def said() -> str:
        doctor()
        return next(line for line in capsys.readouterr().out.splitlines() if " index: " in line)

    assert "▫️" in said() and "there is no index at" in said()
    assert not Path(index.location).exists()
    index.ensure()
    assert "is empty at" in said()
    index.upsert(corpus(1))
    assert "answers at" in said()


def test_explain_and_label_make_no_index(index: EmbeddedIndex) -> None:
    with pytest.raises(CiMetricsError):
        explain("https://github.example/sample-org/widgets/actions/runs/1/job/1")
    with pytest.raises(NotFoundError, match="there is no index at"):
        label("1", "timeout")
    assert not Path(index.location).exists()


def test_several_repositories_may_be_named_also_by_a_pattern(
    index: EmbeddedIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    index.upsert(corpus(6))
    top("repos", repo="acme/s*, ACME/Engine", csv=True)
    assert {line.partition(",")[0] for line in capsys.readouterr().out.splitlines()[1:]} == {
        "acme/shop", "acme/site", "acme/engine"
    }  # fmt: skip


def test_a_stretch_without_jobs_leaves_the_page_of_before(index: EmbeddedIndex, tmp_path: Path) -> None:
    index.upsert(corpus(3))
    page = tmp_path / "report.html"
    report(out=page)
    written = page.read_text()
    long_ago = f"{END - timedelta(days=300):%Y-%m-%d}"
    with pytest.raises(NotFoundError, match=r"no job of .* has passed or failed: the newest .* no report was written"):
        report(from_=long_ago, to=long_ago, out=page)
    assert page.read_text() == written
