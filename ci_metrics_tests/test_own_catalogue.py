"""A team's own messages: one entry in one file, checked at start, versioned, shown
by `evaluate --catalogue`.
"""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from ci_metrics.catalogue import catalogue_in_force, load_catalogue
from ci_metrics.classifier.taxonomy import default_taxonomy
from ci_metrics.commands.classify_files import classify
from ci_metrics.commands.doctor import doctor
from ci_metrics.commands.evaluate import evaluate
from ci_metrics.commands.extract_files import extract
from ci_metrics.definitions import build_definitions
from ci_metrics.errors import SettingsError
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.settings import Settings, load_settings

STAMP = "2026-01-01T10:00:00.1234567Z "
#: A tool of nobody's, which calls nothing an error.
PANEL = "PNL204 front panel 3: 12.4 V outside 11.5..12.2"
ENTRY = r"""
family = "panelcheck"

[[message]]
id = "panelcheck-limit"
form = '^PNL\d{3} '
category = "CATEGORY"
weight = 8
headline = "A panel is out of its limits"
fires = ["PNL204 front panel 3: 12.4 V outside 11.5..12.2"]
silent = ["PNLX"]
"""
#: What stands below it, louder than it.
LOUDER = {
    "nothing": ["writing report.csv"],
    "an error's word": ["Error: run failed, see report.csv", "make: *** [Makefile:12: panels] Error 3"],
    "a package manager's": ["npm ERR! code ELIFECYCLE", "npm ERR! errno 3"],
    "a trace": ["Traceback (most recent call last):", '  File "run.py", line 3, in <module>', "SystemExit: 3 failed"],
}
CATEGORIES = [name for name in default_taxonomy().names if name != "flaky_test"]  # which a log alone cannot show


def log_of(*below: str) -> str:
    lines = [
        "##[group]Run ./bench.sh panels",
        "./bench.sh panels",
        "shell: /usr/bin/bash -e {0}",
        "##[endgroup]",
        "reading panel 2 ... 11.9 V",
        PANEL,
        "reading panel 4 ... 12.1 V",
        *below,
        "##[error]Process completed with exit code 3.",
    ]
    return "".join(f"{STAMP}{line}\n" for line in lines)


def folder_of(tmp_path: Path, text: str = ENTRY, category: str = "timeout") -> Path:
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "panelcheck.toml").write_text(text.replace("CATEGORY", category))
    return folder


@pytest.fixture(autouse=True)
def _no_settings_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CI_METRICS_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("below", list(LOUDER.values()), ids=list(LOUDER))
@pytest.mark.parametrize("category", CATEGORIES)
def test_one_entry_in_one_file_makes_an_unknown_tools_message_a_verdict_headed_by_its_line(
    category: str,
    below: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.log").write_text(log_of(*below))
    monkeypatch.setenv("CATALOGUE_DIR", str(folder_of(tmp_path, category=category)))
    extract("a.log", json_lines=True)
    classify("a.log", json_lines=True)
    extracted, verdict = map(json.loads, capsys.readouterr().out.splitlines())
    assert (extracted["errors"][0]["line"], extracted["errors"][0]["headline"]) == (6, PANEL)
    assert (verdict["error_type"], verdict["decided_by"]) == (category, "panelcheck-limit")
    assert verdict["summary"] == f"A panel is out of its limits: “{PANEL}”"
    assert verdict["evidence"][0] == {"line": 6, "text": PANEL}


def test_the_entry_that_the_documents_show_does_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = (Path(__file__).parents[1] / "docs/extending.md").read_text().partition("## A message\n")[2]
    lines = [line.strip() for line in shown.splitlines() if line.startswith("    ")]
    entry = lines[: next(n for n, line in enumerate(lines) if line.startswith("silent")) + 1]
    assert len(entry) == 10
    (tmp_path / "a.log").write_text(log_of(*LOUDER["an error's word"]))
    monkeypatch.setenv("CATALOGUE_DIR", str(folder_of(tmp_path, "\n".join(entry))))
    classify("a.log", json_lines=True)
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["error_type"], verdict["decided_by"]) == ("assertion_failure", "panelcheck-limit")
    assert verdict["evidence"][0]["line"] == 6


def test_without_the_entry_the_same_log_says_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.log").write_text(log_of(*LOUDER["an error's word"]))
    classify("a.log", json_lines=True)
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["error_type"] is None and verdict["evidence"][0]["line"] != 6


def test_an_entry_with_the_id_of_a_shipped_one_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "error: linker `cc` not found"
    text = ENTRY.replace("panelcheck-limit", "generic-error-start").replace(r"^PNL\d{3} ", "^error: linker")
    text = text.replace(f'["{PANEL}"]', f"['{line}']")
    (tmp_path / "a.log").write_text(log_of().replace(PANEL, line))
    folder = folder_of(tmp_path, text, "resource_exhaustion")
    monkeypatch.setenv("CATALOGUE_DIR", str(folder))
    classify("a.log", json_lines=True)
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["error_type"], verdict["decided_by"]) == ("resource_exhaustion", "generic-error-start")
    assert len(catalogue_in_force(folder).messages) == len(load_catalogue().messages)


