"""What an operator is told: one record, in words, exit codes and Prometheus' form;
doctor names what is set aside.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from ci_metrics.commands.doctor import look
from ci_metrics.commands.health import EXIT, health, health_lines
from ci_metrics.commands.metrics import as_text, metrics, serve_metrics
from ci_metrics.errors import SettingsError
from ci_metrics.index.validation import write_error
from ci_metrics.orchestration.health import Health, health_of
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.storage.hour_states import HourStates
from ci_metrics.orchestration.storage.hours import AssetRecord, HourState, RepoRecord, SetAside
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.orchestration.home_0_1 import HOUR, home_of_0_1

SEEN = datetime(2026, 3, 2, 11, 30, tzinfo=UTC)
REAL = load_settings({"REPO": "a/b", "GITHUB_TOKEN": "t"})


def finished(**records: AssetRecord) -> HourState:
    names = ("workflow_runs", "indexed_documents", "failure_history")
    return HourState(assets={**{name: AssetRecord(seen=SEEN) for name in names}, **records})


def failing(tries: int, why: str = "502") -> AssetRecord:
    part = RepoRecord(seen=SEEN, set_aside={"run 5": SetAside(why=why, tries=tries)})
    return AssetRecord(seen=SEEN, repos={"a/b": part})


def refused(count: int) -> AssetRecord:
    why = str(write_error("https://index", [(str(n), "too large") for n in range(count)]))
    return AssetRecord(seen=SEEN, failed=SetAside(why=why))


def seen(root: Path, states: Mapping[str, HourState], now: datetime = SEEN, **more: Any) -> Health:
    store = HourStore(root)
    for hour, state in states.items():
        HourStates(store.root).write(hour, state, HourState())
    return health_of(REAL, store, None, now, **more)


@pytest.mark.parametrize(
    ("states", "level", "expected"),
    [
        ({"2026-03-02T10": finished()}, "well", {"behind": 0}),
        ({"2026-03-02T08": finished()}, "under way", {"behind": 2}),
        ({"2026-03-02T03": finished()}, "needs a person", {"behind": 7}),
        ({"2025-12-02T03": finished()}, "needs a person", {"behind": 2167}),  # older than what is swept
        ({"2026-03-02T08": finished(), "2026-03-02T10": finished()}, "under way", {"missing": ["2026-03-02T09"]}),
        ({"2026-03-02T10": HourState(assets={"workflow_runs": AssetRecord(seen=SEEN)})}, "under way", {}),
        (
            {"2026-03-02T10": finished(classifications=AssetRecord(seen=SEEN, open=4))},
            "under way",
            {"open_verdicts": 4},
        ),
        ({"2026-03-02T10": finished(workflow_jobs=failing(2))}, "under way", {"unfinished": ["2026-03-02T10"]}),
        ({"2026-03-02T10": finished(workflow_jobs=failing(3))}, "needs a person", {"documents_refused": 0}),
        ({"2026-03-02T10": finished(indexed_documents=refused(1))}, "needs a person", {"documents_refused": 1}),
        ({"2026-03-02T10": finished(indexed_documents=refused(25))}, "needs a person", {"documents_refused": 25}),
        ({}, "needs a person", {"hours": 0, "newest": ""}),
    ],
)
def test_the_level_says_whether_a_person_is_needed(
    states: dict[str, HourState], level: str, expected: dict[str, object], tmp_path: Path
) -> None:
    found = seen(tmp_path, states)
    assert (found.level, bool(found.reasons)) == (level, level == "needs a person")
    assert {name: getattr(found, name) for name in expected} == expected


GOING = AssetRecord(seen=SEEN, repos={"a/b": RepoRecord(seen=SEEN, unfinished=1)})


@pytest.mark.parametrize(
    ("sample", "more", "level", "said"),
    [
        (False, {}, "under way", "unfinished: 1 hour (2026-03-02T10): it waits only for runs that are still going"),
        (True, {}, "well", "still going, which the sample's never end: its clock stands still"),
        (True, {"classifications": AssetRecord(seen=SEEN, open=1)}, "under way", "unfinished: 1 hour (2026-03-02T10)"),
        (True, {"workflow_jobs": failing(1)}, "under way", "unfinished: 1 hour (2026-03-02T10)"),
    ],
)
def test_runs_that_are_still_going_are_named_and_waited_for_but_in_the_sample_whose_clock_stands_still(
    sample: bool, more: dict[str, AssetRecord], level: str, said: str, tmp_path: Path
) -> None:
    found = replace(seen(tmp_path, {"2026-03-02T10": finished(workflow_runs=GOING, **more)}), sample=sample)
    assert (found.level, found.unfinished) == (level, ["2026-03-02T10"])
    (line,) = [line for line in health_lines(found) if line.startswith("unfinished")]
    assert line.endswith(said)


def test_what_cannot_be_asked_needs_a_person(tmp_path: Path) -> None:
    assert seen(tmp_path, {"2026-03-02T10": finished()}, problems=["GitHub: no answer"]).reasons == [
        "GitHub: no answer"
    ]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("REPO", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CI_METRICS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    settings = home_of_0_1(tmp_path)
    HoursPart(settings).store.states()
    return settings


def fail(settings: Settings, record: AssetRecord) -> None:
    states = HourStates(HoursPart(settings).store.root)
    before = states.read(HOUR)
    states.write(HOUR, before.having("workflow_jobs", replace(record, commit=before.commit("workflow_jobs"))), before)


@pytest.mark.parametrize(("tries", "level"), [(0, "well"), (1, "under way"), (3, "needs a person")])
def test_the_commands_exit_code_and_json_say_the_level_and_what_is_set_aside(
    tries: int, level: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    if tries:
        fail(settings, failing(tries, "TransientError: 502"))
    assert health(json_=True) == EXIT[level]  # type: ignore[index]
    told = json.loads(capsys.readouterr().out)
    assert (told["level"], told["hours"], told["documents"]) == (level, 1, 27)
    assert told["verdicts"] == {"rules": 3}
    assert len(told["set_aside"]) == bool(tries)
    assert health() == EXIT[level]  # type: ignore[index]
    said = capsys.readouterr().out
    assert level in said
    assert ("hour 2026-03-02T09, workflow_jobs a/b run 5: TransientError: 502 (tried " in said) == bool(tries)


@pytest.mark.parametrize(("tries", "state"), [(0, "ok"), (1, "missing"), (3, "wrong")])
def test_doctor_names_what_is_set_aside(tries: int, state: str, settings: Settings) -> None:
    if tries:
        fail(settings, failing(tries, "TransientError: 502"))
    found = [each for each in look() if each.part == "set aside"]
    assert [each.state for each in found] == [state]
    assert ("a/b run 5: TransientError: 502" in found[0].says) == bool(tries)


def test_doctor_says_that_others_may_read_the_home(settings: Settings) -> None:
    assert not [each for each in look() if each.part == "CI_METRICS_HOME"]
    settings.ci_metrics_home.chmod(0o755)
    assert "chmod 700" in next(each.says for each in look() if each.part == "CI_METRICS_HOME")


def test_every_figure_is_a_sample_of_a_described_gauge(tmp_path: Path) -> None:
    states = {
        "2026-03-02T08": finished(workflow_jobs=failing(3)),
        "2026-03-02T10": finished(indexed_documents=refused(2)),
    }
    found = replace(seen(tmp_path, states, quota=(4_000, 5_000)), verdicts={"rules": 3, 'a"\n\\': 1}, usd_last_day=0.25)
    lines = as_text(found).splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    for line in samples:
        assert re.fullmatch(r'ci_metrics_[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"\})? [0-9.e+-]+', line)
    described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {re.split(r"[{ ]", line)[0] for line in samples} <= described
    assert {
        "ci_metrics_healthy 0",
        "ci_metrics_hours_missing 1",
        'ci_metrics_set_aside{asset="workflow_jobs"} 1',
        "ci_metrics_documents_refused 2",
        "ci_metrics_github_requests_left 4000",
        "ci_metrics_model_usd_last_day 0.25",
        'ci_metrics_verdicts{source="a\\"\\n\\\\"} 1',
    } <= set(samples)


def test_the_figures_are_served_on_this_machine(settings: Settings) -> None:
    ports: Queue[int] = Queue()
    threading.Thread(target=serve_metrics, args=(0, ports.put), daemon=True).start()
    at = f"http://127.0.0.1:{ports.get(timeout=30)}"
    answer = httpx.get(f"{at}/metrics", trust_env=False, timeout=30)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "ci_metrics_hours_stored 1\n" in answer.text
    assert httpx.get(f"{at}/other", trust_env=False, timeout=30).status_code == 404


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "example.org:9464", "::1", "port", "70000", "127.0.0.1:"])
def test_an_address_that_others_could_ask_is_refused(listen: str) -> None:
    with pytest.raises(SettingsError, match="--listen"):
        metrics(listen=listen)
