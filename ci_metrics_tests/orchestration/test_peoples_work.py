"""What people say of causes, and the file that carries their work from one place to another."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.commands.cause import cause
from ci_metrics.commands.label import label
from ci_metrics.commands.report import report
from ci_metrics.commands.top import top
from ci_metrics.errors import ContractError, NotFoundError, SettingsError
from ci_metrics.history.cause_states import CauseRecord
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.logs.fingerprint import group_of_line
from ci_metrics.orchestration.alert_job import events
from ci_metrics.orchestration.backup import make_backup, restore_backup
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.history.history_documents import job, moment

GROUP, OTHER = "g12-aaaaaaaa", "g12-bbbbbbbb"
NOW = moment(6 * 60)
RECORD = CauseRecord(group=GROUP, fingerprint="f12-aaaaaaaa", quote="it broke", changed_at=NOW)


def enter(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CI_METRICS_HOME", str(home))
    monkeypatch.chdir(home)
    with closing(EmbeddedIndex(load_settings().data_dir / "index.sqlite")) as index:
        index.upsert(
            [
                job(1, fingerprint="f12-aaaaaaaa", quote="it broke", s_failed_command="make check"),
                job(2, fingerprint="f12-bbbbbbbb", quote="no space left", at=10),
                job(3, fingerprint="f12-aaaaaaaa", quote="it broke", at=200, hour="2026-03-02T08"),
            ]
        )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose index holds three failures of two causes, and no hours."""
    (tmp_path / "one").mkdir()
    enter(tmp_path / "one", monkeypatch)
    return tmp_path / "one"


