"""explain, label, reclassify and stale over hours that the real chain has
ingested from the sample GitHub.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_metrics.cli import build_app
from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import serve_sample
from ci_metrics.commands.ui_address import address_of, told_address
from ci_metrics.errors import CiMetricsError, ContractError, NotFoundError, SettingsError
from ci_metrics.history.history_pass import run_history_pass
from ci_metrics.index.document_index import Body, Document, Where
from ci_metrics.orchestration.assets.failure_history import follow_hour
from ci_metrics.orchestration.assets.indexed_documents import index_hour
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import HOUR as HOUR_LONG
from ci_metrics.orchestration.partitions import hour_start
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.orchestration.storage.rows import IndexedDocument
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.history.history_documents import job

#: An hour of the sample day in which a test fails that passes when it is run again.
HOUR = "2026-03-02T13"

#: An hour that is not ingested.
ABSENT = "2026-03-02T05"


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one hour of the sample, as the chain leaves it, and the same flaky failure in
    an hour whose files are elsewhere.
    """
    home = tmp_path_factory.mktemp("ingested")
    with serve_sample(load_settings({"CI_METRICS_HOME": str(home)})) as (settings, _, _):
        with open_instance(settings) as instance:
            assert run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True).success
        with open_parts(settings) as ci:
            run_history_pass(ci.index.documents, HOUR)
            suspects = ci.index.documents.scan("jobs", Where(equals={"b_flaky_suspected": True}))
            suspect = min(suspects, key=lambda document: document.id).body
            like_it = {"fingerprint": suspect["s_error_fingerprint"], "group": suspect["s_error_group"]}
            ci.index.documents.upsert(
                [
                    job(9, at=60, hour="2026-03-02T06", s_error_domain="code", **like_it),
                    job(9, attempt=2, at=70, hour="2026-03-02T06", status="success"),
                ]
            )
            run_history_pass(ci.index.documents, "2026-03-02T06")
    return home


