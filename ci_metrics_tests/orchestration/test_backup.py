"""A backup holds what cannot be made again, is checked as a whole before anything changes,
and brings all of it back.
"""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.commands.launch import run_hours
from ci_metrics.errors import CiMetricsError, ContractError, NotFoundError
from ci_metrics.history.cause_states import CauseRecord
from ci_metrics.history.labels import label_for
from ci_metrics.index.document_index import Document, Where
from ci_metrics.index.field_table import KINDS
from ci_metrics.index.open import open_index
from ci_metrics.models import JobLog
from ci_metrics.orchestration.backup import check_backup, make_backup, restore_backup
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import HoursPart, open_parts
from ci_metrics.orchestration.storage.atomic_files import put
from ci_metrics.orchestration.storage.labels import LabelStore
from ci_metrics.orchestration.storage.repository_facts import known_repository
from ci_metrics.orchestration.sweeps import read_sweeps, sweep_day
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.github.worlds import REPO, START, at, attempt, job, run, world
from ci_metrics_tests.orchestration.home_0_1 import HOUR, files_of, home_of_0_1
from ci_metrics_tests.orchestration.test_junit_artifacts import archive, artifact

NOW = datetime(2026, 3, 3, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home of 0.1 that this version has looked at: states in their present form,
    the label in its own file.
    """
    settings = home_of_0_1(tmp_path / "home")
    HoursPart(settings).store.states()
    (settings.data_dir / "batches").mkdir()
    (settings.data_dir / "batches" / "b1.json").write_text("{}")
    assert len(labels_of(settings)) == 1
    return settings


def labels_of(settings: Settings) -> Mapping[str, Document]:
    with closing(open_index(settings)) as index:
        index.ensure()
        return dict(LabelStore(HoursPart(settings).store.root, index).labels())


def documents_of(settings: Settings) -> dict[str, Any]:
    with closing(open_index(settings)) as index:
        return {each.id: each.body for kind in KINDS for each in index.scan(kind)}


def verdicts_of(settings: Settings) -> dict[str, Any]:
    with closing(open_index(settings)) as index:
        return {each.id: each.body for each in index.scan("verdicts")}


def hours_of(settings: Settings) -> dict[str, bytes]:
    return {name: data for name, data in files_of(settings).items() if "/hours/" in name and "/." not in name}


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """The archive with other files in it."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def test_hours_labels_verdicts_batches_and_documents_come_back_in_an_empty_home(
    settings: Settings, tmp_path: Path
) -> None:
    made = make_backup(settings, tmp_path / "b.zip", NOW)
    assert (made.hours, made.labels) == (1, 1)
    assert check_backup(tmp_path / "b.zip") == made
    there = load_settings({"CI_METRICS_HOME": str(tmp_path / "other")})
    restore_backup(there, tmp_path / "b.zip", replace=False)
    logs = f"/job_logs/{HOUR}/"
    assert hours_of(there) == {name: data for name, data in hours_of(settings).items() if logs not in name}
    assert documents_of(there) == documents_of(settings)
    assert labels_of(there) == labels_of(settings)
    assert HoursPart(there).store.state(HOUR) == HoursPart(settings).store.state(HOUR)
    assert (there.data_dir / "batches" / "b1.json").read_text() == "{}"


def test_verdicts_go_from_the_embedded_index_into_an_opensearch_and_from_there_into_an_embedded_one(
    settings: Settings, opensearch_settings: Settings, tmp_path: Path
) -> None:
    verdicts = verdicts_of(settings)
    assert verdicts
    make_backup(settings, tmp_path / "b.zip", NOW)
    restore_backup(opensearch_settings, tmp_path / "b.zip", replace=False)
    assert verdicts_of(opensearch_settings) == verdicts
    assert labels_of(opensearch_settings) == labels_of(settings)
    make_backup(opensearch_settings, tmp_path / "c.zip", NOW)
    back = load_settings({"CI_METRICS_HOME": str(tmp_path / "back")})
    restore_backup(back, tmp_path / "c.zip", replace=False)
    assert (verdicts_of(back), labels_of(back)) == (verdicts, labels_of(settings))


def test_data_that_is_there_is_only_replaced_when_that_is_said(settings: Settings, tmp_path: Path) -> None:
    make_backup(settings, tmp_path / "b.zip", NOW)
    expected = files_of(settings)
    with closing(open_index(settings)) as index:
        index.upsert([Document("jobs", "later", {"s_repo": "a/b"})])
    root = settings.data_dir / "hours"
    shutil.copy(root / "workflow_runs" / f"{HOUR}.parquet", root / "workflow_runs" / "2026-03-02T10.parquet")
    (root / "workflow_jobs" / f"{HOUR}.parquet").write_bytes(b"damaged")
    with pytest.raises(ContractError, match=r"there is data at .* already\. Say --replace"):
        restore_backup(settings, tmp_path / "b.zip", replace=False)
    assert "later" in documents_of(settings)
    restore_backup(settings, tmp_path / "b.zip", replace=True)
    assert hours_of(settings) == {
        name: data for name, data in expected.items() if "/hours/" in name and "/." not in name
    }
    assert "later" not in documents_of(settings)


