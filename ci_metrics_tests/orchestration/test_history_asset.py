from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.history.flaky_fields import flag_rules
from ci_metrics.index.document_index import Document
from ci_metrics.orchestration.assets import failure_history
from ci_metrics.orchestration.new_failures import new_failures, worth_an_alarm
from ci_metrics.orchestration.partitions import hourly_partitions
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.orchestration.sensors import RANGE_END, RANGE_START
from ci_metrics.settings import load_settings
from ci_metrics_tests.history.history_documents import job
from ci_metrics_tests.orchestration.conftest import resources_of

HOURS = ["2026-03-02T05", "2026-03-02T06", "2026-03-02T07"]

#: As definitions.py says: Dagster calls backfill policies "beta", and its version is pinned.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")

PARTITIONS = hourly_partitions(datetime(2026, 3, 1, tzinfo=UTC))


@dg.asset(partitions_def=PARTITIONS)
def indexed_documents() -> None:
    """Stands for the chain, whose documents the tests write themselves."""


@pytest.fixture
def ci(tmp_path: Path) -> Iterator[Parts]:
    with open_parts(load_settings({"CI_METRICS_HOME": str(tmp_path)})) as parts:
        yield parts


def follow(ci: Parts, first: str, last: str) -> dg.ExecuteInProcessResult:
    asset = failure_history.build(PARTITIONS, indexed_documents)
    definitions = dg.Definitions(
        assets=[indexed_documents, asset],
        jobs=[dg.define_asset_job("follow", selection=dg.AssetSelection.assets(asset))],
        resources=resources_of(ci),
        executor=dg.in_process_executor,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def("follow").execute_in_process(
            instance=instance, tags={RANGE_START: first, RANGE_END: last}
        )


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    events = result.asset_materializations_for_node("failure_history")
    return {str(event.partition): {key: value.value for key, value in event.metadata.items()} for event in events}


def day() -> list[Document]:
    """A flaky failure in two hours, an old failure in all three, a new one and
    a generic one in the last.
    """
    return [
        *(job(10 + n, at=n * 60 + 5, fingerprint="f1-old", hour=hour) for n, hour in enumerate(HOURS)),
        job(1, at=10, fingerprint="f1-flake", hour=HOURS[0]),
        job(1, attempt=2, at=20, status="success", hour=HOURS[0]),
        job(2, at=70, fingerprint="f1-flake", hour=HOURS[1]),
        job(2, attempt=2, at=80, status="success", hour=HOURS[1]),
        job(3, at=130, fingerprint="f1-new", hour=HOURS[2], type="timeout", quote="Timeout >30s"),
        job(4, at=131, fingerprint="f1-exit", hour=HOURS[2], generic=True),
    ]


def test_an_hours_table_names_what_is_new_in_it_and_the_documents_get_their_flags(ci: Parts) -> None:
    ci.index.documents.upsert(day())
    result = follow(ci, HOURS[0], HOURS[2])
    shown = metadata(result)
    assert {hour: shown[hour]["new_groups"] for hour in HOURS} == {HOURS[0]: 2, HOURS[1]: 0, HOURS[2]: 1}
    (row,) = new_failures(ci.hours.store, HOURS[2])
    assert (row.group, row.kind, row.error_type, row.headline, row.count) == (
        "g1-new", "new", "timeout", "Timeout >30s", 1
    )  # fmt: skip
    assert "Timeout &gt;30s" in shown[HOURS[2]]["new_failures"]
    assert shown[HOURS[1]]["flaky_confirmed"] == 1
    assert shown[HOURS[1]]["documents_changed_in_other_hours"] == 1
    confirmed = {d.id for d in ci.index.documents.scan("jobs") if d.body.get("b_flaky_confirmed")}
    assert confirmed == {job(1).id, job(2).id}


def test_the_check_warns_of_new_groups_but_not_in_the_first_hour_of_all(ci: Parts) -> None:
    ci.index.documents.upsert(day())
    results = {}
    for hour in HOURS:
        (evaluation,) = follow(ci, hour, hour).get_asset_check_evaluations()
        results[hour] = (evaluation.passed, evaluation.metadata["new"].value)
        assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert results == {HOURS[0]: (True, 0), HOURS[1]: (True, 0), HOURS[2]: (False, 1)}
    assert worth_an_alarm(ci.hours.store, HOURS[0]) == []


def test_a_spike_is_in_the_table_and_in_the_check(ci: Parts) -> None:
    ci.index.documents.upsert(day())
    ci.index.documents.upsert(job(100 + n, at=140 + n, fingerprint="f1-old", hour=HOURS[2]) for n in range(8))
    (evaluation,) = follow(ci, HOURS[2], HOURS[2]).get_asset_check_evaluations()
    assert {row.group: row.kind for row in new_failures(ci.hours.store, HOURS[2])} == {
        "g1-old": "spiking",
        "g1-new": "new",
    }
    assert evaluation.metadata["spiking"].value == 1


def test_doing_an_hour_again_changes_neither_table_nor_documents(ci: Parts) -> None:
    ci.index.documents.upsert(day())
    follow(ci, HOURS[0], HOURS[2])
    follow(ci, HOURS[0], HOURS[0])  # the second hour has confirmed a flake of the first: its type in the table follows
    rows = {hour: new_failures(ci.hours.store, hour) for hour in HOURS}
    documents = list(ci.index.documents.scan("jobs"))
    again = metadata(follow(ci, HOURS[0], HOURS[2]))
    assert {hour: again[hour]["documents_changed"] for hour in HOURS} == dict.fromkeys(HOURS, 0)
    assert {hour: new_failures(ci.hours.store, hour) for hour in HOURS} == rows
    assert list(ci.index.documents.scan("jobs")) == documents


def test_documents_written_anew_get_their_flags_back(ci: Parts) -> None:
    ci.index.documents.upsert(day())
    follow(ci, HOURS[0], HOURS[2])
    before = list(ci.index.documents.scan("jobs"))
    ci.index.documents.upsert(document for document in day() if document.body["s_partition"] == HOURS[0])
    follow(ci, HOURS[0], HOURS[0])
    assert list(ci.index.documents.scan("jobs")) == before


def test_evidence_that_a_redone_hour_no_longer_gives_is_taken_back_in_other_hours(ci: Parts) -> None:
    ci.index.documents.upsert(day())
    follow(ci, HOURS[0], HOURS[2])
    ci.index.documents.upsert([job(2, at=70, fingerprint="f1-something-else", hour=HOURS[1])])
    follow(ci, HOURS[1], HOURS[1])
    body = ci.index.documents.get("jobs", [job(1).id])[job(1).id]
    assert (body.get("b_flaky_suspected"), body.get("b_flaky_confirmed")) == (True, None)


def test_an_hour_without_failures_has_an_empty_table(ci: Parts) -> None:
    ci.index.documents.upsert([job(1, status="success")])
    assert metadata(follow(ci, HOURS[0], HOURS[0]))[HOURS[0]]["groups"] == 0


def test_a_projects_own_kinds_of_the_ten_count_as_theirs(tmp_path: Path) -> None:
    file = tmp_path / "taxonomy.toml"
    file.write_text(
        'extends = true\n[[category]]\nname = "registry_down"\ndefinition = "x"\nparent = "network_error"\n'
        '[[category]]\nname = "ui_test"\ndefinition = "x"\nparent = "assertion_failure"\n'
    )
    rules = flag_rules(load_taxonomy(file))
    assert rules.storm_types == {"infrastructure_error", "network_error", "registry_down"}
    assert rules.test_types == {"assertion_failure", "runtime_error", "timeout", "ui_test"}
    assert rules.flaky_type == "flaky_test"
