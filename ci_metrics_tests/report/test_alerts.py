from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ci_metrics.commands.upload import failure_words
from ci_metrics.errors import PermanentError, TransientError
from ci_metrics.history.failures import Failure, failure_of
from ci_metrics.models import Verdict
from ci_metrics.orchestration.new_failures import HISTORY_ASSET, NewFailure
from ci_metrics.orchestration.partitions import HOUR, hour_key
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.orchestration.storage.rows import IndexedDocument, JobVerdicts, JudgedError
from ci_metrics.report.alerts import (
    Alert,
    SentAlerts,
    budget_alert,
    group_alert,
    grouped_alerts,
    silence_alert,
    slack_message,
)
from ci_metrics.report.webhook import send
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.builders import an_error
from ci_metrics_tests.history.history_documents import job
from ci_metrics_tests.orchestration.conftest import run_job, tick

NOW = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
GROUP: dict[str, Any] = {
    "hour": "2026-11-20T11", "group": "g1-x", "error_type": "network_error", "headline": "Connection reset by peer", "count": 4,
    "lost_minutes": 90.0, "repos": ("acme/shop",), "jobs": ("unit", "lint"),
}  # fmt: skip


def example(**fields: Any) -> Failure:
    """A failed job of the group, as its document with these fields has it."""
    return failure_of(job(1, fingerprint="f1-x", **{"s_html_url": "https://github.com/acme/shop/x", **fields}))


class _Room:
    """A chat room's webhook on loopback: keeps what it is told; answers with
    `statuses` first, then 200.
    """

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        room = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = room.statuses.pop(0) if room.statuses else 200
                if status == 200:
                    room.told.append(body)
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook/secret-part"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def titles(self) -> list[str]:
        return [message["blocks"][0]["text"]["text"] for message in self.told]


@pytest.fixture
def room() -> Iterator[_Room]:
    opened = _Room()
    yield opened
    opened.close()


def test_a_message_names_cause_quote_place_price_and_link() -> None:
    known = example(
        s_error_domain="code",
        s_owner=["@acme/pay"],
        s_error_path="src/pay.py",
        s_first_bad_sha="b" * 40,
        s_last_good_sha="a" * 40,
    )
    message = slack_message(group_alert("new", **GROUP, example=known))
    said = json.dumps(message, ensure_ascii=False)
    parts = ["New failure: network error", "```Connection reset by peer```", "4 jobs failed", "1.5 h lost", "acme/shop"]
    parts += ["code · owner @acme/pay (src/pay.py) · fails since bbbbbbb, passed last at aaaaaaa"]
    assert [
        part for part in [*parts, "unit, lint", "<https://github.com/acme/shop/x|Open the log>"] if part not in said
    ] == []
    assert message["text"].startswith("New failure: network error. Connection reset by peer")


def test_text_from_logs_is_inert_in_a_message() -> None:
    nasty = "<!channel> <@U123> <https://evil.example|click> ``` & \x1b[31m"
    message = slack_message(
        group_alert(
            "new",
            **{**GROUP, "headline": nasty, "jobs": (nasty,)},
            example=example(s_html_url="javascript:x", s_owner=["<!here>"], s_error_domain="code", s_error_path=nasty),
        )
    )
    marked = [block["text"]["text"] for block in message["blocks"] if block.get("text", {}).get("type") == "mrkdwn"]
    assert len(marked) == 1
    for text in (message["text"], *marked):
        assert "<" not in text
        assert "\x1b" not in text
    assert marked[0].count("```") == 2


def test_long_texts_keep_slacks_limits() -> None:
    message = slack_message(group_alert("new", **{**GROUP, "headline": "x" * 9_000, "error_type": "y" * 400}))
    assert len(message["blocks"][0]["text"]["text"]) <= 150
    assert all(len(block["text"]["text"]) <= 3_000 for block in message["blocks"] if "text" in block)


def test_an_event_has_one_key_for_ever() -> None:
    later = {**GROUP, "hour": "2026-11-20T15", "count": 9}
    assert group_alert("new", **GROUP).key == group_alert("new", **later).key
    assert group_alert("spiking", **GROUP).key == group_alert("spiking", **later).key
    assert group_alert("spiking", **GROUP).key != group_alert("spiking", **{**GROUP, "hour": "2026-11-21T11"}).key
    assert silence_alert("2026-11-20T05", 6).key != silence_alert("2026-11-20T06", 6).key
    assert budget_alert("2026-11-20T05", 3, 1.5).key == budget_alert("2026-11-20T05", 9, 1.5).key


def test_what_was_sent_is_not_sent_again_and_forgotten_after_two_months() -> None:
    alerts = [Alert("a", "A"), Alert("b", "B"), Alert("a", "A again")]
    sent = SentAlerts("")
    assert [alert.key for alert in sent.unsent(alerts)] == ["a", "b"]
    sent.note(["a"], NOW)
    again = SentAlerts(sent.text(NOW))
    assert [alert.key for alert in again.unsent(alerts)] == ["b"]
    assert SentAlerts(again.text(NOW + timedelta(days=61))).unsent(alerts[:1]) == alerts[:1]
    assert SentAlerts("not json").unsent(alerts[:1]) == alerts[:1]


