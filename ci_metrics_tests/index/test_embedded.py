"""What only the embedded index promises: many processes, readable SQL, clear words
when its file is not usable.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.errors import PermanentError
from ci_metrics.index import embedded_schema
from ci_metrics.index.document_index import Document, Kind, Where, Written
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.embedded_schema import SCHEMA_VERSION, bring_up_to_date
from ci_metrics.index.embedded_sql import condition, ordering_sql
from ci_metrics.index.embedded_tables import indexes, table_name
from ci_metrics.index.field_table import KINDS
from ci_metrics.index.open import open_index
from ci_metrics.settings import load_settings
from ci_metrics_tests.index.corpus import corpus, many_jobs

WRITES = 150

#: A file that 0.1 wrote, as the statements that make it.
FILE_OF_0_1 = Path(__file__).with_name("index_0_1.sql")

#: What each of the writing processes runs: its name, the file, and a file that
#: appears when both may begin.
WRITER = f"""
import sys, time
from pathlib import Path
from ci_metrics.index.document_index import Document
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


@pytest.fixture
def file_of_0_1(tmp_path: Path) -> Path:
    connection = sqlite3.connect(tmp_path / "index.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(FILE_OF_0_1.read_text(encoding="utf-8"))
    connection.close()
    return tmp_path / "index.sqlite"


def documents_in(path: Path) -> dict[str, dict[str, Any]]:
    """The documents of each kind, as 0.1 reads them."""
    connection = sqlite3.connect(path)
    found = {kind: dict(connection.execute(f"SELECT id, body FROM {kind}_documents")) for kind in KINDS}
    connection.close()
    return {kind: {id_: json.loads(body) for id_, body in bodies.items()} for kind, bodies in found.items()}


def dying(transaction: Any, *, after: int) -> Any:
    """The transaction of a process that dies in the middle of one, having ended some."""
    left = after

    @contextmanager
    def one(connection: sqlite3.Connection) -> Iterator[None]:
        nonlocal left
        with transaction(connection):
            yield
            left -= 1
            if left < 0:
                raise InterruptedError

    return one


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


def test_a_scan_that_is_left_half_way_keeps_nothing_from_those_after_it(tmp_path: Path) -> None:
    """Connections to read with are used again."""
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.upsert(Document("jobs", f"j{number}", {"l_duration_sec": number}) for number in range(3))
    left = index.scan("jobs")
    next(left)
    left.close()  # type: ignore[attr-defined]  # a generator's
    open_ones = [index.scan("jobs") for _ in range(6)]
    assert [next(each).id for each in open_ones] == ["j0"] * 6
    index.upsert([Document("jobs", "j3", {"l_duration_sec": 3})])
    assert [len(list(each)) for each in open_ones] == [2] * 6, "as it was when they began"
    assert [len(list(index.scan("jobs"))) for _ in range(6)] == [4] * 6
    half = index.scan("jobs")
    next(half)
    index.close()
    assert len(list(half)) == 3, "closing the index does not cut it off"
    assert len(list(index.scan("jobs"))) == 4
    index.close()


def test_a_scan_does_not_see_what_is_written_meanwhile(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.upsert(Document("jobs", f"j{number}", {"l_duration_sec": number}) for number in range(3))
    seen = []
    for document in index.scan("jobs"):
        seen.append(document.id)
        index.upsert([Document("jobs", f"{document.id}-more", {"l_duration_sec": 9})])
    assert seen == ["j0", "j1", "j2"]
    index.close()


def test_a_file_that_is_read_as_memory_shows_what_others_write_meanwhile(tmp_path: Path) -> None:
    writer = EmbeddedIndex(tmp_path / "index.sqlite")
    reader = EmbeddedIndex(tmp_path / "index.sqlite", mapped=True)
    for count in (1, 2_000, 2_000, 4_000):  # the file grows beyond what was read before, and is written over
        jobs = [
            Document("jobs", f"j{n}", {"s_repo": f"octo/{count}", "s_error_summary": "x" * 300}) for n in range(count)
        ]
        writer.upsert(jobs)
        assert reader.count_by("jobs", "s_repo") == {f"octo/{count}": count}
        assert [each.body for each in reader.scan("jobs", sort="s_repo")] == [job.body for job in jobs]
    reader.close()
    writer.close()


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


#: Questions that people wait for, by what is asked and how it is sorted.
ASKED: list[tuple[Where, str]] = [
    (Where(), "-@timestamp"),
    (Where(equals={"s_repo": "octo/widgets"}), "-@timestamp"),
    (Where(equals={"s_repo": "octo/widgets"}), "@timestamp"),
    (Where(equals={"s_error_type": "timeout", "s_status": ["failure", "timed_out"]}), "-@timestamp"),
    (Where(equals={"s_status": ["failure", "timed_out"]}), "-@timestamp"),
    (Where(equals={"s_error_group": "v1-g"}), "-@timestamp"),
    (Where(equals={"s_error_base_type": "timeout"}), ""),
    (Where(equals={"s_error_fingerprint": ["a", "b"], "b_flaky_suspected": True}), ""),
    (Where(equals={"s_workflow_id": ["1", "2"]}, ranges={"l_run_attempt": (2, None)}), ""),
    (Where(equals={"s_partition": "2026-03-02T05"}), ""),
    (Where(equals={"s_job_id": "1"}), "-l_run_attempt"),
    (Where(ranges={"@timestamp": ("2026-03-02T05:00:00Z", None)}), ""),
]


@pytest.mark.parametrize("many", [False, True], ids=["few documents", "with statistics"])
@pytest.mark.parametrize(("where", "sort"), ASKED)
def test_what_people_wait_for_is_answered_from_an_index(tmp_path: Path, where: Where, sort: str, many: bool) -> None:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.upsert(
        Document(
            "jobs",
            document.id,
            {**document.body, "s_job_id": str(n), "s_workflow_id": str(n // 9), "s_repo": str(n % 9)},
        )
        for n, document in enumerate(many_jobs(2_000 if many else 1))
    )
    index.close()
    connection = sqlite3.connect(tmp_path / "index.sqlite")
    clause, parameters = condition("jobs", where)
    order = ordering_sql("jobs", sort) if sort else ""
    sql = f"EXPLAIN QUERY PLAN SELECT rowid FROM {table_name('jobs')}{clause}{order} LIMIT 1"
    plan = [row[3] for row in connection.execute(sql, parameters)]
    connection.close()
    assert "INDEX" in plan[0], plan
    assert where.equals or len(plan) == 1, "the newest document is not looked for by sorting all"


def test_words_are_found_whatever_their_case_and_letters(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    texts = {"kelvin": "300 \u212aELVIN", "street": "STRASSE_1", "umlaut": "ÄPFEL 100%", "quoted": 'a "b\\c_d" e'}
    index.upsert(Document("jobs", id_, {"s_error_summary": text}) for id_, text in texts.items())
    found = {
        words: [document.id for document in index.scan("jobs", Where(text=words))]
        for words in ("kelvin", "strasse_1", "strasse", "äpfel", "C_D", "b c_d", "100", "%", "_")
    }
    index.close()
    assert found == {
        "kelvin": ["kelvin"],
        "strasse_1": ["street"],
        "strasse": [],
        "äpfel": ["umlaut"],
        "C_D": ["quoted"],
        "b c_d": ["quoted"],
        "100": ["umlaut"],
        "%": [],
        "_": [],
    }


def test_a_file_of_0_1_is_brought_up_to_date_with_all_its_documents(file_of_0_1: Path) -> None:
    before = documents_in(file_of_0_1)
    index = EmbeddedIndex(file_of_0_1)
    after = {kind: {document.id: document.body for document in index.scan(kind)} for kind in KINDS}
    assert after == before
    assert index.count_by("jobs", "s_status") == {"failure": 2, "timed_out": 1}
    assert [d.id for d in index.scan("jobs", Where(equals={"s_job_id": "5"}))] == ["github-job-5-attempt-1"]
    assert index.upsert([Document("jobs", "github-job-5-attempt-1", {"s_job_name": "again"})]) == Written(updated=1)
    index.close()
    connection = sqlite3.connect(file_of_0_1)
    assert connection.execute("SELECT s_job_name FROM jobs WHERE s_job_id IS NULL").fetchall() == [("again",)]
    assert connection.execute("SELECT count(*) FROM job_errors").fetchall() == [(2,)]
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    connection.close()


def test_several_that_bring_a_file_up_to_date_at_once_share_the_work(
    file_of_0_1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_schema, "MOVED", 1)
    before = documents_in(file_of_0_1)
    indices = [EmbeddedIndex(file_of_0_1) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda index: {k: {d.id: d.body for d in index.scan(k)} for k in KINDS}, indices))
    for index in indices:
        index.close()
    assert found == [before] * 4


def test_bringing_a_file_up_to_date_goes_on_where_a_process_died(
    file_of_0_1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = documents_in(file_of_0_1)
    monkeypatch.setattr(embedded_schema, "MOVED", 1)
    connection = sqlite3.connect(file_of_0_1, isolation_level=None)
    with monkeypatch.context() as patch:
        patch.setattr(embedded_schema, "transaction", dying(embedded_schema.transaction, after=5))
        with pytest.raises(InterruptedError):
            bring_up_to_date(connection, "here")
    connection.close()
    index = EmbeddedIndex(file_of_0_1)
    assert {kind: {document.id: document.body for document in index.scan(kind)} for kind in KINDS} == before
    index.close()


def test_a_process_of_0_1_that_still_runs_reads_but_neither_writes_nor_makes_everything_again(
    file_of_0_1: Path,
) -> None:
    before = documents_in(file_of_0_1)
    old = sqlite3.connect(file_of_0_1, isolation_level=None)
    rebuild = [sql for (sql,) in old.execute("SELECT sql FROM sqlite_master WHERE name LIKE 'jobs_by_%'")]
    index = EmbeddedIndex(file_of_0_1)
    index.ensure()
    assert documents_in(file_of_0_1) == before
    for refused in ("INSERT INTO jobs_documents (id, body) VALUES ('x', '{}') ON CONFLICT (id) DO NOTHING", *rebuild):
        with pytest.raises(sqlite3.OperationalError, match="view"):
            old.execute(refused)
    old.close()
    assert len(list(index.scan("jobs"))) == len(before["jobs"])
    index.close()


def test_a_file_of_schema_2_gets_the_columns_that_came_since_with_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_schema, "MOVED", 2)
    path = tmp_path / "index.sqlite"
    index = EmbeddedIndex(path)
    index.upsert([*many_jobs(5), Document("jobs", "nameless", {"s_repo": "a/b"})])
    index.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for kind, names in embedded_schema.ADDED.items():
            old.execute(f"DROP VIEW {kind}")
            for index_name in [name for name in indexes(kind) if any(added in name for added in names)]:
                old.execute(f"DROP INDEX {index_name}")
            for added in names:
                old.execute(f"ALTER TABLE {kind}_rows DROP COLUMN {added}")
        old.execute("PRAGMA user_version = 2")
    index = EmbeddedIndex(path)
    by_name = Counter(str(document.body["s_job_name"]) for document in many_jobs(5))
    assert index.count_by("jobs", "s_job_name") == dict(by_name)
    assert [d.id for d in index.scan("jobs", Where(missing=("s_job_name",)))] == ["nameless"]
    index.upsert([Document("jobs", "later", {"s_job_name": "later"})])
    assert [d.id for d in index.scan("jobs", Where(equals={"s_job_name": "later"}))] == ["later"]
    index.close()
    with closing(sqlite3.connect(path)) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        plan = " ".join(
            row[3]
            for row in now.execute(
                "EXPLAIN QUERY PLAN SELECT id FROM jobs_rows WHERE s_repo = 'a' AND s_branch = 'b' AND s_job_name = 'c' "
                "AND s_partition >= 'd'"
            )
        )
        assert "jobs_on_s_repo_and_s_branch_and_s_job_name_and_s_partition" in plan


def test_what_an_older_process_writes_again_while_columns_are_filled_has_its_values_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index.sqlite"
    index = EmbeddedIndex(path)
    index.upsert([Document("jobs", "j1", {"s_repo": "a/b", "s_workflow_name": "CI", "l_runner_minutes": 2})])
    index.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("PRAGMA user_version = 3")
    steps = indexes("steps")

    def meanwhile(kind: Kind) -> Mapping[str, str]:
        if kind == "steps":  # the jobs' columns are filled, the file is not yet brought up to date
            with closing(sqlite3.connect(path, isolation_level=None)) as older:
                older.execute("""UPDATE jobs_rows SET body = '{"s_repo":"a/b","s_workflow_name":"CI 2"}'""")
        return steps if kind == "steps" else indexes(kind)

    monkeypatch.setattr(embedded_schema, "indexes", meanwhile)
    index = EmbeddedIndex(path)
    assert [each.values for each in index.tally("jobs", ("s_workflow_name", "l_runner_minutes"))] == [("CI 2", None)]
    index.close()
    with closing(sqlite3.connect(path)) as now:
        assert now.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone() == (0,)


def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.upsert(many_jobs(1))
    newer = sqlite3.connect(tmp_path / "index.sqlite")
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(PermanentError, match=rf"schema {SCHEMA_VERSION + 1}, this one knows {SCHEMA_VERSION}\. Update"):
        index.upsert(many_jobs(2))
    index.close()
    with pytest.raises(PermanentError, match="Update this installation"):
        EmbeddedIndex(tmp_path / "index.sqlite").ensure()
    left = sqlite3.connect(tmp_path / "index.sqlite")
    assert left.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
    left.close()


def test_the_schema_has_another_number_when_it_is_another_one(tmp_path: Path) -> None:
    EmbeddedIndex(tmp_path / "index.sqlite").ensure()
    connection = sqlite3.connect(tmp_path / "index.sqlite")
    text = "\n".join(
        sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name")
    )
    connection.close()
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    assert (SCHEMA_VERSION, digest) == (4, "f0f9a460ca0c"), (
        "raise SCHEMA in embedded_schema.py, so that files get the change"
    )


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
