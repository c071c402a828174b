"""How long people wait for the questions of the commands, asked of an index of many jobs.

    python -m bench.index_questions [--documents 200000] [--url
    http://127.0.0.1:9200] [--home FOLDER]

Writes that many job documents of a year and a few hundred repositories (one in ten failed, in
groups of a cause each, every fifth failed run was run again) with the documents of their runs, then
asks as the commands do, each question in a process of its own, as people do. Without --url the
embedded index is asked. --home keeps what was written and uses it again. JSON on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ci_metrics.index.document_index import Document, Where
from ci_metrics.index.documents import BranchKind, Provenance, job_document, workflow_document
from ci_metrics.index.open import open_index
from ci_metrics.models import ErrorState
from ci_metrics.settings import load_settings
from ci_metrics_tests.builders import a_job, a_run, a_verdict, an_error
from ci_metrics_tests.index.corpus import an_outcome

#: What is asked, by name. A failed job's id is filled in.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "search": ("search",),
    "search --type": ("search", "--type", "timeout"),
    "search --text, often": ("search", "--text", "widgets"),
    "search --text, once": ("search", "--text", "needle_in_the_haystack"),
    "top": ("top",),
    "top types": ("top", "types"),
    "explain": ("explain", "{job}"),
    "report": ("report", "--out", "{home}/report.html"),
}

TYPES = ("assertion_failure", "timeout", "network_error", "dependency_error", "compilation_error")
STATES: tuple[ErrorState, ...] = ("classified", "classified", "classified", "unknown")
DAYS = 365
JOBS = 10  # of a run


def documents_of(count: int, *, seed: int = 1) -> Iterator[Document]:
    """Runs of ten jobs each, evenly over a year; the same for the same count."""
    chance = random.Random(seed)
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    for number in range(count // JOBS):
        created = begin + timedelta(days=DAYS) * number / max(count // JOBS, 1)
        created = created.replace(microsecond=0)
        repo = f"octo/service-{chance.randrange(300)}"
        again = chance.random() < 0.1
        branch = chance.choice(("main", f"topic-{chance.randrange(1000)}"))
        kind: BranchKind = "default" if branch == "main" else "other"
        run = a_run(
            run_id=number + 1,
            repo=repo,
            workflow_name=f"Workflow {chance.randrange(4)}",
            head_branch=branch,
            head_sha=f"{number + 1:040x}",
            run_attempt=2 if again else 1,
            created_at=created,
            run_started_at=created,
            updated_at=created + timedelta(minutes=20),
        )
        provenance = Provenance(partition=f"{created:%Y-%m-%dT%H}", dagster_run_id="bench")
        jobs = []
        for place in range(JOBS):
            failed = chance.random() < 0.1
            job = a_job(
                job_id=number * JOBS + place + 1,
                run_id=number + 1,
                run_attempt=run.run_attempt,
                name=f"job {place}",
                workflow_name=run.workflow_name,
                conclusion="failure" if failed else "success",
                created_at=created,
                started_at=created + timedelta(seconds=20),
                completed_at=created + timedelta(minutes=chance.randrange(2, 20)),
            )
            jobs.append(job)
            outcome = None
            if failed:
                cause = min(int(chance.expovariate(1 / 300)), 1_999)
                state = STATES[cause % len(STATES)]
                verdict = a_verdict(
                    state=state,
                    error_type=TYPES[cause % len(TYPES)] if state == "classified" else None,
                    summary=f"Widgets number {cause} do not fit. " + "They were counted twice and came out wrong. " * 6,
                )
                error = an_error(fingerprint=f"v1-{cause:05}", group=f"v1-g{cause:05}")
                outcome = an_outcome((error, verdict), state=state)
            yield job_document(run, job, outcome, provenance, kind)
        yield workflow_document(run, jobs, provenance, kind)
    yield Document(
        "jobs",
        "github-job-999999999-attempt-1",
        {
            "@timestamp": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
            "s_repo": "octo/service-1",
            "s_status": "failure",
            "s_error_state": "unknown",
            "s_error_summary": "needle_in_the_haystack",
            "s_job_id": "999999999",
        },
    )


def measure(home: Path, url: str, count: int) -> dict[str, object]:
    """Seconds of CPU for writing, and of waiting and of CPU for each question."""
    environ = {"CI_METRICS_HOME": str(home), "REPO": "octo/service-1", "GITHUB_TOKEN": "none"}
    if url:
        names = {"WORKFLOW_INDEX": "workflows", "JOB_INDEX": "jobs", "STEPS_INDEX": "steps"}
        environ |= {name: f"{url}/bench-questions-{index}" for name, index in names.items()}
        environ["ERROR_CLASSIFICATION_INDEX"] = "bench-questions-verdicts"
    index = open_index(load_settings(environ))
    index.ensure()
    written = 0.0
    if not index.count_by("jobs", "s_status"):
        documents = documents_of(count)
        while batch := [document for document, _ in zip(documents, range(5_000), strict=False)]:
            begun = time.process_time()
            index.upsert(batch)
            written += time.process_time() - begun
        index.refresh()
    failed = next(index.scan("jobs", Where(equals={"s_status": "failure"}), sort="-@timestamp", limit=1)).body[
        "s_job_id"
    ]
    index.close()
    answers: dict[str, dict[str, object]] = {}
    for name, words in QUESTIONS.items():
        command = [word.format(job=failed, home=home) for word in words]
        begun, before = time.perf_counter(), os.times()
        run = subprocess.run(
            [sys.executable, "-c", "from ci_metrics.cli import main; main()", *command],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            cwd=home,
            check=False,
        )
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        answers[name] = {
            "seconds": round(time.perf_counter() - begun, 2),
            "cpu": round(used, 2),
            "code": run.returncode,
        }
        if run.returncode:
            answers[name]["said"] = (run.stderr or run.stdout)[-300:]
    return {
        "documents": count,
        "written_per_cpu_second": round(count * 1.1 / written) if written else None,
        "questions": answers,
    }


def main() -> None:
    """Write, ask, print."""
    parser = argparse.ArgumentParser(description="How long the commands' questions take")
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--url", default="")
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = (given.home or Path(folder)).absolute()
        home.mkdir(parents=True, exist_ok=True)
        print(json.dumps(measure(home, given.url.rstrip("/"), given.documents), indent=2))


if __name__ == "__main__":
    main()
