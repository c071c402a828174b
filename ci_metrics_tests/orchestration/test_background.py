"""The last passing run as background, through Dagster: found, used, said, kept,
and missing without harm.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.index.document_index import Body
from ci_metrics.logs import background_of
from ci_metrics.logs.background import SHAPES_VERSION
from ci_metrics.models import Job, JobLog, PassingLog
from ci_metrics.orchestration import passing_runs
from ci_metrics.orchestration.assets.extracted_errors import extract_hour
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.orchestration.storage.backgrounds import Backgrounds, DistinctJob, KnownPassing
from ci_metrics.orchestration.storage.rows import JobExtraction, JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.sample.faults import Fault
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import RunSpec, World
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.builders import a_job_log
from ci_metrics_tests.github.worlds import REPO, START, at, attempt, client, job, run, world

DAY = 24 * 60.0
NOISE = tuple(f"ERROR: could not load plugin p{number}: not found" for number in range(6))
CAUSE = "cart: invalid total -3"
DISTINCT = DistinctJob(repo=REPO, workflow="CI", name="test")


def log(*lines: str) -> bytes:
    """A job's log as GitHub serves it, with one step."""
    shown = ("##[group]Run make", "##[endgroup]", *lines, "Cleaning up orphan processes")
    return "".join(f"2026-03-02T09:00:00.1234567Z {line}\n" for line in shown).encode()


FAILED_LOG = log(*NOISE, CAUSE, "##[error]Process completed with exit code 1.")
PASSED_LOG = log(*NOISE, "all is well")


def passed(run_id: int, begin: float, text: bytes = PASSED_LOG, name: str = "test", **given: object) -> RunSpec:
    return run(run_id, [attempt(1, [job(run_id * 10, name, begin, begin + 2, log=text)], begin)], begin, **given)


def failed(run_id: int, begin: float, name: str = "test", **given: object) -> RunSpec:
    made = job(run_id * 10, name, begin, begin + 2, log=FAILED_LOG, conclusion="failure")
    return run(run_id, [attempt(1, [made], begin)], begin, **given)


@dataclass
class Place:
    """A sample GitHub and what is derived from it."""

    server: SampleGitHub
    settings: Settings

    def ingest(self, begin: float = 0, **changes: object) -> Mapping[str, Mapping[str, object]]:
        """Do the hour that begins so many minutes after the start; gives the metadata by asset."""
        hour = hour_key(START + timedelta(minutes=begin))
        with open_instance(self.settings) as instance:
            settings = self.settings.model_copy(update=changes)
            result = run_hours(settings, instance, INGEST, hour, hour, quiet=True)
            assert result.success
            return {
                asset: {name: value.value for name, value in event.metadata.items()}
                for asset in ("job_logs", "extracted_errors")
                for event in result.asset_materializations_for_node(asset)
            }

    def bodies(self, kind: str = "jobs") -> dict[str, Body]:
        """The failed documents by id."""
        with open_parts(self.settings) as ci:
            ci.index.documents.refresh()
            found = {doc.id: dict(doc.body) for doc in ci.index.documents.scan(kind) if "s_error_state" in doc.body}  # type: ignore[arg-type]
        for body in found.values():
            body.pop("s_dagster_run_id")
        return found

    def body(self, job_id: int) -> Body:
        return self.bodies()[f"github-job-{job_id}-attempt-1"]

    def headline(self, job_id: int, begin: float = 0) -> str:
        """What the extraction says first of a failed job."""
        return self.extraction(job_id, begin).extraction.errors[0].headline

    def extraction(self, job_id: int, begin: float = 0) -> JobExtraction:
        hour = hour_key(START + timedelta(minutes=begin))
        rows = {row.job_id: row for row in self.store.read("extracted_errors", hour, JobExtraction)}
        return rows[job_id]

    def look(self, begin: float = 0, base: str = "") -> dict[int, PassingLog]:
        """Only the search of the hour that begins so many minutes after the start, by job;
        `base`: of its pull requests.
        """
        first = START + timedelta(minutes=begin)
        with client(self.server) as github:
            listed = github.runs_created(REPO, first, first + timedelta(hours=1))
            runs = [replace(each, base_branch=base) for latest in listed for each in github.attempts(latest)]
            jobs = [found for each in runs for found in github.jobs(each)]
            self.store.write("workflow_jobs", hour_key(first), jobs, Job, {})
            logs = [a_job_log(each) for each in jobs if each.failed]
            found = passing_runs.look_for(github, self.store, hour_key(first), jobs, runs, logs)
        assert found.requests <= self.server.stats.total.total()
        return {each.job_id: each.passing for each in found.logs if each.passing is not None}

    @property
    def store(self) -> HourStore:
        return HourStore(self.settings.data_dir / "hours")

    @property
    def logs_asked(self) -> int:
        return self.server.stats.total["log"]


