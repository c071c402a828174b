"""What only the embedded index promises: many processes, readable SQL, clear words when its file is not usable."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ci_metrics.errors import PermanentError
from ci_metrics.index.base import Document, Where
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.embedded_sql import condition, table_name
from ci_metrics.index.open import open_index
from ci_metrics.settings import load_settings
from ci_metrics_tests.index.corpus import corpus

WRITES = 150

#: What each of the writing processes runs: its name, the file, and a file that appears when both may begin.
WRITER = f"""
import sys, time
from pathlib import Path
from ci_metrics.index.base import Document
from ci_metrics.index.embedded import EmbeddedIndex

name, path, go = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
index = EmbeddedIndex(path)
while not go.exists():
    time.sleep(0.005)
for number in range({WRITES}):
    index.upsert([Document("jobs", f"{{name}}-{{number}}", {{"s_job_name": name, "l_duration_sec": number}})])
    index.update("jobs", {{"shared": {{"s_job_name" if name == "a" else "s_branch": str(number)}}}})
    if index.create(Document("verdicts", f"claim-{{number}}", {{"s_claimed_by": name}})):
        index.upsert([Document("steps", f"won-{{number}}-{{name}}", {{"s_step_name": name}})])
index.close()
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path, go = tmp_path / "new" / "index.sqlite", tmp_path / "go"
    begun = EmbeddedIndex(path)
    begun.upsert([Document("jobs", "shared", {"l_duration_sec": 1})])
    begun.close()
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, name, path, go]) for name in ("a", "b")]
    go.touch()
    assert [process.wait() for process in processes] == [0, 0]
    index = EmbeddedIndex(path)
    assert index.count_by("jobs", "s_job_name", Where(missing=["s_branch"])) == {"a": WRITES, "b": WRITES}
    last = str(WRITES - 1)
    assert index.get("jobs", ["shared"])["shared"] == {"l_duration_sec": 1, "s_job_name": last, "s_branch": last}
    assert len(list(index.scan("verdicts"))) == WRITES
    assert len(list(index.scan("steps"))) == WRITES, "each claim was won by one"
    index.close()


def test_processes_that_make_the_file_at_once_both_can(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / f"{attempt}.sqlite"
        barrier = threading.Barrier(4)
        indices = [EmbeddedIndex(path) for _ in range(4)]
        problems: list[Exception] = []

        def begin(
            index: EmbeddedIndex, barrier: threading.Barrier = barrier, problems: list[Exception] = problems
        ) -> None:
            barrier.wait()
            try:
                index.ensure()
            except PermanentError as error:
                problems.append(error)

        threads = [threading.Thread(target=begin, args=(index,)) for index in indices]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for index in indices:
            index.close()
        assert problems == []


def test_a_scan_does_not_see_what_is_written_meanwhile(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.upsert(Document("jobs", f"j{number}", {"l_duration_sec": number}) for number in range(3))
    seen = []
    for document in index.scan("jobs"):
        seen.append(document.id)
        index.upsert([Document("jobs", f"{document.id}-more", {"l_duration_sec": 9})])
    assert seen == ["j0", "j1", "j2"]
    index.close()


def test_sql_people_find_views_with_the_documents_names(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    documents, _ = corpus()
    index.upsert(documents)
    index.close()
    connection = sqlite3.connect(tmp_path / "index.sqlite")
    rows = connection.execute(
        "SELECT s_error_type, count(*) FROM jobs WHERE timestamp >= '2026-03-02' AND s_error_type IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert rows == [("infrastructure_error", 2), ("network_error", 1), ("timeout", 2)]
    rows = connection.execute(
        "SELECT id, rank, s_step_name, l_error_line FROM job_errors WHERE s_job_id = '4'"
    ).fetchall()
    assert rows == [("github-job-4-attempt-1", 1, "Step 2", 42)]
    for view in ("workflows", "steps", "verdicts"):
        connection.execute(f"SELECT * FROM {view}").fetchall()
    connection.close()


def test_the_fields_that_are_asked_for_most_have_an_index(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.ensure()
    index.close()
    connection = sqlite3.connect(tmp_path / "index.sqlite")
    for where in (
        Where(equals={"s_repo": "octo/widgets"}),
        Where(equals={"s_error_fingerprint": ["a", "b"]}),
        Where(ranges={"@timestamp": ("2026-03-02T05:00:00Z", None)}),
    ):
        clause, parameters = condition("jobs", where)
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN SELECT id FROM {table_name('jobs')}{clause}", parameters
        ).fetchall()
        assert "USING INDEX" in plan[0][3], where
    connection.close()


def test_a_file_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.upsert([Document("jobs", "kept", {"s_job_name": "x"})])
    index.close()
    connection = sqlite3.connect(tmp_path / "index.sqlite")
    connection.executescript(
        "DROP VIEW jobs; CREATE VIEW jobs AS SELECT 1 AS old; DROP VIEW job_errors; PRAGMA user_version = 7"
    )
    connection.close()
    assert index.get("jobs", ["kept"]) == {"kept": {"s_job_name": "x"}}
    index.close()
    connection = sqlite3.connect(tmp_path / "index.sqlite")
    assert connection.execute("SELECT s_job_name FROM jobs").fetchall() == [("x",)]
    assert connection.execute("SELECT count(*) FROM job_errors").fetchall() == [(0,)]
    connection.close()


def test_a_file_that_is_no_index_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_text("minutes of the last meeting, " * 100)
    with pytest.raises(PermanentError, match=r"index\.sqlite.*not a database.*Move the file away"):
        EmbeddedIndex(path).ensure()
    assert path.read_text().startswith("minutes")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PermanentError, match="CI_METRICS_HOME"):
        EmbeddedIndex(tmp_path / "file" / "below" / "index.sqlite").ensure()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: a read-only folder was not tested")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermanentError, match="permissions"):
        EmbeddedIndex(tmp_path / "index.sqlite").ensure()


def test_without_index_settings_documents_go_below_the_home(tmp_path: Path) -> None:
    index = open_index(load_settings({"CI_METRICS_HOME": str(tmp_path)}))
    assert index.location == str(tmp_path / "sample" / "index.sqlite")
    assert not (tmp_path / "sample").exists(), "nothing is made before the first use"
    index.upsert([Document("jobs", "j", {"s_job_name": "x"})])
    assert index.count_by("jobs", "s_job_name") == {"x": 1}
    index.close()
    assert index.get("jobs", ["j"]) == {"j": {"s_job_name": "x"}}, "it opens again after close"
    index.close()