def test_an_archive_is_its_owners_alone_and_never_written_over(settings: Settings, tmp_path: Path) -> None:
    make_backup(settings, tmp_path / "new" / "b.zip", NOW)
    assert stat.S_IMODE((tmp_path / "new" / "b.zip").stat().st_mode) == 0o600
    with pytest.raises(ContractError, match="is there already"):
        make_backup(settings, tmp_path / "new" / "b.zip", NOW)


def test_nothing_is_backed_up_where_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing to back up"):
        make_backup(load_settings({"CI_METRICS_HOME": str(tmp_path / "no")}), tmp_path / "b.zip", NOW)
    assert not (tmp_path / "b.zip").exists()


def _manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes]], None]:
    def act(files: dict[str, bytes]) -> None:
        manifest = json.loads(files["manifest.json"])
        change(manifest)
        files["manifest.json"] = json.dumps(manifest).encode()

    return act


def _without(name: str) -> Callable[[dict[str, bytes]], None]:
    def act(files: dict[str, bytes]) -> None:
        del files[name]

    return act


def _outside(files: dict[str, bytes]) -> None:
    manifest = json.loads(files["manifest.json"])
    name = next(name for name in files if name.startswith("hours/"))
    manifest["files"]["hours/../../escaped"] = manifest["files"].pop(name)
    files["hours/../../escaped"] = files.pop(name)
    files["manifest.json"] = json.dumps(manifest).encode()


def _one_changed(files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.startswith("hours/"))
    files[name] += b"x"


