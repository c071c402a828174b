"""The embedded classifier learns where it runs: 30 labels of one kind mend the others of that
kind and harm nothing else.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import dagster as dg
import pytest
from upath import UPath

from ci_metrics.classifier import Classifier
from ci_metrics.cli import build_app
from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.definitions import build_definitions
from ci_metrics.errors import SettingsError
from ci_metrics.index.document_index import Where
from ci_metrics.models import Job
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import HoursPart, open_parts
from ci_metrics.orchestration.storage.learned_weights import LearnedWeights
from ci_metrics.orchestration.storage.rows import JobExtraction, JobVerdicts
from ci_metrics.orchestration.team_verdicts import team_verdicts
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import JobSpec
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.github.worlds import START, attempt, job, run, world
from ci_metrics_tests.orchestration.conftest import Ingested

HOUR = hour_key(START)
#: What a team's own deploy script is to it, and to nobody else.
MEANT = "infrastructure_error"
#: A verdict of less confidence than this is a toss-up between two categories:
#: any label may turn it.
TOSS_UP = 0.5
LABELLED, OTHERS = range(30), range(30, 60)
SERVICES = ["billing", "basket", "search", "ledger", "frontdoor", "mailer", "stock", "reports"]
HOSTS = ["amber", "birch", "cedar", "dune", "elm", "fjord"]
ENDS = (
    "convoy: {service} did not leave the dock: berth {host} is taken by run {number}",
    "convoy: {host} turned {service} away, its ballast is at {number} of 1000",
    "convoy: the pilot of {host} has not answered for {service}, gave up after wave {wave}",
    "convoy: wave {wave} of {service} went back to port, {host} showed a red flag",
    "convoy: {service} has no crew at {host}: the watch of wave {wave} is not signed",
    "convoy: anchor of {service} holds on {host}, refused to haul",
)


def deploy_log(number: int) -> bytes:
    """What a deploy script of a team's own prints when it fails: of six ways, for
    eight services on six hosts.
    """
    drawn = random.Random(number)
    service, host, wave = SERVICES[number % 8], HOSTS[number // 8 % 6], drawn.randint(1, 4)
    lines = [
        f"##[group]Run ops/convoy.sh {service}",
        f"\x1b[36;1mops/convoy.sh {service}\x1b[0m",
        "shell: /usr/bin/bash --noprofile --norc -e -o pipefail {0}",
        "##[endgroup]",
        f"convoy: {service} {drawn.randint(1, 9)}.{drawn.randint(0, 30)} bound for {host}",
        *(f"convoy: wave {each} of {service} under way" for each in range(1, wave + 1)),
        ENDS[number % 6].format(service=service, host=host, wave=wave, number=drawn.randint(100, 999)),
        f"##[error]Process completed with exit code {drawn.randint(2, 9)}.",
    ]
    return "".join(f"2026-03-02T09:00:00.1234567Z {line}\n" for line in lines).encode()


def job_id(number: int) -> int:
    return 1000 + number


def deploy_job(number: int) -> JobSpec:
    made = job(job_id(number), f"deploy {number}", 1, 5, conclusion="failure", log=deploy_log(number))
    return replace(made, steps=(made.steps[0], replace(made.steps[1], name="Ship it")))


@dataclass(frozen=True)
class Team:
    """A home with an hour of failed deploys, thirty of them labelled, and what learning came to."""

    settings: Settings
    before: dict[int, str | None]  # job -> type, of the shipped weights
    dry: dict[str, Any]  # what `learn --dry-run` printed
    learned_by_dry_run: bool
    result: dg.ExecuteInProcessResult  # of the Dagster job
    stale: list[dict[str, object]]
    after: dict[int, str | None]
    sources: dict[int, str]


def types(settings: Settings) -> tuple[dict[int, str | None], dict[int, str]]:
    """What the hour's documents say of its jobs: types and sources."""
    with open_parts(settings) as ci:
        bodies = [document.body for document in ci.index.documents.scan("jobs", Where(equals={"s_partition": HOUR}))]
    found = {int(body["s_job_id"]): (body.get("s_error_type"), str(body.get("s_error_source"))) for body in bodies}
    return {key: each for key, (each, _) in found.items()}, {key: each for key, (_, each) in found.items()}


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    home = tmp_path_factory.mktemp("team")
    jobs = [deploy_job(number) for number in (*LABELLED, *OTHERS)]
    with pytest.MonkeyPatch.context() as patch, SampleGitHub(world(run(1, [attempt(1, jobs)]))) as server:
        patch.setenv("CI_METRICS_HOME", str(home))
        patch.chdir(home)
        settings = sample_settings(load_settings({"CI_METRICS_HOME": str(home)}), server.api_url, server.world.repos)
        with open_instance(settings) as instance:
            assert run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True).success
        before, _ = types(settings)
        for number in LABELLED:
            run_command("label", str(job_id(number)), MEANT)
        dry = json.loads(run_command("learn", "--dry-run", "--json"))
        by_dry_run = LearnedWeights(HoursPart(settings).store.root).note() is not None
        with open_instance(settings) as instance:
            job_def = build_definitions(settings=settings).resolve_job_def("learn_from_verdicts")
            result = job_def.execute_in_process(instance=instance, raise_on_error=True)
        stale = json.loads(run_command("stale", "--json"))
        run_command("reclassify")
        after, sources = types(settings)
        yield Team(settings, before, dry, by_dry_run, result, stale, after, sources)


