"""An hour that is worked on some repositories at a time comes to what it comes to as a whole."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.commands.launch import run_hours
from ci_metrics.history.owners import Owners
from ci_metrics.index.document_index import Document
from ci_metrics.index.documents import Provenance
from ci_metrics.models import Job, Run
from ci_metrics.orchestration import repository_parts
from ci_metrics.orchestration.hour_documents import (
    Saying,
    derive_documents,
    hour_evidence,
    portions,
    read_rows,
)
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.orchestration.storage import arrow_tables, row_files, store
from ci_metrics.orchestration.storage.arrow_tables import PackedRows
from ci_metrics.orchestration.storage.rows import JobExtraction, JobVerdicts, JudgedError
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import load_settings
from ci_metrics_tests.builders import HOUR, a_job, a_run, a_verdict, an_error

KEY = "2026-03-02T05"
REPOS = [f"octo/r{number}" for number in range(6)]


def fill(hours: HourStore) -> None:
    """Six repositories: in each the network fails in one job, and another fails and passes the
    second time. On the fifth, only schedules run.
    """
    runs, jobs, verdicts = [], [], []
    for number, repo in enumerate(REPOS):
        for attempt in (1, 2):
            run = a_run(repo=repo, run_id=number, run_attempt=attempt, head_sha=f"{number:040x}")
            runs.append(run if number != 4 else a_run(repo=repo, run_id=4, run_attempt=attempt, event="schedule"))
            for job_id, name in ((100 * number, "net"), (100 * number + 1, "test")):
                passed = attempt == 2
                job = a_job(
                    repo=repo, run_id=number, run_attempt=attempt, job_id=job_id, name=name, head_sha=f"{number:040x}",
                    conclusion="success" if passed else "failure", completed_at=HOUR + timedelta(minutes=number),
                )  # fmt: skip
                jobs.append(job)
                if passed:
                    continue
                kind, mark = ("network_error", "v1-net") if name == "net" else ("assertion_failure", "v1-test")
                judged = JudgedError(
                    error=an_error(fingerprint=mark, group=mark), verdict=a_verdict(error_type=kind, fingerprint=mark)
                )
                verdicts.append(
                    JobVerdicts(
                        repo=repo,
                        run_id=number,
                        run_attempt=attempt,
                        job_id=job_id,
                        state="classified",
                        judged=(judged,),
                        digest="d",
                    )
                )
    hours.write("workflow_runs", KEY, runs, Run, {})
    hours.write("workflow_jobs", KEY, jobs, Job, {})
    hours.write("classifications", KEY, verdicts, JobVerdicts, {})


def test_documents_of_some_repositories_at_a_time_are_those_of_the_whole_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = HourStore(tmp_path)
    fill(hours)
    saying = Saying(
        provenance=Provenance(partition=KEY, dagster_run_id="r"), labels={}, taxonomy=load_taxonomy(None),
        owners=Owners({}), default_branches={},
    )  # fmt: skip
    whole = derive_documents(read_rows(hours, KEY), saying)
    monkeypatch.setattr(repository_parts, "PART", 5)
    monkeypatch.setattr(store, "FEW_ROWS", 2)
    monkeypatch.setattr(arrow_tables, "BATCH", 3)
    monkeypatch.setattr(row_files, "BATCH", 3)
    again = HourStore(tmp_path)
    evidence = hour_evidence(portions(again, KEY), saying)
    parts = [derive_documents(rows, saying, evidence) for rows in portions(again, KEY)]
    assert len(parts) == len(REPOS)
    assert [document for part in parts for document in part] == whole
    alone = [document for rows in portions(again, KEY) for document in derive_documents(rows, saying)]
    assert flaky(alone) != flaky(whole), "what an hour proves takes all its repositories"


def flaky(documents: list[Document]) -> dict[str, object]:
    """What is said to be flaky, and how surely."""
    return {
        each.id: (each.body.get("b_flaky_suspected"), each.body.get("b_flaky_confirmed"))
        for each in documents
        if each.kind == "jobs"
    }


@pytest.mark.slow
def test_logs_are_read_and_judged_some_repositories_at_a_time_as_they_are_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = scaled_world(runs=8, jobs=3, repos=4, failure_share=0.4, log_bytes=2_000)
    with SampleGitHub(world) as server:
        whole = ingested(server, tmp_path / "whole")
        monkeypatch.setattr(repository_parts, "PART", 5)
        monkeypatch.setattr(store, "FEW_ROWS", 2)
        assert ingested(server, tmp_path / "parts") == whole
    assert len(whole["classifications"]) == 10


def ingested(server: SampleGitHub, home: Path) -> dict[str, list[Any]]:
    """The rows and documents of the world's hour."""
    hour, repos = hour_key(server.world.start), ",".join(server.world.repos)
    environ = {"GITHUB_API_URL": server.api_url, "GITHUB_TOKEN": server.token, "REPO": repos}
    given = {**environ, "CI_METRICS_HOME": str(home), "ENABLE_ERROR_CLASSIFICATION": "true"}
    settings = load_settings(given)
    with open_instance(settings) as instance:
        assert run_hours(settings, instance, INGEST, hour, hour, quiet=True).success
    with open_parts(settings) as parts:
        rows = parts.hours.store.read
        runs = [each.body | {"s_dagster_run_id": ""} for each in parts.index.documents.scan("jobs", sort="s_job_id")]
        return {
            "extracted_errors": rows("extracted_errors", hour, JobExtraction),
            "classifications": rows("classifications", hour, JobVerdicts),
            "documents": runs,
        }


def test_equal_rows_are_one_commit_however_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_tables, "BATCH", 7)
    jobs = [a_job(job_id=number) for number in range(30)]
    came = PackedRows(Job)
    for start, end in ((0, 1), (1, 9), (9, 9), (9, 30)):
        came.add(jobs[start:end])
    assert (len(came), list(came)) == (30, jobs)
    assert came.table().column(0).num_chunks == PackedRows(Job, jobs).table().column(0).num_chunks
    assert came.table().equals(PackedRows(Job, jobs).table())
    mixed = random.Random(1).sample(range(30), 30)
    shuffled = PackedRows(Job, [jobs[number] for number in mixed])
    shuffled.arrange([mixed.index(number) for number in range(29)])
    assert list(shuffled) == jobs[:29]


def test_rows_are_stored_and_read_without_pandas(tmp_path: Path) -> None:
    """It takes 48 MB and a third of a second; pyarrow's own conversions load it."""
    code = (
        "import sys\n"
        "from ci_metrics.models import Job\n"
        "from ci_metrics.orchestration.storage.store import HourStore\n"
        "from ci_metrics_tests.builders import a_job\n"
        f"hours = HourStore({str(tmp_path)!r})\n"
        "hours.write('workflow_jobs', '2026-03-02T05', [a_job()], Job, {})\n"
        "assert hours.read('workflow_jobs', '2026-03-02T05', Job) == [a_job()]\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