def test_a_category_of_ones_own_claims_an_entry_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.log").write_text(log_of())
    (tmp_path / "taxonomy.toml").write_text(
        'extends = true\n[[category]]\nname = "hardware"\ndefinition = "A board."\nparent = "infrastructure_error"\n'
        'rules = ["panelcheck-limit"]\n'
    )
    monkeypatch.setenv("TAXONOMY_FILE", "taxonomy.toml")
    monkeypatch.setenv("CATALOGUE_DIR", str(folder_of(tmp_path, category="infrastructure_error")))
    classify("a.log", json_lines=True)
    assert json.loads(capsys.readouterr().out)["error_type"] == "hardware"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("weight = 8", "wieght = 8", "panelcheck-limit', wieght: there is no such key, did you mean weight?"),
        ("weight = 8", "weight = 80", "panelcheck-limit', weight: .* less than or equal to 10"),
        (
            "weight = 8",
            'role = "couse"',
            "panelcheck-limit', role: is not known; allowed are cause, test, .*seen: 'couse'",
        ),
        ("CATEGORY", "time_out", "category 'time_out' is none of the ten. Write timeout; .*rules = "),
        (r"^PNL\d{3} ", r"(?<!x)PNL\d{3} ", "the engine refuses the form .* without look-around"),
        (r"^PNL\d{3} ", r"^PNL\d{4} ", "does not match its example 'PNL204 front panel"),
        (r"^PNL\d{3} ", "^PNL", "matches 'PNLX', which is to stay silent. Make the form narrower"),
        ("[[message]]", "[[message]", "panelcheck.toml: is not TOML"),
        (
            'headline = "A panel is out of its limits"\nfires',
            "silence",
            "panelcheck-limit', silence: there is no such key",
        ),
        (ENTRY[ENTRY.index("fires") :], "", "panelcheck-limit', fires: is required"),
        ("[[message]]", "[[mesage]]", "mesage: there is no such key, did you mean message?"),
    ],
)
def test_a_wrong_entry_is_refused_before_any_log_is_read_with_what_was_seen_and_what_to_do(
    right: str, wrong: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, ENTRY.replace(right, wrong))
    monkeypatch.setenv("CATALOGUE_DIR", str(folder))
    for start in (lambda: extract("none.log"), lambda: classify("none.log"), build_definitions):
        with pytest.raises(SettingsError, match=f"(?s)CATALOGUE_DIR: .*{said}"):
            start()


def test_an_id_in_two_files_and_a_folder_without_entries_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SettingsError, match=r"empty is no folder with \*\.toml"):
        catalogue_in_force(empty)
    with pytest.raises(SettingsError, match=r"CATALOGUE_DIR: no folder at nowhere\. Give a folder"):
        load_settings({"CATALOGUE_DIR": "nowhere"})
    folder = folder_of(tmp_path)
    (folder / "z.toml").write_text(ENTRY.replace("CATEGORY", "timeout"))
    with pytest.raises(SettingsError, match=r"z\.toml: the id 'panelcheck-limit' is in .*panelcheck\.toml too"):
        catalogue_in_force(folder)


def test_the_versions_in_force_follow_the_entries_and_come_back_with_them(tmp_path: Path) -> None:
    def versions(**given: str) -> tuple[object, ...]:
        settings = load_settings({"CI_METRICS_HOME": str(tmp_path), **given})
        graph = build_definitions(settings=settings).resolve_asset_graph()
        stages = [graph.get(dg.AssetKey(name)).code_version for name in ("extracted_errors", "classifications")]
        with open_parts(settings) as ci:
            assert stages == [ci.judge.extractor_version, ci.judge.classifier_version]
        return tuple(stages)

    shipped = versions()
    folder = folder_of(tmp_path)
    own = versions(CATALOGUE_DIR=str(folder))
    assert own[0] != shipped[0] and own[1] != shipped[1]
    file = folder / "panelcheck.toml"
    text = file.read_text()
    for right, wrong in (("weight = 8", "weight = 7"), ('"panelcheck"', '"panels"'), ("A panel is", "Panels are")):
        file.write_text(text.replace(right, wrong))
        assert versions(CATALOGUE_DIR=str(folder))[1] not in (own[1], shipped[1]), right
    file.write_text(text.replace('["PNLX"]', '["PNLY"]'))  # an example decides nothing
    assert versions(CATALOGUE_DIR=str(folder)) == own
    assert versions() == shipped


def test_doctor_says_which_messages_and_weights_are_in_force_or_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def findings() -> dict[str, dict[str, str]]:
        code = doctor(json_=True)
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert code == any(row["state"] == "wrong" for row in rows)
        return {row["part"]: row for row in rows}

    shipped = len(load_catalogue().messages)
    assert f"{shipped} messages, version {load_catalogue().version}, none" in findings()["catalogue"]["says"]
    folder = folder_of(tmp_path)
    monkeypatch.setenv("CATALOGUE_DIR", str(folder))
    found = findings()
    version = catalogue_in_force(folder).version
    assert f"{shipped + 1} messages, version {version}, 1 of them your own" in found["catalogue"]["says"]
    assert "the shipped weights" in found["embedded classifier"]["says"]
    (folder / "panelcheck.toml").write_text(ENTRY)
    assert findings()["catalogue"]["state"] == "wrong"


def test_evaluate_shows_by_log_what_an_entry_changes_also_where_nothing_is_labelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "panel.log").write_text(log_of(*LOUDER["an error's word"]))
    (logs / "other.log").write_text(log_of(*LOUDER["a trace"]).replace(PANEL, "reading panel 3 ... 12.0 V"))
    folder = folder_of(tmp_path)
    evaluate(logs, catalogue=folder, json_lines=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["messages"] == {"panelcheck-limit": 1}
    (change,) = shown["changed"]
    assert (change["id"], change["after"]["verdict"], change["after"]["line"]) == ("panel.log", "timeout", 6)
    assert change["before"]["line"] == 8 and change["before"]["decided_by"] != "panelcheck-limit"
    evaluate(logs, catalogue=folder)
    text = capsys.readouterr().out
    assert "1 of 2 logs change" in text and "   panelcheck-limit: 1" in text
    assert f"line 6: {PANEL}" in text and "none is labelled" in text