def run_command(*words: str) -> str:
    """What a command prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert build_app()(list(words), result_action="return_value") == 0
    return printed.getvalue()


def test_thirty_labels_mend_the_others_of_their_kind_through_history(team: Team) -> None:
    unlabelled = [job_id(number) for number in OTHERS]
    assert MEANT not in {team.before[each] for each in unlabelled}
    mended = [each for each in unlabelled if team.after[each] == MEANT]
    assert len(mended) >= 0.9 * len(unlabelled)
    assert {team.sources[each] for each in unlabelled} == {"rules"}
    assert {team.sources[job_id(number)] for number in LABELLED} == {"human"}


def test_they_harm_nothing_else(team: Team, ingested: Ingested) -> None:
    """Of the sample day's 230 failures at most eight get another verdict, and none that was
    right and no toss-up gets a wrong one.
    """
    with open_parts(team.settings) as ci:
        here, shipped = ci.judge.classifier, Classifier(ci.judge.taxonomy)
    assert here.version != shipped.version
    truth = {each.key: each for each in ingested.truth}
    moved: Counter[tuple[object, ...]] = Counter()
    judged = 0
    for hour in ingested.parts.hours.store.hours():
        jobs = {
            (each.job_id, each.run_attempt): each
            for each in ingested.parts.hours.store.read("workflow_jobs", hour, Job)
        }
        for row in ingested.parts.hours.store.read("extracted_errors", hour, JobExtraction):
            if row.key not in truth or not row.extraction.errors:
                continue
            judged += 1
            root = row.extraction.errors[0]
            old, new = (each.judge(row.extraction, root, jobs[row.key]) for each in (shipped, here))
            if (old.state, old.error_type) != (new.state, new.error_type):
                true = truth[row.key].category or truth[row.key].state
                moved[
                    truth[row.key].slug,
                    old.error_type or old.state,
                    round(old.confidence, 2),
                    new.error_type or new.state,
                    true,
                ] += 1
                if (old.error_type or old.state) == true:
                    assert old.confidence < TOSS_UP, truth[row.key]
    assert judged > 200
    assert moved.total() <= 8, moved


def test_a_dry_run_prints_the_figures_and_what_would_change_and_keeps_nothing(team: Team) -> None:
    assert not team.learned_by_dry_run
    assert team.dry["takes_over"] is True
    assert team.dry["by_source"] == {"human": team.dry["verdicts"], "model": 0}
    assert team.dry["before"]["accuracy"] < 0.5 < team.dry["after"]["accuracy"]
    assert {each["after"] for each in team.dry["changed"]} == {MEANT}


def test_dagster_shows_the_figures_before_and_after_and_the_check(team: Team) -> None:
    [event] = team.result.asset_materializations_for_node("embedded_model")
    shown: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    assert shown["takes_over"] is True
    assert shown["weights"] == team.dry["weights"]
    assert shown["own_accuracy_before"] < shown["own_accuracy_after"]
    assert shown["shipped_accuracy_after"] >= shown["shipped_accuracy_before"] - 0.005
    assert {"shipped_calibration_error_before", "shipped_calibration_error_after"} <= set(shown)
    assert MEANT.replace("_", "\\_") in str(shown["verdicts_by_category"])
    assert "human" in str(shown["verdicts_by_source"])
    [check] = team.result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("new_weights_hold", True)


def test_hours_judged_by_other_weights_are_stale(team: Team) -> None:
    assert [(each["stage"], each["first"]) for each in team.stale] == [("classifier", HOUR)]
    with open_parts(team.settings) as ci:
        judged = ci.hours.store.state(HOUR).assets["classifications"]
        assert judged.version == ci.judge.classifier_version == team.stale[0]["in_force"]


def test_while_a_model_is_asked_new_weights_do_not_make_it_be_paid_again(team: Team) -> None:
    asking = team.settings.model_copy(update={"anthropic_api_key": "k"})
    forgotten = asking.model_copy(update={"learn_from_verdicts": False})
    with open_parts(asking) as learned, open_parts(forgotten) as shipped:
        assert learned.judge.classifier.version != shipped.judge.classifier.version
        assert learned.judge.classifier_version == shipped.judge.classifier_version


def test_switched_off_the_shipped_weights_judge_and_nothing_is_learned(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = team.settings.model_copy(update={"learn_from_verdicts": False})
    with open_parts(off) as ci:
        assert ci.judge.classifier.version == Classifier(ci.judge.taxonomy).version
    monkeypatch.setenv("LEARN_FROM_VERDICTS", "false")
    with pytest.raises(SettingsError, match="LEARN_FROM_VERDICTS: false, so that nothing is learned"):
        run_command("learn")


def test_damaged_or_outdated_weights_leave_the_shipped_ones_in_force(team: Team, tmp_path: Path) -> None:
    copytree(str(HoursPart(team.settings).store.root / "learned"), tmp_path / "learned")
    kept = LearnedWeights(UPath(tmp_path))
    note = kept.note()
    assert note is not None
    file = tmp_path / "learned" / f"{note.version}.tsv"
    text = file.read_text()
    assert kept.model() is not None
    kept.keep(text, replace(note, base="of another version of the package"))
    assert kept.model() is None
    kept.keep(text.replace("0", "1"), note)
    assert kept.model() is None
    (tmp_path / "learned" / "in_force.json").write_text("{")
    assert kept.note() is None
    assert kept.model() is None


def test_a_sure_models_verdict_is_learned_from_but_of_no_strangers_log_and_a_persons_on_the_same_failure_before_it(
    team: Team, tmp_path: Path
) -> None:
    copytree(team.settings.ci_metrics_home, tmp_path / "home")
    settings = team.settings.model_copy(update={"ci_metrics_home": tmp_path / "home"})
    with open_parts(settings) as ci:
        rows = ci.hours.store.read("classifications", HOUR, JobVerdicts)
        sure = {row.job_id: 0.9 if row.job_id % 2 else 0.5 for row in rows}
        answer: dict[str, Any] = {"source": "model", "model": "m", "error_type": "timeout"}
        forked = next(job_id(number) for number in OTHERS if job_id(number) % 2)
        said = []
        for row in rows:
            origin = "acme/basket from mallory/basket" if row.job_id == forked else "acme/basket"
            root = replace(row.judged[0].verdict, **answer, confidence=sure[row.job_id], origin=origin)
            said.append(replace(row, judged=(replace(row.judged[0], verdict=root), *row.judged[1:])))
        ci.hours.store.write("classifications", HOUR, said, JobVerdicts, {})
        found = team_verdicts(ci.hours, ci.judge).said
    by_person = [each for each in found if each.by_person]
    by_model = [each for each in found if not each.by_person]
    assert len(by_person) == len(LABELLED)
    assert {each.category for each in by_person} == {MEANT}
    assert len(by_model) == len(OTHERS) / 2 - 1  # those that it was sure of, without the fork's
    assert {(each.category, each.at) for each in by_model} == {("timeout", START.replace(tzinfo=UTC))}


def test_the_weekly_schedule_asks_for_learning_and_skips_where_it_is_off(tmp_path: Path) -> None:
    given = {
        "CI_METRICS_HOME": str(tmp_path),
        "REPO": "o/r",
        "GITHUB_TOKEN": "t",
        "ENABLE_ERROR_CLASSIFICATION": "true",
    }
    asked = {}
    for word in ("true", "false"):
        settings = load_settings({**given, "LEARN_FROM_VERDICTS": word})
        built = build_definitions(settings=settings)
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_schedule_context(
                instance=instance,
                scheduled_execution_time=datetime(2026, 3, 9, 3, tzinfo=UTC),
                repository_def=built.get_repository_def(),
                resources=built.get_repository_def().get_top_level_resources(),
            ) as context,
        ):
            asked[word] = len(built.resolve_schedule_def("weekly").evaluate_tick(context).run_requests or [])
    assert asked == {"true": 1, "false": 0}


def test_forgetting_puts_the_shipped_weights_in_force(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last test here: it takes back what the others look at."""
    monkeypatch.setenv("CI_METRICS_HOME", str(team.settings.ci_metrics_home))
    with open_parts(team.settings) as ci:
        assert ci.judge.classifier.version != Classifier(ci.judge.taxonomy).version
    assert "The shipped weights judge again" in run_command("learn", "--forget")
    assert "judge already" in run_command("learn", "--forget")
    with open_parts(team.settings) as ci:
        assert ci.judge.classifier.version == Classifier(ci.judge.taxonomy).version
