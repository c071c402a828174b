"""Two runs over one hour at once: whoever wins, what is stored is told right, and who
was overtaken works again.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
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
from ci_metrics.errors import OvertakenError
from ci_metrics.index.document_index import Where
from ci_metrics.models import Annotation
from ci_metrics.orchestration.assets import classifications, indexed_documents
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.orchestration.storage.rows import IndexedDocument, JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.sample.scenario import sample_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import Settings, load_settings

HOUR = "2026-03-02T13"
MOMENT = datetime(2026, 3, 2, 14, 1, 2, tzinfo=UTC)


def commit(store: HourStore, asset: str, said: str) -> None:
    rows = [Annotation(level="notice", message=said)]
    store.commit(asset, HOUR, rows, Annotation, notes={}, status={"of": said}, now=MOMENT)


def made(store: HourStore, asset: str) -> str:
    """What the asset's rows say, and its record too."""
    [row] = store.read(asset, HOUR, Annotation)
    record = store.state(HOUR).of(asset)
    assert record is not None
    assert record.said["of"] == row.message, "the record tells of the rows that are stored"
    return row.message


#: What two runs do to an hour, one step after the other: they look, and they commit.
ORDERS = sorted(set(itertools.permutations("AABB")))


@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_of_two_runs_over_one_asset_the_one_that_was_overtaken_is_told_and_writes_nothing(
    order: tuple[str, ...], tmp_path: Path
) -> None:
    runs = {name: HourStore(tmp_path / "hours") for name in "AB"}
    overtaken: list[str] = []
    begun: list[str] = []
    for name in order:
        if name not in begun:
            runs[name].look(HOUR)
            begun.append(name)
            continue
        before = overtaken.copy()
        try:
            commit(runs[name], "classifications", name)
        except OvertakenError:
            overtaken = [*before, name]
    side_by_side = order[0] != order[1]
    assert overtaken == ([order[3]] if side_by_side else [])
    assert made(HourStore(tmp_path / "hours"), "classifications") == (order[2] if side_by_side else order[3])


def test_many_commits_at_once_leave_rows_and_a_record_of_one_of_them(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def work(name: str) -> None:
        store = HourStore(tmp_path / "hours")
        barrier.wait(10)
        for _ in range(5):
            commit(store, "classifications", name)

    threads = [threading.Thread(target=work, args=(f"{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert made(HourStore(tmp_path / "hours"), "classifications") in "01234567"


def test_what_was_made_of_rows_that_were_written_anew_counts_as_broken_off(tmp_path: Path) -> None:
    store = HourStore(tmp_path / "hours")
    for asset in ("workflow_runs", "classifications"):
        commit(store, asset, "first")
    for asset, source in (("indexed_documents", "classifications"), ("failure_history", "indexed_documents")):
        store.look(HOUR, [source])
        commit(store, asset, "first")
    assert store.state(HOUR).is_finished
    commit(store, "classifications", "first")
    assert store.state(HOUR).is_finished, "the same rows"
    commit(store, "classifications", "second")
    assert store.state(HOUR).broken_off == ["indexed_documents is made of older rows of classifications"]
    store.look(HOUR)
    store.read("classifications", HOUR, Annotation)
    commit(store, "indexed_documents", "second")
    assert store.state(HOUR).broken_off == ["failure_history is made of older rows of indexed_documents"]


def test_a_process_that_died_between_the_record_and_its_rows_leaves_an_hour_that_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = HourStore(tmp_path / "hours")
    for asset in ("workflow_runs", "classifications", "failure_history"):
        commit(store, asset, "first")
    store.look(HOUR)
    store.read("classifications", HOUR, Annotation)
    commit(store, "indexed_documents", "first")
    assert store.state(HOUR).is_finished

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ci_metrics.orchestration.storage.store.put", dies)
        commit(HourStore(tmp_path / "hours"), "classifications", "second")
    again = HourStore(tmp_path / "hours")
    assert not again.state(HOUR).is_finished
    again.look(HOUR)
    again.read("classifications", HOUR, Annotation)
    commit(again, "indexed_documents", "made of what is there")
    assert not again.state(HOUR).is_finished, "the record of the verdicts tells of rows that were never written"
    again.look(HOUR)
    commit(again, "classifications", "second")
    assert made(again, "classifications") == "second"


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
    """`indexed_documents` as its asset runs it; `before` happens when its rows are read
    and nothing is written yet.
    """
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
    }
    stack.close()


def _with_state(row: JobVerdicts, state: Any) -> JobVerdicts:
    root = row.judged[0]
    verdict = replace(root.verdict, state=state, error_type=None)
    return replace(row, state=state, judged=(replace(root, verdict=verdict), *row.judged[1:]))