REFUSED: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "later archive": (_manifest(lambda m: m.update(format=2, new="field")), "made by a later version"),
    "later hours": (_manifest(lambda m: m.update(hours_format=99)), "written by a later version"),
    "changed file": (_one_changed, "is damaged"),
    "missing file": (_without("index.sqlite"), "does not hold the files"),
    "further file": (lambda files: files.update({"hours/extra": b""}), "does not hold the files"),
    "outside": (_outside, "which no backup has"),
    "no manifest": (_without("manifest.json"), "no backup of ci_metrics"),
    "damaged manifest": (lambda files: files.update({"manifest.json": b"{"}), "is damaged"),
    "of a repository": (_manifest(lambda m: m.update(sample=False)), "a repository's data"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_a_whole_backup_of_this_version_changes_nothing(
    name: str, settings: Settings, tmp_path: Path
) -> None:
    change, said = REFUSED[name]
    make_backup(settings, tmp_path / "b.zip", NOW)
    rewritten(tmp_path / "b.zip", change)
    before = files_of(settings)
    with pytest.raises(CiMetricsError, match=said):
        restore_backup(settings, tmp_path / "b.zip", replace=True)
    assert files_of(settings) == before
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_an_archive_cut_short_changes_nothing(share: float, settings: Settings, tmp_path: Path) -> None:
    make_backup(settings, tmp_path / "b.zip", NOW)
    data = (tmp_path / "b.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(data[: int(len(data) * share)])
    before = files_of(settings)
    with pytest.raises(ContractError, match="no whole backup"):
        restore_backup(settings, tmp_path / "b.zip", replace=True)
    assert files_of(settings) == before


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_with_bytes_that_cannot_be_unpacked_changes_nothing(
    packed: int, settings: Settings, tmp_path: Path
) -> None:
    make_backup(settings, tmp_path / "b.zip", NOW)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "b.zip", "w", packed) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    damaged = bytearray((tmp_path / "b.zip").read_bytes())
    start = damaged.index(b"hours/") + 60
    damaged[start : start + 400] = bytes(each ^ 0x55 for each in damaged[start : start + 400])
    (tmp_path / "b.zip").write_bytes(damaged)
    before = files_of(settings)
    with pytest.raises(ContractError, match="no whole backup"):
        restore_backup(settings, tmp_path / "b.zip", replace=True)
    assert files_of(settings) == before


def test_what_is_known_of_a_repository_whose_name_begins_with_a_dot_is_in_a_backup(
    settings: Settings, tmp_path: Path
) -> None:
    root = HoursPart(settings).store.root
    for name in ("sweeps.json", "marked.json", "failing.json", "repositories.json", "repositories/acme/.github.json"):
        put(root / name, b"{}")
    put(root / "repositories" / "acme" / ".lock", b"")
    names = make_backup(settings, tmp_path / "b.zip", NOW).files
    assert {"hours/repositories/acme/.github.json", "hours/sweeps.json", "hours/marked.json"} <= set(names)
    assert {"hours/failing.json", "hours/repositories.json"} <= set(names)
    assert not any(name.endswith(".lock") for name in names)


#: The test names of its report are the first that its documents name.
LOG = (
    b"2026-03-02T09:00:00.0000000Z ##[group]Run pytest\n2026-03-02T09:00:00.0000000Z pytest\n"
    b"2026-03-02T09:00:00.0000000Z shell: /usr/bin/bash -e {0}\n2026-03-02T09:00:00.0000000Z ##[endgroup]\n"
    b"2026-03-02T09:00:01.0000000Z FAILED tests/test_a.py::test_b - AssertionError\n"
    b"2026-03-02T09:00:02.0000000Z ##[error]Process completed with exit code 1.\n"
)
#: What GitHub is asked for once.
ASKED_ONCE = ("log", "jobs", "artifacts", "artifact", "contents")


@pytest.mark.slow
def test_a_restored_home_knows_all_that_it_knew_and_goes_on_without_asking_for_it_again(tmp_path: Path) -> None:
    """Owners, failing repositories, sweeps, marks, test reports, passing logs, labels, causes."""
    failed = run(2, [attempt(1, [job(21, "unit", 11, 15, conclusion="failure", log=LOG)])], begin=10)
    passed = run(1, [attempt(1, [job(11, "unit", log=b"2026-03-02T09:00:00.0000000Z fine\n")])])
    made = replace(world(passed, failed), files={REPO: {"CODEOWNERS": "* @acme/shop"}})
    with SampleGitHub(made) as server:
        server.clock.set(at(120))
        server.artifacts[2] = [
            artifact(901, "junit-unit", archive("tests.test_a.test_b", "tests.test_a.test_c"), at(14))
        ]
        environ = {
            "GITHUB_API_URL": server.api_url,
            "GITHUB_TOKEN": server.token,
            "REPO": f"{REPO},acme/gone",
            "JUNIT_ARTIFACTS": "junit-*",
            "ENABLE_ERROR_CLASSIFICATION": "true",
        }
        ours = load_settings({**environ, "CI_METRICS_HOME": str(tmp_path / "ours")})
        ingest(ours)
        assert all(server.stats.total[kind] for kind in ASKED_ONCE)
        with open_parts(ours, clock=lambda: at(121)) as parts:
            sweep_day(parts.hours, parts.github.client, f"{START:%Y-%m-%d}")
            parts.hours.marked.mark({hour_key(START): [REPO]}, at(122))
            known = next(iter(parts.index.documents.scan("jobs", Where(equals={"s_job_id": "21"}))))
            parts.judge.labels.give(
                [label_for(known, "timeout", note="", fix="", all_like_it=False, user="ada", now=at(121))]
            )
            group = str(known.body["s_error_group"])
            said = CauseRecord(group=group, fingerprint="f1-a", quote="it broke", changed_at=at(121), assignee="ada")
            parts.judge.causes.keep([said])
        make_backup(ours, tmp_path / "b.zip", NOW)
        theirs = load_settings({**environ, "CI_METRICS_HOME": str(tmp_path / "theirs")})
        restore_backup(theirs, tmp_path / "b.zip", replace=False)
        before = what_is_known(ours)
        assert before["documents"]["github-job-21-attempt-1"]["s_owner"] == ["@acme/shop"]
        assert before["documents"]["github-job-21-attempt-1"]["s_failed_tests"][1] == "tests.test_a.test_c"
        assert before["documents"]["github-job-21-attempt-1"]["b_error_background"]
        assert set(before["failing"]) == {"acme/gone"}
        assert all(before.values()), before.keys()
        assert what_is_known(theirs) == before
        server.reset_stats()
        ingest(theirs)
        assert not any(server.stats.total[kind] for kind in ASKED_ONCE), server.stats.total
        labelled = documents_of(theirs)["github-job-21-attempt-1"]
        assert (labelled["s_error_type"], labelled["s_error_source"]) == ("timeout", "human")
        assert len(documents_of(theirs)) == len(before["documents"])


def ingest(settings: Settings) -> None:
    with open_instance(settings) as instance:
        hour = hour_key(START)
        assert run_hours(settings, instance, INGEST, hour, hour, quiet=True).success


def what_is_known(settings: Settings) -> dict[str, Any]:
    """What files and index say, as those read it who need it."""
    with open_parts(settings) as parts:
        store = parts.hours.store
        return {
            "states": store.states(),
            "sweeps": read_sweeps(store).swept,
            "marks": parts.hours.marked.read(),
            "failing": parts.hours.failing.read(),
            "repository": known_repository(store, REPO),
            "logs": [
                (log.failed_tests, store.backgrounds.of(log)) for log in store.read("job_logs", hour_key(START), JobLog)
            ],
            "labels": parts.judge.labels.labels(),
            "causes": parts.judge.causes.records(),
            "documents": {each.id: each.body for kind in KINDS for each in parts.index.documents.scan(kind)},
        }