def passing_job(found: PassingLog) -> int | None:
    """Whose log is the background."""
    return int(found.path.rpartition("/")[2].partition("-")[0]) if found.path else None


@contextlib.contextmanager
def place(made: World, tmp_path: Path, **given: str) -> Iterator[Place]:
    with SampleGitHub(made) as server:
        base = load_settings({"CI_METRICS_HOME": str(tmp_path), **given})
        yield Place(server, sample_settings(base, server.api_url, made.repos))


@pytest.fixture
def simple(tmp_path: Path) -> Iterator[Place]:
    """A run that passed and, half an hour later, one that failed."""
    with place(world(passed(1, 0), failed(2, 30, head_branch="fix")), tmp_path) as made:
        yield made


def test_what_the_passing_run_printed_too_is_no_cause_and_the_documents_say_that_it_was_used(simple: Place) -> None:
    figures = simple.ingest()
    assert simple.headline(20) == CAUSE
    assert simple.body(20)["b_error_background"] is True
    assert [body["b_error_background"] for body in simple.bodies("steps").values()] == [True]
    assert (figures["job_logs"]["passing_logs_fetched"], simple.server.stats.total["workflow_runs"]) == (1, 0)
    assert "| used |" in str(figures["extracted_errors"]["background"])


def test_switched_off_the_log_speaks_alone_and_back_on_nothing_is_fetched_again(simple: Place) -> None:
    simple.ingest()
    asked = simple.logs_asked
    figures = simple.ingest(use_background=False)
    assert "plugin" in simple.headline(20)
    assert simple.body(20)["b_error_background"] is False
    assert "| off |" in str(figures["extracted_errors"]["background"])
    simple.ingest()
    assert simple.headline(20) == CAUSE
    assert simple.logs_asked == asked


def test_without_the_switch_nothing_is_asked_for_it(tmp_path: Path) -> None:
    with place(world(passed(1, 0), failed(2, 30)), tmp_path, USE_BACKGROUND="false") as made:
        made.ingest()
        assert made.logs_asked == 1
        assert made.server.stats.total["workflow_runs"] == 0
        assert made.body(20)["b_error_background"] is False


@pytest.mark.parametrize(
    ("runs", "used"),
    [
        # In the hour's own jobs; of the base branch before any other, which would be newer.
        ((passed(1, 0), passed(3, 10, log("no plugins"), head_branch="other"), failed(2, 30, head_branch="fix")), 10),
        # Of any branch where the base branch has none.
        ((passed(1, 0, head_branch="other"), failed(2, 30, head_branch="fix")), 10),
        # Long before what is stored: GitHub is asked, for the base branch first.
        (
            (passed(1, -20 * DAY), passed(3, -10 * DAY, log("no plugins"), head_branch="other"), failed(2, 30)),
            10,
        ),
        ((passed(1, -20 * DAY, head_branch="other"), failed(2, 30)), 10),
        # Only one that began before the failure.
        ((passed(1, -20 * DAY), failed(2, 30), passed(3, 40, log("no plugins"))), 10),
        # Of the same workflow and the same name, matrix values included.
        ((passed(1, 0, name="test (3.12)"), failed(2, 30, name="test (3.13)")), None),
        ((passed(1, 0, workflow_id=8, workflow_name="Nightly"), failed(2, 30)), None),
        # A run that failed as a whole, whose job passed.
        (
            (
                run(1, [attempt(1, [job(10, "test", 0, 2, log=PASSED_LOG), job(11, "x", 0, 2, conclusion="failure")])]),
                failed(2, 30),
            ),
            10,
        ),
        # Its own run's later attempt passed: that tells nothing of before.
        (
            (
                run(
                    2,
                    [
                        attempt(1, [job(20, "test", 30, 32, log=FAILED_LOG, conclusion="failure")], 30),
                        attempt(2, [job(21, "test", 40, 42, log=PASSED_LOG)], 40),
                    ],
                    30,
                ),
            ),
            None,
        ),
    ],
)
def test_which_passing_run_is_taken(tmp_path: Path, runs: tuple[RunSpec, ...], used: int | None) -> None:
    with place(world(*runs), tmp_path) as made:
        found = made.look()[20]
    assert found.state == ("used" if used else "absent")
    assert passing_job(found) == used


