"""The embedded index of version 0.1 is read and written on; copies of the file are whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ci_metrics.errors import CiMetricsError
from ci_metrics.index.document_index import Document, Where
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.embedded_copy import check_index, copy_index, put_back
from ci_metrics.index.embedded_schema import SCHEMA_VERSION
from ci_metrics_tests.orchestration.home_0_1 import HOUR, home_of_0_1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return home_of_0_1(tmp_path).data_dir / "index.sqlite"


def made_later(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def test_documents_verdicts_and_labels_of_0_1_are_found_and_views_have_the_fields_of_now(path: Path) -> None:
    with closing(EmbeddedIndex(path)) as index:
        counts = {kind: sum(1 for _ in index.scan(kind)) for kind in ("workflows", "jobs", "steps", "verdicts")}
        assert counts == {"workflows": 3, "jobs": 6, "steps": 18, "verdicts": 3}
        assert len(list(index.scan("jobs", Where(equals={"s_partition": HOUR})))) == 6
        assert [each.body["s_note"] for each in index.scan("verdicts", Where(equals={"s_error_source": "human"}))] == [
            "seen twice"
        ]
        index.upsert([Document("jobs", "new", {"s_repo": "a/b", "s_error_origin": "a/b"})])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT s_error_origin FROM jobs WHERE id = 'new'").fetchone() == ("a/b",)
        assert connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION


def test_a_copy_is_of_one_moment_and_is_put_back_under_those_who_have_the_file_open(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with closing(EmbeddedIndex(path)) as index:
        index.upsert([Document("jobs", "kept", {"s_repo": "a/b"})])
        copy_index(path, copy)
        check_index(copy, "copy")
        index.upsert([Document("jobs", "later", {"s_repo": "a/b"})])
        put_back(copy, path)
        assert set(index.get("jobs", ["kept", "later"])) == {"kept"}
        index.upsert([Document("jobs", "after", {"s_repo": "a/b"})])
    with closing(EmbeddedIndex(path)) as index:
        assert set(index.get("jobs", ["kept", "later", "after"])) == {"kept", "after"}


@pytest.mark.parametrize("there", [b"", b"no database at all, only words" * 400], ids=["empty", "damaged"])
def test_a_copy_is_put_back_over_a_file_that_is_no_index(there: bytes, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "other" / "index.sqlite"
    target.parent.mkdir()
    target.write_bytes(there)
    put_back(path, target)
    with closing(EmbeddedIndex(target)) as index:
        assert sum(1 for _ in index.scan("jobs")) == 6


@pytest.mark.parametrize("damage", ["words", "half", "other tables", "later"])
def test_what_is_no_index_of_ours_is_told_by_the_check(damage: str, path: Path) -> None:
    if damage == "words":
        path.write_bytes(b"words" * 1_000)
    elif damage == "half":
        path.write_bytes(path.read_bytes()[:60_000])
    elif damage == "later":
        made_later(path)
    else:
        path.unlink()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE other (id)")
    with pytest.raises(CiMetricsError, match=r"^the copy(: a newer ci_metrics| holds no embedded index)"):
        check_index(path, "the copy")
