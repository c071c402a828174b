"""An hour judged by a model, from its stored errors to documents and metadata: what it
costs, what waits, what fails.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.upload import EXIT_CODES, Talk, upload_hours
from ci_metrics.definitions import build_definitions
from ci_metrics.index.document_index import Body, Where
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST, RECLASSIFY
from ci_metrics.orchestration.partitions import KEY_FORMAT
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.orchestration.sensors import RANGE_START
from ci_metrics.orchestration.storage.rows import JobVerdicts
from ci_metrics.orchestration.summary import summarise
from ci_metrics.sample.scenario import sample_world
from ci_metrics.sample.server import SAMPLE_TOKEN, SampleGitHub
from ci_metrics.settings import Settings, load_settings
from ci_metrics.verdicts.budget import utc_now
from ci_metrics.verdicts.reuse import PARTITION_FORMAT
from ci_metrics_tests.llm.model_server import KEY, ModelServer
from ci_metrics_tests.orchestration.conftest import run_job, tick

#: An hour with a dozen failures.
HOUR = "2026-03-02T13"


@pytest.fixture(scope="module")
def github() -> Iterator[SampleGitHub]:
    with SampleGitHub(sample_world()) as server:
        yield server


def settings_of(github: SampleGitHub, home: Path, **more: str) -> Settings:
    """As for a live repository: its old hours are history, which a sample's never are."""
    return load_settings(
        {
            "CI_METRICS_HOME": str(home), "GITHUB_API_URL": github.api_url, "GITHUB_TOKEN": SAMPLE_TOKEN,
            "REPO": ",".join(github.world.repos), "ENABLE_ERROR_CLASSIFICATION": "true", **more,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def ingested(github: SampleGitHub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the hour, judged by the embedded classifier."""
    home = tmp_path_factory.mktemp("ingested")
    settings = settings_of(github, home)
    with open_instance(settings) as instance:
        assert run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True).success
    return home


class Place:
    """A copy of the ingested hour, and the model's settings."""

    def __init__(self, github: SampleGitHub, home: Path, url: str) -> None:
        self._github, self._home, self._url = github, home, url

    def settings(self, **more: str) -> Settings:
        model = {"ANTHROPIC_API_KEY": KEY, "API_BASE_URL": self._url, "MODEL_BATCHES": "false", "MAX_RPM": "10000"}
        return settings_of(self._github, self._home, **{**model, **more})

    def judge(self, **more: str) -> dict[str, Any]:
        """Judge the hour and write its documents; the metadata of `classifications`."""
        settings = self.settings(**more)
        with open_instance(settings) as instance:
            result = run_hours(settings, instance, RECLASSIFY, HOUR, HOUR, quiet=True)
        assert result.success
        (made,) = result.asset_materializations_for_node("classifications")
        return {name: value.value for name, value in made.metadata.items()}

    def checks(self, **more: str) -> dict[str, bool]:
        """The checks of `classifications` on the hour, judged once more: whether each passed."""
        settings = self.settings(**more)
        with open_instance(settings) as instance:
            result = run_hours(settings, instance, RECLASSIFY, HOUR, HOUR, quiet=True)
        return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}

    def failed(self) -> list[Body]:
        with open_parts(self.settings()) as ci:
            found = ci.index.documents.scan("jobs", Where(equals={"s_partition": HOUR}, exists=("s_error_state",)))
            return [document.body for document in found]

    def unfinished(self) -> bool:
        with open_parts(self.settings()) as ci:
            return not ci.hours.store.state(HOUR).is_finished

    def problems(self) -> dict[str, str]:
        with open_parts(self.settings()) as ci:
            return summarise(ci.hours.store, ci.index.documents, [HOUR], datetime.now(UTC)).problems


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def place(github: SampleGitHub, ingested: Path, tmp_path: Path, model: ModelServer) -> Callable[[str], Place]:
    home = tmp_path / "home"
    shutil.copytree(ingested, home)

    def at(path: str = "") -> Place:
        return Place(github, home, model.url + path)

    return at


@pytest.mark.parametrize(("api_format", "path"), [("anthropic", ""), ("openai", "/v1")])
def test_documents_and_metadata_say_what_the_model_said_and_cost_and_the_second_time_nothing_is_asked(
    api_format: str, path: str, place: Callable[[str], Place], model: ModelServer, github: SampleGitHub
) -> None:
    here = place(path)
    github.reset_stats()
    metadata = here.judge(API_FORMAT=api_format)
    bodies = here.failed()
    by_model = [body for body in bodies if body.get("s_error_source") in ("model", "reused")]
    assert len(by_model) > 5
    named = {error["s_error_fingerprint"] for body in bodies for error in body["errors"] if error.get("s_model")}
    assert len(named) == len(model.requests), "one call a distinct error"
    assert {body["s_model"] for body in by_model} == {"claude-haiku-5-5"}
    for name, field in (
        ("prompt_tokens", "l_prompt_tokens"), ("completion_tokens", "l_completion_tokens"), ("cached_tokens", "l_cached_tokens"),
    ):  # fmt: skip
        assert metadata[name] == sum(body[field] for body in bodies) > 0, name
    assert metadata["cost_usd"] == pytest.approx(sum(body["f_cost_usd"] for body in bodies), abs=1e-5)
    assert 0 < metadata["cost_usd"] < 0.01
    assert not github.stats.total, "judging again asks GitHub nothing"
    calls = len(model.requests)
    assert here.judge(API_FORMAT=api_format)["cost_usd"] == 0
    assert len(model.requests) == calls
    assert here.failed() == bodies


def test_what_the_money_does_not_reach_is_pending_and_done_in_a_later_run(
    place: Callable[[str], Place], model: ModelServer
) -> None:
    here = place("")
    here.judge(MAX_USD_PER_HOUR="0.0012")
    states = Counter(body["s_error_state"] for body in here.failed())
    assert states["pending"] and states["classified"]
    assert here.unfinished()
    calls = len(model.requests)
    here.judge(MAX_USD_PER_HOUR="0.0012")
    assert len(model.requests) == calls, "no money, no question"
    here.judge(MAX_USD_PER_HOUR="5")
    bodies = here.failed()
    assert "pending" not in {body["s_error_state"] for body in bodies}
    assert not here.unfinished()
    assert spent(bodies) == paid(model)


def test_while_it_waits_a_document_says_what_the_embedded_classifier_saw_but_has_no_type(
    place: Callable[[str], Place],
) -> None:
    here = place("")
    by_rules = {body["s_job_id"]: body for body in here.failed()}
    here.judge(MAX_USD_PER_HOUR="0")
    pending = [body for body in here.failed() if body["s_error_state"] == "pending"]
    assert len(pending) > 5
    for body in pending:
        rules = by_rules[body["s_job_id"]]
        assert "s_error_type" not in body and "s_error_base_type" not in body
        assert rules["s_error_summary"] in body["s_error_summary"]
        assert f"guess is {rules['s_error_type']} " in body["s_error_summary"]
        assert body["s_error_evidence"] == rules["s_error_evidence"]
    with open_parts(here.settings()) as ci:
        rows = ci.hours.store.read("classifications", HOUR, JobVerdicts)
    roots = [row.judged[0].verdict for row in rows if row.state == "pending"]
    assert {(v.state, v.error_type) for v in roots} == {("pending", None)}
    assert all(v.guess and v.confidence for v in roots)


def test_money_of_tries_in_vain_is_counted_once_and_kept_when_the_hour_is_done_again(
    place: Callable[[str], Place], model: ModelServer
) -> None:
    here = place("")
    model.fault(*["not_json"] * 12)
    runs = [here.judge()]
    assert here.unfinished()
    in_vain = spent(here.failed())
    assert in_vain == paid(model) > 0
    runs.append(here.judge())
    assert not here.unfinished()
    assert spent(here.failed()) == paid(model) > in_vain
    runs.append(here.judge())
    assert spent(here.failed()) == paid(model)
    assert [run["completion_tokens"] for run in runs] == [in_vain, paid(model) - in_vain, 0]
    assert [run["hour_completion_tokens"] for run in runs] == [in_vain, paid(model), paid(model)]
    with open_parts(here.settings()) as ci:
        everything = sum(d.body.get("f_spent_usd", 0) for d in ci.index.documents.scan("verdicts"))
    assert everything == pytest.approx(sum(run["cost_usd"] for run in runs), abs=1e-5)
    assert everything == pytest.approx(sum(body["f_cost_usd"] for body in here.failed()), abs=1e-5)


def test_an_hour_that_died_after_paying_gives_the_same_documents_as_one_that_did_not(
    place: Callable[[str], Place], model: ModelServer
) -> None:
    here = place("")
    rows = Path(here.settings().data_dir) / "hours" / "classifications" / f"{HOUR}.parquet"
    before = rows.read_bytes()
    here.judge()
    whole, calls = here.failed(), len(model.requests)
    rows.write_bytes(before)  # as if it had died before its rows were written
    metadata = here.judge()
    assert (here.failed(), len(model.requests)) == (whole, calls)
    assert metadata["cost_usd"] == 0
    assert metadata["hour_cost_usd"] == pytest.approx(sum(body["f_cost_usd"] for body in whole), abs=1e-5)


def test_a_model_that_fails_costs_no_document_is_told_and_is_asked_again(
    place: Callable[[str], Place], model: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    here = place("")
    settings = here.settings(ANTHROPIC_API_KEY="sk-another-key")
    assert upload_hours(settings, HOUR, HOUR, Talk(verbose=True)) == EXIT_CODES["unfinished"]
    said = capsys.readouterr().out
    assert "⚠️ Error during classification: the model failed" in said
    assert "⚠️ the model: no usable answer on" in said and "401" in said
    bodies = here.failed()
    assert {body.get("s_error_source") for body in bodies} <= {"rules", None}
    assert any(body["s_error_state"] == "classified" for body in bodies)
    assert here.unfinished() and here.problems()
    assert not here.checks(ANTHROPIC_API_KEY="sk-another-key")["model_failures"], (
        "a person is told although the rules answered"
    )
    here.judge()
    assert here.checks()["model_failures"]
    assert "model" in {body.get("s_error_source") for body in here.failed()}
    assert not here.unfinished() and not here.problems()


def test_history_waits_for_its_batch_and_the_sensor_brings_it_into_the_documents(
    place: Callable[[str], Place], model: ModelServer
) -> None:
    here = place("")
    here.judge(MODEL_BATCHES="true")
    assert {request["path"] for request in model.requests} == {"/v1/messages/batches"}
    assert "pending" in {body["s_error_state"] for body in here.failed()}
    settings = here.settings(MODEL_BATCHES="true")
    assert tick_at(settings) == ["message_batches"]
    collect(settings)
    assert tick_at(settings) == ["message_batches"], "the batch is still open"
    model.end_batches()
    collect(settings)
    assert tick_at(settings) == [f"late_verdicts {HOUR}"]
    assert tick_at(settings, busy=True) == [], "not once more while the first is under way"
    metadata = here.judge(MODEL_BATCHES="true")
    assert tick_at(settings) == [], "nothing waits any more"
    bodies = here.failed()
    assert "pending" not in {body["s_error_state"] for body in bodies}
    assert not any(request["path"] == "/v1/messages" for request in model.requests), "all came from the batch"
    with open_parts(settings) as ci:
        verdicts = [document.body for document in ci.index.documents.scan("verdicts") if document.body.get("s_model")]
    cost = sum(body.get("f_cost_usd", 0) for body in verdicts)
    assert sum(body["f_cost_usd"] for body in bodies) == pytest.approx(cost)
    assert cost > 0
    assert (metadata["cost_usd"], metadata["hour_cost_usd"]) == (0, pytest.approx(cost, abs=1e-5))
    assert not here.unfinished()


def test_old_hours_that_the_money_did_not_reach_are_judged_again_an_hour_later(
    place: Callable[[str], Place],
) -> None:
    here = place("")
    here.judge(MAX_USD_PER_HOUR="0")
    settings = here.settings(MAX_USD_PER_HOUR="5")
    assert tick_at(settings) == [], "not at once"
    assert tick_at(settings, later=timedelta(hours=1)) == [f"late_verdicts {HOUR}"]
    here.judge(MAX_USD_PER_HOUR="5")
    assert tick_at(settings, later=timedelta(hours=9)) == [], "nothing is open any more"


def test_the_verdicts_hours_are_the_assets_partitions() -> None:
    assert PARTITION_FORMAT == KEY_FORMAT  # the sensor asks for the hours that verdicts name


def spent(bodies: list[Body]) -> int:
    """Tokens answered, by the documents."""
    return sum(int(body["l_completion_tokens"]) for body in bodies)


def paid(model: ModelServer) -> int:
    """Tokens answered, by the server."""
    return sum(int(message["usage"]["output_tokens"]) for message in model.sent)


def tick_at(settings: Settings, *, busy: bool = False, later: timedelta = timedelta()) -> list[str]:
    """One tick of the sensors for verdicts that come late: what they
    request, with the first hour.
    """
    clock = lambda: utc_now() + later  # noqa: E731
    with open_parts(settings, clock=clock) as ci, dg.DagsterInstance.ephemeral() as instance:
        if busy:
            job = build_definitions(settings=settings).resolve_job_def(RECLASSIFY)
            instance.create_run_for_job(job, tags={"ci_metrics/reason": "unfinished"})
        asked = {sensor: tick(ci, sensor, instance) for sensor in ("message_batches", "late_verdicts")}
    requests = [(sensor, each) for sensor, found in asked.items() if isinstance(found, list) for each in found]
    return [f"{sensor} {request.tags.get(RANGE_START, '')}".strip() for sensor, request in requests]


def collect(settings: Settings) -> None:
    """The run that the sensor requests while batches are open."""
    with open_parts(settings) as ci:
        assert run_job(ci, "collect_message_batches").success
