"""Default branch and CODEOWNERS: asked once a day, kept, in documents without asking again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.github.conditional import SQLiteConditionalCache
from ci_metrics.github.schemas import HeadCommit
from ci_metrics.index.document_index import Body
from ci_metrics.index.documents import Provenance, branch_kind
from ci_metrics.orchestration.hour_documents import HourRows, Saying, derive_documents
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.storage.repository_facts import (
    ask_repositories,
    default_branches,
    known_repositories,
    known_repository,
    owners_in_force,
)
from ci_metrics.orchestration.storage.rows import JobVerdicts, JudgedError
from ci_metrics.sample.faults import Fault
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import load_settings
from ci_metrics_tests.builders import HOUR, a_job, a_run, a_verdict, an_error
from ci_metrics_tests.github.worlds import REPO, attempt, client, job, run, world

DAY = timedelta(days=1)


def serving(files: Mapping[str, str]) -> SampleGitHub:
    made = world(run(1, [attempt(1, [job(11, "test")])]))
    return SampleGitHub(replace(made, files={REPO: dict(files)}))


def hours_in(folder: Path, **environ: str) -> HoursPart:
    return HoursPart(load_settings({"CI_METRICS_HOME": str(folder), **environ}))


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({".github/CODEOWNERS": "* @a", "CODEOWNERS": "* @b", "docs/CODEOWNERS": "* @c"}, ".github/CODEOWNERS"),
        ({"CODEOWNERS": "* @b", "docs/CODEOWNERS": "* @c"}, "CODEOWNERS"),
        ({"docs/CODEOWNERS": "* @c"}, "docs/CODEOWNERS"),
        ({}, ""),
    ],
)
def test_the_first_of_githubs_three_places_counts(files: dict[str, str], path: str, tmp_path: Path) -> None:
    hours = hours_in(tmp_path)
    with serving(files) as server, client(server) as github:
        ask_repositories(hours.store, github, [REPO], HOUR)
    known = known_repository(hours.store, REPO)
    assert known is not None
    assert (known.default_branch, known.owners_path, known.owners_text) == ("main", path, files.get(path, ""))
    assert default_branches(known_repositories(hours.store, [REPO, "acme/never-asked"])) == {REPO: "main"}


def test_a_repository_is_asked_once_a_day_and_unchanged_answers_cost_no_quota(tmp_path: Path) -> None:
    hours = hours_in(tmp_path)
    with (
        SQLiteConditionalCache(tmp_path / "cache.sqlite") as cache,
        serving({".github/CODEOWNERS": "* @a"}) as server,
    ):
        spent = []
        for moment in (HOUR, HOUR + 0.9 * DAY, HOUR + DAY, HOUR - 300 * DAY):  # at last the clock ran ahead
            with client(server, cache=cache) as github:
                ask_repositories(hours.store, github, [REPO], moment)
                spent.append((github.requests.total, github.requests.counted))
    assert spent == [(2, 2), (0, 0), (2, 0), (2, 0)]


def test_what_cannot_be_had_stays_what_it_was_and_stops_nothing(tmp_path: Path) -> None:
    hours = hours_in(tmp_path)
    with serving({"CODEOWNERS": "* @a"}) as server, client(server) as github:
        ask_repositories(hours.store, github, [REPO], HOUR)
        server.faults.add(Fault(kind="status", on="contents", status=403, times=None))
        ask_repositories(hours.store, github, [REPO], HOUR + DAY)
    known = known_repository(hours.store, REPO)
    assert known is not None
    assert (known.default_branch, known.owners_text) == ("main", "* @a")
    assert known.asked == (HOUR + DAY).isoformat()


@pytest.mark.parametrize(
    ("on", "status", "branch"),
    [("repo", 502, ""), ("contents", 502, "main"), ("repo", 404, ""), ("repo", 403, ""), ("contents", 401, "main")],
)
def test_what_github_could_not_say_is_named_once_and_asked_for_at_the_next_call(
    on: str, status: int, branch: str, tmp_path: Path
) -> None:
    hours = hours_in(tmp_path)
    with serving({"CODEOWNERS": "* @a"}) as server, client(server) as github:
        server.faults.add(Fault(kind="status", on=on, status=status, times=None))
        lacking = ask_repositories(hours.store, github, [REPO], HOUR)
        assert list(lacking) == [REPO]
        assert str(status) in lacking[REPO]
        assert default_branches(known_repositories(hours.store, [REPO])) == ({REPO: branch} if branch else {})
        server.faults.clear()
        assert ask_repositories(hours.store, github, [REPO], HOUR) == {}
        known = known_repository(hours.store, REPO)
        assert known is not None
        assert (known.default_branch, known.owners_text) == ("main", "* @a")
        server.faults.add(Fault(kind="status", on="contents", status=502, times=None))
        assert ask_repositories(hours.store, github, [REPO], HOUR + DAY) == {}  # what was known holds
    assert known_repository(hours.store, REPO) == known


def test_a_damaged_file_of_what_is_known_counts_as_none(tmp_path: Path) -> None:
    hours = hours_in(tmp_path)
    file = hours.store.root / "repositories" / "acme" / "basket.json"
    file.parent.mkdir(parents=True)
    file.write_text("{", encoding="utf-8")
    assert known_repository(hours.store, REPO) is None
    assert default_branches(known_repositories(hours.store, [REPO])) == {}


def test_an_owner_from_outside_is_masked_and_printable(tmp_path: Path) -> None:
    hours = hours_in(tmp_path)
    token = "ghp_" + "a1B2" * 9
    with serving({"CODEOWNERS": f"* @a\x1b[31m\n/x/ @b # {token}\n"}) as server, client(server) as github:
        ask_repositories(hours.store, github, [REPO], HOUR)
    kept = (hours.store.root / "repositories" / "acme" / "basket.json").read_text(encoding="utf-8")
    assert token not in kept
    assert "\\u001b" not in kept


def documents(hours: HoursPart) -> dict[str, Body]:
    """Of a failed run of main and one of a pull request, derived from stored rows."""
    ours = a_run(repo=REPO, head_repo=REPO, run_id=1)
    pull = replace(ours, run_id=2, event="pull_request", pr_id="7")
    jobs = {(n, 1): [a_job(repo=REPO, run_id=n, job_id=500 + n)] for n in (1, 2)}
    error = an_error(headline="src/cart.py:3: AssertionError")
    verdicts = {
        (500 + n, 1): JobVerdicts(
            repo=REPO, run_id=n, run_attempt=1, job_id=500 + n, state="classified", digest="",
            judged=(JudgedError(error=error, verdict=a_verdict(evidence=())),),
        )
        for n in (1, 2)
    }  # fmt: skip
    derived = derive_documents(
        HourRows(runs=[ours, pull], jobs=jobs, verdicts=verdicts),
        Saying(
            provenance=Provenance(partition="2026-03-02T05", dagster_run_id="r"),
            labels={},
            taxonomy=load_taxonomy(None),
            owners=owners_in_force(hours.settings, known_repositories(hours.store, [REPO])),
            default_branches=default_branches(known_repositories(hours.store, [REPO])),
        ),
    )
    return {f"{document.kind} {document.body['s_workflow_id']}": document.body for document in derived}


def test_documents_carry_owner_domain_and_what_they_ran_on_from_what_is_kept(tmp_path: Path) -> None:
    hours = hours_in(tmp_path)
    before = documents(hours)
    assert "s_owner" not in before["jobs 1"]
    assert "s_branch_kind" not in before["jobs 1"]  # the default branch is not known
    with serving({"CODEOWNERS": "/src/ @acme/cart @ann"}) as server, client(server) as github:
        ask_repositories(hours.store, github, [REPO], HOUR)
    said = documents(hours)
    for kind in ("jobs 1", "steps 1"):
        assert said[kind]["s_branch_kind"] == "default"
    for name in ("jobs 1", "jobs 2"):
        assert (said[name]["s_owner"], said[name]["s_error_path"]) == (["@acme/cart", "@ann"], "src/cart.py")
        assert said[name]["s_error_domain"] == "code"
    assert said["workflows 2"]["s_branch_kind"] == said["jobs 2"]["s_branch_kind"] == "pull_request"


def test_a_teams_mapping_decides_in_documents_too(tmp_path: Path) -> None:
    path = tmp_path / "owners.toml"
    path.write_text('[[owner]]\npath = "src/"\nowners = ["@acme/ledger"]\n')
    assert documents(hours_in(tmp_path, OWNERS_FILE=str(path)))["jobs 1"]["s_owner"] == ["@acme/ledger"]


@pytest.mark.parametrize(
    ("changes", "default", "kind"),
    [
        ({}, "main", "default"),
        ({"head_repo": "Octo/Widgets"}, "main", "default"),  # GitHub's names have no case
        ({"head_branch": "topic"}, "main", "other"),
        ({"head_branch": "topic", "pr_id": "7"}, "main", "pull_request"),
        ({"event": "pull_request_target"}, "main", "pull_request"),
        ({"head_repo": "fork/widgets"}, "main", "other"),
        ({"event": "schedule", "head_branch": "trunk"}, "", "default"),
        ({}, "", None),
    ],
)
def test_what_a_run_ran_on(changes: dict[str, str], default: str, kind: str | None) -> None:
    assert branch_kind(a_run(**changes), default) == kind


@pytest.mark.parametrize(
    ("message", "committer", "number"),
    [
        ("Count twice (#41)\n\nIt said once.", "GitHub", "41"),
        ("Merge pull request #7 from acme/topic\n\nCount twice", "Ann", "7"),
        ("Count twice (#41)", "Ann", ""),  # written by hand: it may be an issue
        ("Count twice (#41) again", "GitHub", ""),
        ("See #41", "GitHub", ""),
        ("", "GitHub", ""),
    ],
)
def test_a_commit_merged_a_pull_request_only_where_github_says_so(message: str, committer: str, number: str) -> None:
    commit = HeadCommit.model_validate({"message": message, "committer": {"name": committer}})
    assert commit.pr_id == number
    assert HeadCommit.model_validate(commit.model_dump(mode="json")).pr_id == number