def test_many_alerts_at_once_become_one_message() -> None:
    alerts = [Alert(f"k{n}", f"Title {n}", "quote") for n in range(30)]
    ((keys, message),) = grouped_alerts(alerts)
    assert len(keys) == 30
    assert "30 alerts" in message["text"]
    assert "and 10 more" in json.dumps(message)
    assert len(grouped_alerts(alerts[:5])) == 5


def test_a_webhook_is_tried_again_and_its_address_stays_secret(room: _Room) -> None:
    room.statuses = [503, 500]
    send(room.url, {"text": "a"})
    assert room.told == [{"text": "a"}]
    room.statuses = [500] * 9
    with pytest.raises(TransientError) as busy:
        send(room.url, {"text": "b"})
    room.statuses = [404]
    with pytest.raises(PermanentError, match="ALERT_WEBHOOK_URL") as refused:
        send(room.url, {"text": "c"})
    with pytest.raises(TransientError) as gone:
        send("http://127.0.0.1:1/secret-part", {"text": "d"})
    assert not [error for error in (busy, refused, gone) if "secret-part" in str(error.value)]


@pytest.fixture
def place(room: _Room, tmp_path: Path) -> Iterator[Parts]:
    """Parts at a fixed time."""
    with open_parts(_settings(tmp_path, ALERT_WEBHOOK_URL=room.url), clock=lambda: NOW) as parts:
        yield parts


def _settings(home: Path, **more: str) -> Settings:
    return load_settings(
        {"CI_METRICS_HOME": str(home), "REPO": "acme/shop", "GITHUB_TOKEN": "x", "MAX_USD_PER_HOUR": "2", **more}
    )


def _told(place: Parts) -> str:
    """What the sensor says, or what came of the run that it requests."""
    with dg.DagsterInstance.ephemeral() as instance:
        asked = tick(place, "alerts", instance)
    if isinstance(asked, str):
        return asked
    (request,) = asked
    assert request.run_key
    result = run_job(place, "send_alerts")
    if result.success:
        (output,) = [event for event in result.all_events if event.is_successful_output]
        return f"{output.step_output_data.metadata['alerts'].value} alerts sent."
    return failure_words(result)


def _indexed(place: Parts, hours_ago: int, *rows: NewFailure) -> str:
    hour = hour_key(NOW - hours_ago * HOUR)
    place.hours.store.write(HISTORY_ASSET, hour, list(rows), NewFailure, {"compared": True})
    place.hours.store.commit("indexed_documents", hour, [], IndexedDocument, notes={}, status={}, now=NOW)
    return hour


def _row(hour: str, group: str, kind: str = "new") -> NewFailure:
    return NewFailure(
        hour=hour, group=group, kind=kind, error_type="timeout", headline=f"{group} hangs", step="Run", first_seen=NOW,  # type: ignore[arg-type]
        last_seen=NOW, count=2, runs=2, lost_minutes=3.0, repos=("acme/shop",), jobs=("unit",), branches=("main",), examples=(),
    )  # fmt: skip


def test_new_and_spiking_groups_are_told_once(place: Parts, room: _Room) -> None:
    hour = hour_key(NOW - HOUR)
    _indexed(place, 1, _row(hour, "g1"), _row(hour, "g2", "spiking"))
    assert _told(place) == "2 alerts sent."
    assert room.titles == ["New failure: timeout", "Spiking failure: timeout"]
    assert _told(place) == "Nothing new to tell."
    assert len(room.told) == 2


def test_a_backfill_of_old_hours_is_no_alarm(place: Parts, room: _Room) -> None:
    old = hour_key(NOW - 40 * HOUR)
    _indexed(place, 40, _row(old, "g1"))
    _indexed(place, 1)
    assert _told(place) == "Nothing new to tell."
    assert room.told == []


def test_silence_is_told_once_until_something_is_indexed_again(place: Parts, room: _Room) -> None:
    _indexed(place, 9)
    _told(place)
    _told(place)
    assert room.titles == ["CI metrics: nothing indexed for 6 hours"]
    _indexed(place, 1)
    assert _told(place) == "Nothing new to tell."


def test_a_spent_budget_is_told_once_per_hour_of_spending(place: Parts, room: _Room) -> None:
    hour = _indexed(place, 1)
    why = "pending: MAX_USD_PER_HOUR is spent for this hour"
    verdict = Verdict(state="pending", error_type=None, confidence=0, summary="", detail=why)
    judged = (JudgedError(error=an_error(), verdict=verdict),)
    row = JobVerdicts(repo="acme/shop", run_id=1, run_attempt=1, job_id=2, state="pending", judged=judged, digest="d")
    place.hours.store.commit("classifications", hour, [row], JobVerdicts, notes={}, status={"open": 1}, now=NOW)
    _told(place)
    _told(place)
    assert room.titles == ["CI metrics: the model budget of $2 is spent"]


def test_what_could_not_be_sent_is_sent_at_the_next_tick(place: Parts, room: _Room) -> None:
    hour = hour_key(NOW - HOUR)
    _indexed(place, 1, _row(hour, "g1"), _row(hour, "g2"))
    room.statuses = [500] * 3
    assert "0 of 2 alerts sent: the webhook answered 500" in _told(place)
    assert _told(place) == "2 alerts sent."
    assert len(room.told) == 2


def test_without_a_webhook_nobody_is_told(tmp_path: Path) -> None:
    with open_parts(_settings(tmp_path)) as place:
        assert "ALERT_WEBHOOK_URL is not set" in _told(place)