@pytest.fixture
def home(ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which the commands find by the environment."""
    copy = tmp_path / "home"
    shutil.copytree(ingested, copy)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CI_METRICS_HOME", str(copy))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    return copy


@pytest.fixture
def ci(home: Path) -> Iterator[Parts]:
    with open_parts(load_settings()) as parts:
        yield parts


def cli(*arguments: str) -> int:
    result = build_app()(list(arguments), result_action="return_value")
    return result if isinstance(result, int) else 0


def failed(ci: Parts, **equals: str | bool) -> list[Document]:
    where = Where(equals={"s_error_state": "classified", **equals}, exists=("s_error_fingerprint",))
    return [d for d in ci.index.documents.scan("jobs", where) if not d.body.get("b_error_generic")]


def flaky(ci: Parts) -> Document:
    """The flaky failure of the ingested hour."""
    (document,) = failed(ci, s_error_type="flaky_test", b_flaky_confirmed=True, s_partition=HOUR)
    return document


def body(ci: Parts, id_: str) -> Body:
    return ci.index.documents.get("jobs", [id_])[id_]


def test_explain_shows_the_quoted_line_in_its_log_and_the_way_to_dagster(
    ci: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    document = flaky(ci)
    assert cli("explain", document.body["s_job_id"]) == 0
    shown = capsys.readouterr().out
    quoted = document.body["s_error_evidence"].split("\n")[0]
    assert f"> {document.body['l_error_line']} │ {quoted}" in shown
    assert "flaky_test" in shown and "the log alone" in shown and "Confirmed: a later attempt passed" in shown
    assert "A hint, not a finding" in shown
    assert f"/runs/{document.body['s_dagster_run_id']}" in shown
    assert f"partition={document.body['s_partition']}" in shown


def test_explain_links_to_dagster_at_the_port_that_ui_serves_it_on(
    ci: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    document = flaky(ci)

    def linked() -> str:
        assert cli("explain", document.id, "--json") == 0
        return str(json.loads(capsys.readouterr().out)["links"]["dagster_run"])

    with told_address(load_settings(), address_of("0.0.0.0", 3457)):
        assert linked().startswith("http://127.0.0.1:3457/runs/")
    assert linked().startswith("http://127.0.0.1:3000/runs/")


def test_explain_in_json_says_the_same(ci: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    document = flaky(ci)
    assert cli("explain", document.id, "--json", "--dagster", "https://dagster.corp/") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["document"], row["error_type"], row["in_index"]) == (document.id, "flaky_test", True)
    assert row["flaky"]["confirmed"] is True
    proof = {q["line"]: q["text"] for q in row["quotes"] if q["proves"]}
    assert document.body["l_error_line"] in proof
    assert sorted(proof.values()) == sorted(document.body["s_error_evidence"].split("\n"))
    assert len(row["quotes"]) > 5
    assert row["why"]["rule"] and row["why"]["extractor_version"]
    assert row["links"]["dagster_run"].startswith("https://dagster.corp/runs/")


def test_explain_why_reads_the_stored_log_again_and_tells_what_weighed(
    ci: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    document = next(d for d in failed(ci, s_partition=HOUR) if d.body.get("l_error_line"))
    assert cli("explain", document.id, "--why", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    best, *rest = row["why"]["lines"]
    assert (best["line"], best["heads"]) == (document.body["l_error_line"], 1)
    assert rest and row["why"]["decision"]["category"] == row["error_type"] and row["why"]["source"] == "rules"
    assert "account" not in row
    assert cli("explain", document.id, "--why") == 0
    shown = capsys.readouterr().out
    assert "Which line names the failure" in shown and "Which category, by the embedded classifier" in shown
    assert cli("explain", document.id) == 0
    assert "Which line names the failure" not in capsys.readouterr().out


def test_messages_of_ones_own_make_the_hours_of_before_stale_in_both_stages_and_decide_when_they_are_read_again(
    ci: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = next(d for d in failed(ci, s_partition=HOUR) if d.body["s_error_type"] == "compilation_error")
    quoted = str(document.body["s_error_evidence"]).split("\n")[0].strip()
    telling = max(re.findall(r"[A-Za-z]+(?: [A-Za-z]+)*", quoted), key=len)
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "a.toml").write_text(
        f'family = "a"\n[[message]]\nid = "a-message"\nform = "{telling}"\nfires = ["{telling}"]\n'
        'category = "compilation_error"\nweight = 9\nheadline = "Ours"\n'
    )
    monkeypatch.setenv("CATALOGUE_DIR", str(folder))
    assert cli("stale", "--json") == 0
    assert {each["stage"] for each in json.loads(capsys.readouterr().out)} == {"extractor", "classifier"}
    assert cli("reclassify", "--read-again", "--json") == 0
    capsys.readouterr()
    assert cli("stale", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    now = body(ci, document.id)
    assert not document.body["s_error_summary"].startswith("Ours") and now["s_error_summary"] == f"Ours: “{quoted}”"
    assert now["f_error_confidence"] > document.body["f_error_confidence"]


def test_explain_without_the_hours_files_says_so(ci: Parts, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = flaky(ci)
    shutil.rmtree(home / "sample" / "hours")
    assert cli("explain", document.id) == 0
    assert f"the files of hour {document.body['s_partition']} are not here" in capsys.readouterr().out


def absent_job() -> tuple[str, str]:
    """The id and page of a failed job of an hour that is not ingested."""
    with serve_sample(load_settings()) as (settings, _, _), open_parts(settings) as ci:
        start = hour_start(ABSENT)
        for repo in settings.repo:
            for run in ci.github.client.runs_created(repo, start, start + HOUR_LONG):
                for found in ci.github.client.jobs(run):
                    if found.conclusion == "failure":
                        return str(found.job_id), found.html_url
    raise AssertionError(f"the sample has no failed job in {ABSENT}")


def test_a_job_never_ingested_is_fetched_judged_and_not_stored_unless_asked(
    ci: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id, page = absent_job()
    before = [list(ci.index.documents.scan(kind)) for kind in ("jobs", "verdicts")]
    assert cli("explain", page) == 0
    shown = capsys.readouterr().out
    assert "nothing was stored" in shown and "> " in shown
    assert [list(ci.index.documents.scan(kind)) for kind in ("jobs", "verdicts")] == before
    assert ABSENT not in ci.hours.store.hours()

    assert cli("explain", page, "--json", "--store") == 0
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (row["in_index"], row["job_id"], row["partition"]) == (True, job_id, ABSENT)
    assert list(ci.index.documents.scan("jobs", Where(equals={"s_job_id": job_id})))


def test_a_job_that_exists_nowhere_is_said_to(home: Path) -> None:
    with pytest.raises(NotFoundError, match=r"neither in .* nor at"):
        cli("explain", "https://github.example/sample-org/widgets/actions/runs/1/job/1")
    with pytest.raises(SettingsError, match="does not say of which repository"):
        cli("explain", "1")


def everything(ci: Parts) -> dict[str, Body]:
    """All jobs' and steps' documents, but for who wrote them."""
    ci.index.documents.refresh()
    return {
        d.id: {name: value for name, value in d.body.items() if name != "s_dagster_run_id"}
        for kind in ("jobs", "steps")
        for d in ci.index.documents.scan(kind)
    }


@pytest.mark.parametrize("how", [(), ("--all-like-it",)])
def test_a_label_wins_over_a_later_reclassification_and_can_be_withdrawn(
    how: tuple[str, ...],
    ci: Parts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = everything(ci)
    one, other = flaky(ci), job(9).id
    assert cli("label", one.id, "timeout", "--note", "Slow disk.", *how) == 0
    assert "Labelled timeout" in capsys.readouterr().out
    types = {True: ("timeout", "timeout"), False: ("timeout", "flaky_test")}[bool(how)]
    assert (body(ci, one.id)["s_error_type"], body(ci, other)["s_error_type"]) == types

    change_the_taxonomy(tmp_path, monkeypatch)
    assert cli("reclassify") == 0
    redone = body(ci, one.id)
    assert redone["s_classifier_version"] != one.body["s_classifier_version"]
    assert (redone["s_error_type"], redone["s_error_source"], redone["s_error_summary"]) == (
        "timeout",
        "human",
        "Slow disk.",
    )

    monkeypatch.delenv("TAXONOMY_FILE")
    assert cli("label", one.id, "--withdraw", *how) == 0
    assert cli("reclassify") == 0
    follow_hour(ci.hours, ci.index.documents, ci.judge.taxonomy, HOUR)
    assert everything(ci) == before
    assert "Withdrawn" in capsys.readouterr().out


def test_a_label_survives_the_loss_of_the_index_and_reads_as_the_persons_in_the_run(ci: Parts, home: Path) -> None:
    one = flaky(ci)
    assert cli("label", one.id, "timeout", "--note", "Slow disk.") == 0
    labelled = everything(ci)
    for file in (home / "sample").glob("index.sqlite*"):
        file.unlink()
    settings = load_settings()
    with serve_sample(settings) as (sample, _, _), open_instance(sample) as instance:
        assert run_hours(sample, instance, INGEST, HOUR, HOUR, quiet=True).success
    with open_parts(settings) as again:
        assert again.index.documents.get("verdicts", [f"{one.id}-human"])
        now = everything(again)
    assert (now[one.id]["s_error_type"], now[one.id]["s_error_source"]) == ("timeout", "human")
    weeks = {"b_flaky_confirmed": True, "b_error_background": False}
    assert now[one.id] | weeks == labelled[one.id], (
        "but for what another hour confirmed, and the passing runs of two weeks"
    )


def test_a_documents_flags_of_its_own_hour_are_there_before_history_is_asked(ci: Parts) -> None:
    before = everything(ci)
    one = flaky(ci)
    kept = ci.hours.store.read("indexed_documents", HOUR, IndexedDocument)
    ci.index.documents.upsert([Document("jobs", one.id, {**body(ci, one.id), "s_error_summary": "overwritten"})])
    index_hour(ci.hours, ci.index, ci.judge, HOUR, run_id="r", trusting=False)
    assert body(ci, one.id)["b_flaky_suspected"] is True
    assert ci.hours.store.read("indexed_documents", HOUR, IndexedDocument) == kept
    follow_hour(ci.hours, ci.index.documents, ci.judge.taxonomy, HOUR)
    assert everything(ci) == before


def test_what_the_judge_settled_by_a_label_alone_is_judged_again_when_it_is_withdrawn(
    ci: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(ci)
    one = flaky(ci)
    assert cli("label", one.id, "network_error", "--all-like-it") == 0
    change_the_taxonomy(tmp_path, monkeypatch)
    assert cli("reclassify") == 0  # now the stored rows say what the person said
    monkeypatch.delenv("TAXONOMY_FILE")
    assert cli("reclassify") == 0
    assert "human" in {each["s_error_source"] for each in body(ci, one.id)["errors"]}
    capsys.readouterr()
    assert cli("label", one.id, "--withdraw", "--all-like-it") == 0
    assert "Withdrawn: 2 jobs" in capsys.readouterr().out
    assert everything(ci) == before


def test_where_an_hours_files_are_elsewhere_its_documents_say_what_the_machine_said(
    ci: Parts, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(ci)
    one, other = flaky(ci), job(9).id
    shutil.rmtree(home / "sample" / "hours")
    assert cli("label", one.id, "network_error", "--all-like-it", "--note", "The mirror.") == 0
    assert {body(ci, id_)["s_error_type"] for id_ in (one.id, other)} == {"network_error"}
    assert cli("label", one.id, "--withdraw", "--all-like-it") == 0
    assert everything(ci) == before
    settled = body(ci, other)
    settled["errors"] = [{**settled["errors"][0], "s_error_source": "human"}]
    ci.index.documents.upsert([Document("jobs", other, settled)])
    assert cli("label", one.id, "network_error", "--all-like-it") == 0
    capsys.readouterr()
    assert cli("label", one.id, "--withdraw", "--all-like-it") == 0
    assert "1 documents still show the withdrawn verdict" in capsys.readouterr().out


def test_a_wrong_category_is_refused_with_the_nearest(home: Path, ci: Parts) -> None:
    document = flaky(ci)
    with pytest.raises(SettingsError, match="Did you mean timeout"):
        cli("label", document.id, "timeouts")
    with pytest.raises(SettingsError, match="no category given"):
        cli("label", document.id)
    with pytest.raises(SettingsError, match="given with a TYPE"):
        cli("label", document.id, "timeout", "--withdraw")
    with pytest.raises(NotFoundError, match="job 99 is not in"):
        cli("label", "99", "timeout")


def change_the_taxonomy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bring another classifier version into force, in which assertion
    failures have another name.
    """
    file = folder / "taxonomy.toml"
    file.write_text(
        'extends = true\n[[category]]\nname = "red_tests"\ndefinition = "A test failed."\n'
        'parent = "assertion_failure"\nrules = ["test-summary", "generic", "pytest"]\n'
    )
    monkeypatch.setenv("TAXONOMY_FILE", str(file))


def test_stale_lists_the_hours_of_another_version_until_they_are_judged_again(
    ci: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("stale") == 0
    assert "Nothing is stale: all 1 stored hours" in capsys.readouterr().out
    old = ci.judge.classifier_version
    change_the_taxonomy(tmp_path, monkeypatch)
    assert cli("stale", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(r["stage"], r["first"], r["last"], r["hours"], r["version"]) for r in rows] == [
        ("classifier", HOUR, HOUR, 1, old)
    ]
    assert cli("stale") == 0
    assert f"ci-metrics reclassify --from {HOUR} --to {HOUR}" in capsys.readouterr().out
    assert cli("reclassify", "--json") == 0
    capsys.readouterr()
    assert cli("stale", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_reclassify_ends_with_what_changed_from_which_to_which(
    ci: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change_the_taxonomy(tmp_path, monkeypatch)
    assert cli("reclassify", "--json") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    moves = {(move["from"], move["to"]): move["jobs"] for move in result["changed"]}
    assert moves == {("assertion_failure", "red_tests"): result["changed_jobs"]}
    by_log = [document.body["errors"][0]["s_error_type"] for document in failed(ci, s_partition=HOUR)]
    assert by_log.count("red_tests") == result["changed_jobs"] > 0
    assert cli("reclassify") == 0  # nothing is of another version now
    assert "0 of " in capsys.readouterr().out.splitlines()[-1]


def test_a_dry_run_tells_the_price_and_does_nothing(
    ci: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(ci)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-real-key")
    assert cli("reclassify", "--dry-run", "--json", "--model", "claude-sonnet-4-6") == 0
    cost = json.loads(capsys.readouterr().out)
    assert cost["due_jobs"] == cost["failed_jobs"] > 0
    assert 0 < cost["to_ask"] <= cost["distinct_errors"]
    assert cost["tokens"] > 1_000 * cost["to_ask"]
    assert 0 < cost["usd"] < 1
    assert cli("reclassify", "--dry-run", "--model", "nobody-knows-me") == 0
    assert "The price of nobody-knows-me is not known" in capsys.readouterr().out
    assert everything(ci) == before
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    assert cli("reclassify", "--dry-run") == 0
    assert "for nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    "choice",
    [("--type", "timeout", "--type", "assertion_failure"), ("--repo", "sample-org/widgets"), ("--below", "half of them")],
    ids=" ".join,
)  # fmt: skip
def test_only_what_was_chosen_is_judged_again(
    choice: tuple[str, ...], ci: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {d.id: d.body for d in failed(ci, s_partition=HOUR)}
    version = ci.judge.classifier_version
    confidences = sorted({float(b["f_error_confidence"]) for b in old.values()})
    middle = confidences[len(confidences) // 2]
    if choice[0] == "--below":
        choice = ("--below", str(middle))
    change_the_taxonomy(tmp_path, monkeypatch)
    assert cli("reclassify", *choice) == 0
    new = {id_: body(ci, id_) for id_ in old}

    def chosen(body: Body) -> bool:
        by_log = body["errors"][0]["s_error_type"]  # history's flaky_test is no verdict on the log
        if choice[0] == "--type":
            return by_log in choice[1::2]
        if choice[0] == "--repo":
            return bool(body["s_repo"] == choice[1])
        return float(body["f_error_confidence"]) < middle

    assert {id_: b["s_classifier_version"] != version for id_, b in new.items()} == {
        id_: chosen(b) for id_, b in old.items()
    }
    assert any(chosen(b) for b in old.values()) and not all(chosen(b) for b in old.values())
    if not any("unknown" in word for word in choice):
        assert cli("stale", "--json") == 0  # what was spared keeps its hour stale


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("--from", "yesterday"), ContractError, "is not an hour"),
        (("--from", "2027-01-01T00"), ContractError, "no stored hour between 2027-01-01T00 and the end"),
        (("--from", HOUR, "--to", ABSENT), SettingsError, "Swap them"),
        (("--type", "flakey"), SettingsError, "“flakey”. Write one of dependency_error"),
        (("--below", "70"), SettingsError, "Write a confidence above 0"),
        (("--model", "claude-x"), SettingsError, "ANTHROPIC_API_KEY is not set"),
    ],
)
def test_wrong_arguments_are_one_clear_message(
    arguments: tuple[str, ...], error: type[CiMetricsError], text: str, home: Path
) -> None:
    with pytest.raises(error, match=text):
        cli("reclassify", *arguments)
