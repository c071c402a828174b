"""Two runs over one hour at once: whoever wins, what is stored is told right, or the hour counts as unfinished."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.definitions import build_definitions
from ci_metrics.index.base import Where
from ci_metrics.models import Annotation
from ci_metrics.orchestration.assets import classifications, indexed_documents
from ci_metrics.orchestration.due_hours import is_unfinished
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.orchestration.rows import IndexedDocument, JobVerdicts
from ci_metrics.orchestration.store import HourStore
from ci_metrics.sample.scenario import sample_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import Settings, load_settings

HOUR = "2026-03-02T13"
MOMENT = datetime(2026, 3, 2, 14, 1, 2, tzinfo=UTC)
WHOLE = ("workflow_runs", "indexed_documents", "failure_history")

NOTING = """
import sys
from datetime import UTC, datetime
from ci_metrics.orchestration.store import HourStore
store = HourStore(sys.argv[1])
for n in range(60):
    store.note_status("2026-03-02T13", f"asset-{sys.argv[2]}-{n}", {"n": n}, datetime.now(UTC))
"""


def test_two_processes_that_note_parts_of_one_hour_lose_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NOTING, str(tmp_path / "hours")]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(HourStore(tmp_path / "hours").status(HOUR) or {}) == 120


class Stepwise(HourStore):
    """A store whose next file is written only when the test lets it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.may, self.did = threading.Semaphore(0), threading.Semaphore(0)

    def write(self, *args: Any, **given: Any) -> None:
        self._one(lambda: super(Stepwise, self).write(*args, **given))

    def note_status(self, *args: Any, **given: Any) -> None:
        self._one(lambda: super(Stepwise, self).note_status(*args, **given))

    def _one(self, act: Callable[[], None]) -> None:
        self.may.acquire()
        act()
        self.did.release()


#: Every order in which two runs can write their rows and their part of the status.
ORDERS = sorted(set(itertools.permutations("AABB")))


@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_the_status_tells_of_the_rows_that_are_stored_or_the_hour_is_unfinished(
    order: tuple[str, ...], tmp_path: Path
) -> None:
    runs = {name: Stepwise(tmp_path / "hours") for name in "AB"}
    plain = HourStore(tmp_path / "hours")
    for part in WHOLE:
        plain.note_status(HOUR, part, {}, MOMENT)

    def work(name: str) -> None:
        rows = [Annotation(level="notice", message=name)]
        runs[name].commit("classifications", HOUR, rows, Annotation, notes={}, status={"of": name}, now=MOMENT)

    threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in "AB"]
    for thread in threads:
        thread.start()
    for name in order:
        runs[name].may.release()
        assert runs[name].did.acquire(timeout=10)
    for run in runs.values():  # a third write only says that the part was overtaken
        run.may.release()
    for thread in threads:
        thread.join(10)
    [row] = plain.read("classifications", HOUR, Annotation)
    status = plain.status(HOUR) or {}
    assert status["classifications"]["of"] == row.message or is_unfinished(status)


def test_one_run_after_the_other_is_no_race(tmp_path: Path) -> None:
    store = HourStore(tmp_path / "hours")
    for part in WHOLE:
        store.note_status(HOUR, part, {}, MOMENT)
    for name in "AB":
        rows = [Annotation(level="notice", message=name)]
        store.commit("classifications", HOUR, rows, Annotation, notes={}, status={"of": name}, now=MOMENT)
    assert not is_unfinished(store.status(HOUR) or {})


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("ingested")
    world = sample_world()
    with SampleGitHub(world) as server:
        settings = sample_settings(load_settings({"CI_METRICS_HOME": str(home)}), server.api_url, world.repos)
        with open_instance(settings) as instance:
            assert run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True).success
        yield settings


@pytest.fixture
def settings(ingested: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(ingested.ci_metrics_home, tmp_path / "home")
    return ingested.model_copy(update={"ci_metrics_home": tmp_path / "home"})


def indexing(ci: Parts, before: Callable[[], None]) -> None:
    """`indexed_documents` as its asset runs it; `before` happens when its rows are read and nothing is written yet."""
    upsert = ci.index.documents.upsert

    def interrupted(documents: Any) -> Any:
        before()
        return upsert(documents)

    ci.index.documents.upsert = interrupted  # type: ignore[method-assign]

    job = build_definitions(
        settings=ci.settings, resource_overrides={"index": ci.index}
    ).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(
            instance=instance, partition_key=HOUR, asset_selection=[dg.AssetKey("indexed_documents")]
        ).success


def test_documents_made_of_verdicts_that_another_run_replaced_meanwhile_are_made_again(settings: Settings) -> None:
    stack = contextlib.ExitStack()
    slow, quick = (stack.enter_context(open_parts(settings)) for _ in range(2))
    rows = quick.hours.store.read(classifications.NAME, HOUR, JobVerdicts)
    target = next(row for row in rows if row.state == "classified")
    document = f"github-job-{target.job_id}-attempt-{target.run_attempt}"
    done: list[int] = []

    def judge(state: Any, ci: Parts) -> None:
        changed = [row if row is not target else _with_state(row, state) for row in rows]
        ci.hours.store.commit(
            classifications.NAME, HOUR, changed, JobVerdicts, notes={}, status={"open": 0}, now=ci.hours.now()
        )

    def the_other_run() -> None:
        if not done:
            done.append(1)
            judge("unknown", quick)
            indexing(quick, lambda: None)

    judge("pending", slow)
    indexing(slow, the_other_run)
    body = slow.index.documents.get("jobs", [document])[document]
    assert body["s_error_state"] == "unknown", "the newest verdicts stand in the index, whoever wrote last"
    held = {row.id for row in slow.hours.store.read(indexed_documents.NAME, HOUR, IndexedDocument)}
    assert held == {
        d.id
        for kind in ("workflows", "jobs", "steps")
        for d in slow.index.documents.scan(kind, Where(equals={"s_partition": HOUR}))
    }  # type: ignore[arg-type]
    stack.close()


def _with_state(row: JobVerdicts, state: Any) -> JobVerdicts:
    root = row.judged[0]
    verdict = replace(root.verdict, state=state, error_type=None)
    return replace(row, state=state, judged=(replace(root, verdict=verdict), *row.judged[1:]))