def test_a_passing_run_of_the_pull_requests_base_branch_comes_before_the_default_branch(tmp_path: Path) -> None:
    stored = world(passed(1, 0, head_branch="v2"), passed(3, 10), failed(2, 30, head_branch="fix"))
    asked = world(passed(1, -DAY, head_branch="v2"), passed(3, -DAY + 10), failed(2, 30, head_branch="fix"))
    for made in (stored, asked):
        for base, used in (("v2", 10), ("", 30), ("gone", 30)):
            folder = tmp_path / f"{base}-{made is stored}"
            with place(made, folder) as here:
                assert passing_job(here.look(base=base)[20]) == used


def test_one_log_serves_every_failure_of_a_job_for_a_week_and_then_another_does(tmp_path: Path) -> None:
    week = 7 * DAY
    runs = [passed(1, 0), *(failed(number, 20 + number) for number in range(2, 8))]
    runs += [
        failed(10, 60),
        failed(11, week - DAY),
        passed(13, week - 30),
        failed(12, week + 60),
        failed(14, week + 70),
    ]
    with place(world(*runs, opens=10 * DAY), tmp_path) as made:
        asked, used = [], []
        for begin in (0, 60, week - DAY, week + 60, 0, 60):
            before = made.logs_asked
            used.append({passing_job(each) for each in made.look(begin).values()})
            asked.append(made.logs_asked - before)
    assert used == [{10}, {10}, {10}, {130}, {10}, {10}]
    assert asked == [1, 0, 0, 1, 0, 0]


def test_the_same_passing_run_is_not_fetched_again_however_long_nothing_passed_since(tmp_path: Path) -> None:
    with place(world(passed(1, 0), failed(2, 30), failed(3, 20 * DAY), opens=21 * DAY), tmp_path) as made:
        assert [passing_job(made.look()[20]), passing_job(made.look(20 * DAY)[30])] == [10, 10]
        assert made.logs_asked == 1


def test_that_there_is_none_is_asked_once_a_day_not_every_hour(tmp_path: Path) -> None:
    runs = [failed(number, 60 * number) for number in (1, 2, 3)] + [failed(30, 60 * 30)]
    with place(world(*runs, opens=3 * DAY), tmp_path) as made:
        asked = []
        for number in (1, 2, 3, 30):
            assert made.look(60 * number)[number * 10].state == "absent"
            asked.append(made.server.stats.total["workflow_runs"])
    assert asked == [2, 2, 2, 4]


@pytest.mark.parametrize(
    ("fault", "first", "then"),
    [
        (Fault(kind="status", on="log", after=1, status=410, times=None), "absent", "absent"),
        (Fault(kind="status", on="log", after=1, status=403, times=None), "failed", "used"),
        (Fault(kind="status", on="workflow_runs", status=403, times=None), "failed", "used"),
        (Fault(kind="status", on="log", after=1, status=403), "failed", "absent"),
        (Fault(kind="status", on="repo", status=404, times=None), "used", "used"),
    ],
)
def test_a_passing_log_that_cannot_be_had_costs_nothing_and_is_looked_for_again_where_that_helps(
    tmp_path: Path, fault: Fault, first: str, then: str
) -> None:
    with place(world(passed(1, -DAY), failed(2, 30)), tmp_path) as made:
        made.server.faults.add(fault)
        for state in (first, then):
            figures = made.ingest()
            body = made.body(20)
            assert body["s_error_state"] in ("classified", "unknown")
            assert body["b_error_background"] is (state == "used")
            assert f"| {state} |" in str(figures["extracted_errors"]["background"])
            made.server.faults.clear()
            if then == "absent":
                made.server.faults.add(Fault(kind="status", on="log", status=410, times=None))


def test_an_hour_extracted_again_gives_the_same_without_github(tmp_path: Path) -> None:
    hour = hour_key(START)
    with place(world(passed(1, 0), failed(2, 30)), tmp_path) as made:
        made.ingest()
        before = made.extraction(20)
    (Path(str(made.store.root)) / "extracted_errors" / f"{hour}.parquet").unlink()
    with open_parts(made.settings) as ci:
        assert extract_hour(ci.hours, ci.judge, hour)["read_now"] == 1
    assert made.extraction(20) == before
    assert before.log.has_background