def say(**words: Any) -> None:
    """Say of the cause at once what people say one after the other, or said long ago."""
    with open_parts(load_settings()) as parts:
        parts.judge.causes.change(GROUP, lambda before: replace(before or RECORD, **words))


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def standings(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    told(capsys)
    cause("list", json=True)
    return {row["group"]: row["standing"] for row in json.loads(told(capsys))}


def listed(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    told(capsys)
    top(json=True)
    return [(row["name"], row["standing"]) for row in json.loads(told(capsys))]


def test_a_resolved_cause_that_is_seen_again_is_regressed_in_top_and_report_and_heads_both(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cause("resolve", "f12-aaaaaaaa", at="2026-03-02T06:00", note="pinned")
    cause("resolve", "f12-bbbbbbbb")
    assert listed(capsys) == [(GROUP, "regressed")]
    top()
    assert "regressed (resolved 2026-03-02 06:00)" in told(capsys)
    report(out=home / "page.html")
    page = (home / "page.html").read_text()
    assert "regressed (resolved 2026-03-02 06:00)" in page
    cause("reopen", "f12-bbbbbbbb")
    assert standings(capsys) == {GROUP: "regressed"}


def test_an_ignored_cause_leaves_the_lists_until_its_day(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cause("ignore", GROUP, until="2126-01-01")
    assert listed(capsys) == [(OTHER, "open")]
    top("groups", json=True)
    assert [row["name"] for row in json.loads(told(capsys))] == [OTHER]
    report(out=home / "page.html")
    page = (home / "page.html").read_text()
    first_screen, all_causes = page.split('id="causes"')
    assert "1 ignored for now" in first_screen and "it broke" not in first_screen
    assert "it broke" in all_causes  # no failure vanishes
    say(ignored_until=moment(24 * 60))
    assert {name for name, _ in listed(capsys)} == {GROUP, OTHER}


def test_a_list_that_is_empty_does_not_say_that_nothing_failed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for group in (GROUP, OTHER):
        cause("ignore", group, until="2126-01-01")
    for what, said in (("fixes", "open cause"), ("groups", "not ignored"), ("money", "how long a runner took")):
        told(capsys)
        top(what)  # type: ignore[arg-type]
        line = told(capsys)
        assert said in line and not line.startswith("No failure in")


def test_an_assigned_cause_says_whose_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cause("assign", GROUP, "ada <b>")
    top()
    assert "whose: ada <b>" in told(capsys)
    report(out=home / "page.html")
    page = (home / "page.html").read_text()
    assert "ada &lt;b&gt;" in page and "ada <b>" not in page
    cause("assign", GROUP)
    assert standings(capsys) == {}


def test_the_text_of_an_issue_is_printed_to_copy(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top(issue=1)
    said = told(capsys)
    assert said.startswith("CI: assertion failure: it broke\n\n")
    with pytest.raises(SettingsError, match="--issue: there is no cause of rank 3: 2 in"):
        top(issue=3)
    assert "The command that failed:\n\n```text\nmake check\n```" in said


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        (("resolve",), {}, "FINGERPRINT: no cause given"),
        (("ignore", GROUP), {}, "--until: not given"),
        (("ignore", GROUP), {"until": "some day"}, "--until"),
        (("ignore", GROUP), {"until": "2w"}, "--until: .* is past, so nothing would be ignored"),
        (("resolve", GROUP), {"at": "2126-01-01"}, "--at: 2126-01-01 00:00 is still to come"),
        (("resolve", GROUP), {"until": "2126-01-01"}, "--until: given with resolve"),
        (("resolve", GROUP, "ada"), {}, "PERSON: given with resolve"),
        (("assign", GROUP, "a" * 101), {}, "PERSON: 101 characters"),
    ],
)
def test_what_cannot_be_meant_is_one_message(
    home: Path, words: tuple[str, ...], options: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        cause(*words, **options)  # type: ignore[arg-type]


def test_a_resolved_cause_that_comes_back_is_told_once_and_an_ignored_one_is_not(home: Path) -> None:
    cause("resolve", GROUP, at="2026-03-02T06:00", note="pinned")
    cause("assign", GROUP, "ada")
    with open_parts(load_settings(), clock=lambda: NOW) as parts:
        (alert,) = events(parts.hours, None, parts.judge.causes.in_force())
        assert (alert.title, alert.quote) == ("Regressed: a resolved failure is back", "it broke")
        assert alert.facts == (
            "resolved 2026-03-02 06:00 UTC, seen again 2026-03-02 08:20 UTC", "assigned to ada", "pinned"
        )  # fmt: skip
        assert alert.key == f"regressed:{GROUP}:2026-03-02T06:00:00+00:00"
    cause("ignore", GROUP, until="2126-01-01")
    with open_parts(load_settings(), clock=lambda: NOW) as parts:
        assert list(events(parts.hours, None, parts.judge.causes.in_force())) == []
    cause("reopen", GROUP)
    with open_parts(load_settings(), clock=lambda: NOW + timedelta(days=3)) as parts:
        assert list(events(parts.hours, None, parts.judge.causes.in_force())) == []


def test_labels_and_what_was_said_of_causes_go_from_one_home_to_another_as_a_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = str(job(1, fingerprint="f12-aaaaaaaa").body["s_job_id"])
    label(one, "timeout", note="slow disk", all_like_it=True)
    cause("assign", OTHER, "ada")
    told(capsys)
    label("export")
    lines = told(capsys)
    assert [json.loads(line)["what"] for line in lines.splitlines()] == ["label", "cause"]
    file = tmp_path / "work.jsonl"
    label("export", str(file))
    assert told(capsys) == "Exported 1 label and 1 cause.\n"
    assert file.read_text() == lines
    other = tmp_path / "two"
    other.mkdir()
    enter(other, monkeypatch)
    label("import", str(file))
    assert "Imported 1 label and 1 cause (0 already there or older); 2 jobs" in told(capsys)
    with closing(EmbeddedIndex(load_settings().data_dir / "index.sqlite")) as index:
        body = next(iter(index.get("jobs", [job(1, fingerprint="f12-aaaaaaaa").id]).values()))
    assert (body["s_error_type"], body["s_error_source"], body["s_error_summary"]) == ("timeout", "human", "slow disk")
    assert standings(capsys) == {OTHER: "open"}
    label("import", str(file))
    assert "Imported 0 labels and 0 causes (2 already there or older); 0 jobs" in told(capsys)


def test_the_younger_of_two_words_wins_whichever_way_a_file_goes(home: Path, tmp_path: Path) -> None:
    cause("assign", GROUP, "ada")
    label("export", str(tmp_path / "old.jsonl"))
    row = json.loads((tmp_path / "old.jsonl").read_text())
    early = {**row, "assignee": "bob", "changed_at": "2020-01-01T00:00:00Z"}
    late = {**row, "assignee": "eve", "changed_at": "2126-01-01T00:00:00Z"}
    for given, kept in ((early, "ada"), (late, "eve")):
        (tmp_path / "new.jsonl").write_text(json.dumps(given) + "\n")
        label("import", str(tmp_path / "new.jsonl"))
        with open_parts(load_settings()) as parts:
            assert [record.assignee for record in parts.judge.causes.records()] == [kept]


def test_a_file_with_bad_lines_names_each_and_imports_nothing(home: Path, tmp_path: Path) -> None:
    good = {
        "what": "cause",
        "group": GROUP,
        "fingerprint": "f",
        "quote": "q",
        "changed_at": "2026-03-02T05:00:00Z",
        "assignee": "a",
    }
    verdict = {
        "what": "label", "id": "f12-a-human", "s_error_type": "timeout", "@timestamp": "2026-03-02T05:00:00Z",
        "s_error_fingerprint": "f12-a", "s_error_source": "human",
    }  # fmt: skip
    bad = {
        "{": "is not JSON",
        "[]": "is no JSON object",
        json.dumps({"what": "else"}): "“what” is 'else'",
        json.dumps({**good, "group": "g/../../x"}): "not a group's id",
        json.dumps({**good, "changed_at": "soon"}): "“changed_at”",
        json.dumps({**verdict, "id": "../x-human"}): "not a label's key",
        json.dumps({**verdict, "s_error_type": "odd"}): "“odd” is no category",
        json.dumps({**verdict, "s_error_source": "rules"}): "no person's verdict",
        json.dumps({**verdict, "s_mood": "odd"}): r"unknown field \[s_mood\]",
        json.dumps({**verdict, "@timestamp": "soon"}): "@timestamp",
        "[" * 100_000: "is not JSON",
    }
    file = tmp_path / "bad.jsonl"
    for line, said in bad.items():
        file.write_text(f"{json.dumps(good)}\n\n{line}\n")
        with pytest.raises(ContractError, match=rf"bad\.jsonl: line 3: .*{said}.*Nothing was imported"):
            label("import", str(file))
    file.write_text("{\n" * 9)
    with pytest.raises(ContractError, match=r"line 5: .*; and 4 more\. Nothing"):
        label("import", str(file))
    with open_parts(load_settings()) as parts:
        assert (parts.judge.causes.records(), dict(parts.judge.labels.labels())) == ([], {})
    with pytest.raises(NotFoundError, match="there is no file"):
        label("import", str(tmp_path / "none.jsonl"))


def test_what_was_said_of_causes_is_in_a_backup(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cause("assign", GROUP, "ada")
    manifest = make_backup(load_settings(), tmp_path / "all.zip", datetime.now(UTC))
    assert manifest.labels == 0
    monkeypatch.setenv("CI_METRICS_HOME", str(tmp_path / "three"))
    restore_backup(load_settings(), tmp_path / "all.zip", replace=False)
    with open_parts(load_settings()) as parts:
        assert [(each.group, each.assignee) for each in parts.judge.causes.records()] == [(GROUP, "ada")]


def test_a_damaged_record_counts_no_more_and_is_named(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    cause("assign", GROUP, "ada")
    with open_parts(load_settings()) as parts:
        file = Path(str(parts.hours.store.root)) / "labels" / "causes" / f"{GROUP}.json"
        file.write_text("{")
        with caplog.at_level(logging.WARNING):
            assert parts.judge.causes.records() == []
    assert f"{GROUP}.json is damaged" in caplog.text


def test_of_what_two_people_say_at_once_nothing_is_lost(home: Path) -> None:
    words = [("assignee", "ada"), ("note", "flaky disk"), ("resolved_at", NOW), ("ignored_until", NOW)]
    say(assignee="zoe")  # a note alone says nothing of where a cause stands, and is not kept
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda word: say(**dict([word])), words))
    with open_parts(load_settings()) as parts:
        (record,) = parts.judge.causes.records()
    assert [getattr(record, name) for name, _ in words] == [said for _, said in words]


def test_a_cause_that_has_another_name_by_now_is_regressed_in_its_list_too(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = group_of_line("it broke")
    with closing(EmbeddedIndex(load_settings().data_dir / "index.sqlite")) as index:
        index.upsert(
            [job(4, fingerprint="f12-cccccccc", quote="it broke", at=300, hour="2026-03-02T09", s_error_group=name)]
        )
    say(group="g1-of-before", resolved_at=moment(210))
    assert standings(capsys) == {"g1-of-before": "regressed"}
    cause("list")
    assert "seen again" in told(capsys)


def test_a_files_lines_end_where_json_lines_end_and_its_youngest_word_wins(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = "one\u2028two\x85three\x0cfour"
    say(assignee="ada", quote=strange, note="glpat-" + "a1B2c3D4e5F6g7H8i9J0")
    told(capsys)
    label("export")
    line = told(capsys)
    old = json.dumps({**json.loads(line), "assignee": "bob", "changed_at": "2020-01-01T00:00:00Z"})
    say(assignee="")
    (tmp_path / "work.jsonl").write_text(line + old + "\n", encoding="utf-8")
    label("import", str(tmp_path / "work.jsonl"))
    with open_parts(load_settings()) as parts:
        (record,) = parts.judge.causes.records()
    assert (record.assignee, record.quote) == ("ada", strange)
    assert "a1B2c3" not in record.note
