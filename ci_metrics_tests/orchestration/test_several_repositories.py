"""Several repositories in one hour: patterns of them, settings of each, and what one
repository cannot have is its own problem.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upath import UPath

from ci_metrics.commands.launch import run_hours
from ci_metrics.errors import CiMetricsError, NotFoundError
from ci_metrics.orchestration.fair_order import fairly
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.orchestration.storage.repository_list import HOLDS, RepositoryList
from ci_metrics.sample.faults import Fault
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import World
from ci_metrics.settings import Settings, load_settings

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
REPOS = ("acme/web", "acme/docs", "acme/attic", "octo/widgets")


def several() -> World:
    """Two runs of two jobs of each repository in one hour, half of all jobs failed; the second run
    of each is of another branch.
    """
    made = scaled_world(runs=8, jobs=2, failure_share=0.5, log_bytes=2000, repos=1)
    runs = [
        replace(run, repo=REPOS[n % 4], head_repo=REPOS[n % 4], head_branch="main" if n < 4 else "fix")
        for n, run in enumerate(made.runs)
    ]
    return replace(made, runs=tuple(runs), archived=frozenset({"acme/attic"}))


WORLD = several()
HOUR = hour_key(WORLD.start)
DOCS = '[[category]]\nname = "prose_failure"\nparent = "assertion_failure"\ndefinition = "A text is wrong."\n'


def settings_of(server: SampleGitHub, home: Path, **given: str) -> Settings:
    environ = {"GITHUB_API_URL": server.api_url, "GITHUB_TOKEN": server.token, "CI_METRICS_HOME": str(home)}
    return load_settings({**environ, "ENABLE_ERROR_CLASSIFICATION": "true", **given})


def ingest(settings: Settings) -> bool:
    with open_instance(settings) as instance:
        return run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True).success


def jobs_by_repo(settings: Settings) -> dict[str, int]:
    with open_parts(settings) as parts:
        parts.index.documents.refresh()
        return dict(parts.index.documents.count_by("jobs", "s_repo"))


def test_a_pattern_takes_an_accounts_repositories_and_each_has_its_own_settings(tmp_path: Path) -> None:
    (tmp_path / "docs.toml").write_text(f"extends = true\n{DOCS}")
    (tmp_path / "repos.toml").write_text(
        'repos = ["acme/*"]\n[[settings]]\nrepos = "acme/web"\nbranches = ["main"]\nclassification = false\n'
        '[[settings]]\nrepos = "acme/docs"\ntaxonomy_file = "docs.toml"\n'
    )
    with SampleGitHub(WORLD) as server:
        settings = settings_of(server, tmp_path / "home", REPO="octo/*", REPO_FILE=str(tmp_path / "repos.toml"))
        assert ingest(settings)
        assert jobs_by_repo(settings) == {"acme/web": 2, "acme/docs": 4, "octo/widgets": 4}
        with open_parts(settings) as parts:
            states = dict(parts.index.documents.count_by("jobs", "s_error_state"))
            rows = parts.index.documents.scan("jobs")
            versions = {
                str(row.body["s_repo"]): row.body["s_classifier_version"]
                for row in rows
                if "s_classifier_version" in row.body
            }
            assert "prose_failure" in parts.judge.categories.names
            assert parts.judge.taxonomy.get("prose_failure") is None
            assert parts.hours.store.state(HOUR).assets["classifications"].version == parts.judge.hour_version
        assert set(versions) == {"acme/docs", "octo/widgets"}, "errors of acme/web are not judged"
        assert versions["acme/docs"] != versions["octo/widgets"], "judged by categories of its own"
        assert "classified" in states


def test_a_check_suite_that_may_not_be_read_costs_that_repositorys_annotations_alone(
    tmp_path: Path,
) -> None:
    with SampleGitHub(WORLD) as server:
        server.faults.add(Fault(kind="status", status=403, on="check_runs", repo="acme/docs", times=None))
        server.faults.add(Fault(kind="status", status=404, on="graphql", times=None))
        settings = settings_of(server, tmp_path, REPO="acme/web,acme/docs,octo/widgets")
        assert ingest(settings)
        assert jobs_by_repo(settings) == {"acme/web": 4, "acme/docs": 4, "octo/widgets": 4}
        with open_parts(settings) as parts:
            aside = parts.hours.store.state(HOUR).set_aside
        assert len(aside) == 2
        assert all(name.startswith("acme/docs run ") and "403" in why for name, why in aside.items())


def test_where_the_quota_ends_it_ends_for_those_who_ask_most_and_nobody_is_always_last() -> None:
    asked = [("a", n) for n in range(9)] + [("b", 0), ("c", 0), ("c", 1)]
    order = fairly(asked, lambda item: item[0], "2026-03-02T05")
    assert {repo for repo, _ in order[:3]} == {"a", "b", "c"}
    assert {repo for repo, _ in order[3:5]} == {"a", "c"}
    assert [n for repo, n in order if repo == "a"] == list(range(9))
    assert sorted(order) == sorted(asked)
    last = {fairly("abc", str, f"2026-03-02T{hour:02}")[-1] for hour in range(24)}
    assert last == {"a", "b", "c"}


def test_an_account_that_cannot_be_listed_keeps_the_repositories_found_before(tmp_path: Path) -> None:
    found = RepositoryList(UPath(tmp_path))
    answers: dict[str, list[str] | CiMetricsError] = {"acme": ["acme/web"], "octo": ["octo/widgets"]}

    def ask(owner: str) -> list[str]:
        answer = answers[owner]
        if isinstance(answer, CiMetricsError):
            raise answer
        return answer

    found.bring_up_to_date(["acme", "octo"], ask, NOW)
    answers.update(acme=["acme/web", "acme/new"], octo=NotFoundError("404"))
    found.bring_up_to_date(["acme", "octo"], ask, NOW + HOLDS - timedelta(seconds=1))
    assert found.known() == ["acme/web", "octo/widgets"], "not asked again within the hour"
    found.bring_up_to_date(["acme", "octo"], ask, NOW + HOLDS)
    assert found.known() == ["acme/web", "acme/new", "octo/widgets"]
    answers["new"] = NotFoundError("404")
    with pytest.raises(NotFoundError):
        found.bring_up_to_date(["new"], ask, NOW)