@pytest.mark.parametrize("damage", ["deleted", "damaged"])
def test_without_its_shapes_an_hour_is_extracted_anew_all_the_same_and_says_so(simple: Place, damage: str) -> None:
    simple.ingest()
    shapes = next((Path(str(simple.store.root)) / "backgrounds").rglob(f"*.{SHAPES_VERSION}"))
    kept = shapes.read_bytes()
    shapes.unlink() if damage == "deleted" else shapes.write_bytes(b"shapes")
    simple.ingest()
    assert simple.headline(20) == CAUSE, "what was extracted with them stays"
    smaller = simple.settings.excerpt_budget - 1000
    figures = simple.ingest(excerpt_budget=smaller)
    assert damage in str(figures["extracted_errors"]["without_background"])
    assert simple.body(20)["b_error_background"] is False
    shapes.write_bytes(kept)
    simple.ingest(excerpt_budget=smaller)
    assert simple.body(20)["b_error_background"] is True


def test_what_an_hours_requests_do_not_allow_is_done_when_the_hour_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_runs, "LEAST_REQUESTS", 2)
    names = ("a", "b", "c")
    runs = [passed(number, number, name=name) for number, name in enumerate(names, 1)]
    runs += [failed(10 + number, 20 + number, name=name) for number, name in enumerate((*names, "c"), 1)]
    with place(world(*runs), tmp_path) as made:
        states = [{job_id: each.state for job_id, each in made.look().items()} for _ in range(3)]
    assert states[0] == {110: "postponed", 120: "postponed", 130: "used", 140: "used"}, "what fails most comes first"
    assert set(states[-1].values()) == {"used"}


def test_a_deleted_or_damaged_list_of_what_was_found_is_one_that_is_asked_again(simple: Place) -> None:
    simple.ingest()
    for damage in (None, b"", b'{"asked": ['):
        asked = next((Path(str(simple.store.root)) / "backgrounds").rglob("asked.json"))
        assert len(Backgrounds(simple.store.root).answers(DISTINCT)) == 1
        kept = asked.read_bytes()
        asked.unlink() if damage is None else asked.write_bytes(damage)
        assert Backgrounds(simple.store.root).answers(DISTINCT) == []
        asked.write_bytes(kept)


def test_backgrounds_live_in_an_object_store_as_in_a_folder() -> None:
    kept = Backgrounds(HourStore("memory://backgrounds-test").root)
    known = background_of(PASSED_LOG)
    answer = KnownPassing(before=at(30), began=at(0), path=f"{DISTINCT.folder}/10-1.{SHAPES_VERSION}", tried="10-1")
    kept.write(answer.path, known)
    kept.remember(DISTINCT, answer)
    kept.remember(DISTINCT, KnownPassing(before=at(60), detail="none"))
    assert kept.read(answer.path) == known
    assert [each.path for each in kept.answers(DISTINCT)] == [answer.path, ""]
    assert kept.answers(DISTINCT)[0] == answer


def old_hour(made: Place) -> str:
    """Put an hour that version 0.1 stored, before backgrounds, where the hours are."""
    hour = "2026-03-02T09"
    for file in (Path(__file__).parent / "hour_of_0_1").glob("*.parquet"):
        target = Path(str(made.store.root)) / file.stem / f"{hour}.parquet"
        target.parent.mkdir(parents=True)
        target.write_bytes(file.read_bytes())
    return hour


def test_an_hour_stored_before_backgrounds_reads_whole_without_any(simple: Place) -> None:
    hour = old_hour(simple)
    logs = simple.store.read("job_logs", hour, JobLog)
    assert [(each.job_id, each.state, each.passing) for each in logs] == [
        (9000000001, "stored", None),
        (9000001000, "stored", None),
    ]
    extractions = simple.store.read("extracted_errors", hour, JobExtraction)
    assert [row.log for row in extractions] == logs
    assert all(row.extraction.errors for row in extractions)
    verdicts = simple.store.read("classifications", hour, JobVerdicts)
    assert [(row.job_id, row.state, row.background) for row in verdicts] == [
        (each.job_id, "classified", False) for each in logs
    ]


def test_an_hour_stored_before_backgrounds_is_done_again_without_losing_anything(tmp_path: Path) -> None:
    made = scaled_world(runs=2, jobs=2, failure_share=0.5, log_bytes=2000)  # as it was stored, but for its logs' files
    with place(made, tmp_path) as here:
        hour = old_hour(here)
        before = here.store.read("extracted_errors", hour, JobExtraction)
        here.ingest()
        logs = here.store.read("job_logs", hour, JobLog)
        assert [(each.job_id, each.passing is not None) for each in logs] == [(9000000001, True), (9000001000, True)]
        assert here.store.read("extracted_errors", hour, JobExtraction) == before
        bodies = here.bodies()
    assert {body["s_error_state"] for body in bodies.values()} == {"classified"}
    assert [body["b_error_background"] for body in bodies.values()] == [False, False]
