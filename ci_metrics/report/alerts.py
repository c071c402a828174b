"""Alerts: what is worth telling a chat room, as messages; pure.

What belongs here: events, their keys (once per event), their wording, Slack's JSON. Does not:
finding them (`orchestration/alert_job.py`), sending them (`webhook.py`).

Slack's webhook format is understood by Mattermost, Rocket.Chat and others, which read the plain
text alone, as markdown. Text from CI is inert in both: `&`, `<` and `>` are escaped (so no
`<!channel>` and no link), quotes stand in a code block that they cannot close and in which nothing
is looked for (`verbatim`); in the plain text `@channel` and addresses are broken up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ci_metrics.history.failures import Failure, web_url
from ci_metrics.report.markdown import unlinked, visible_text
from ci_metrics.report.readable import minutes, some, spoken
from ci_metrics.report.responsibility import responsibility

#: Sent events are remembered so long: longer than any of them can come up again.
REMEMBER = timedelta(days=60)

#: More group alerts than this at once become one message: in an outage nobody reads twenty.
_MOST_AT_ONCE = 5

_HEADER, _SECTION = 150, 2_900  # Slack's limits: 150 and 3,000 characters


@dataclass(frozen=True, slots=True)
class Alert:
    """One event. `key` names it for ever: what was sent under it is not sent again."""

    key: str
    title: str
    quote: str = ""
    facts: tuple[str, ...] = ()
    link: str = ""


def group_alert(
    kind: Literal["new", "spiking"],
    *,
    hour: str,
    group: str,
    error_type: str,
    headline: str,
    count: int,
    lost_minutes: float,
    repos: Sequence[str],
    jobs: Sequence[str],
    example: Failure | None = None,
) -> Alert:
    """A group of failures never seen before, or far more often than usual. A group is new
    once, and spikes once a day. `example`: one of them, for whose it is and where to look.
    """
    key = f"new:{group}" if kind == "new" else f"spiking:{group}:{hour[:10]}"
    what = spoken(error_type)
    title = f"New failure: {what}" if kind == "new" else f"Spiking failure: {what}"
    failed = f"{count} job{'s' if count != 1 else ''} failed with it in the hour {hour} UTC"
    facts = (failed, f"{minutes(lost_minutes * 60)} lost", f"in {some(repos)}", f"jobs: {some(jobs)}")
    known = responsibility(example) if example is not None else ""
    return Alert(key, title, headline, (*facts, known) if known else facts, example.link if example is not None else "")


def regressed_alert(
    *, group: str, since: datetime, again: datetime, headline: str, assignee: str, note: str, link: str = ""
) -> Alert:
    """A resolved cause that is seen again. Once for each time it was resolved."""
    facts = [f"resolved {since:%Y-%m-%d %H:%M} UTC, seen again {again:%Y-%m-%d %H:%M} UTC"]
    facts += [f"assigned to {assignee}"] if assignee else []
    facts += [note] if note else []
    key = f"regressed:{group}:{since.isoformat(timespec='seconds')}"
    return Alert(key, "Regressed: a resolved failure is back", headline, tuple(facts), web_url(link))


def silence_alert(newest: str, hours: int) -> Alert:
    """Nothing was indexed for hours. Once per silence: `newest` is the newest indexed
    hour, "" when there is none.
    """
    last = f"the newest indexed hour is {newest} UTC" if newest else "no hour was ever indexed"
    return Alert(
        f"silence:{newest}",
        f"CI metrics: nothing indexed for {hours} hours",
        facts=(last, "look at the hourly schedule, the token and the index in Dagster"),
    )


def budget_alert(spent_in: str, waiting: int, limit: float | None) -> Alert:
    """The model's money for a clock hour is spent; `waiting` failures stay
    pending. Once per clock hour.
    """
    money = f" of ${limit:g}" if limit is not None else ""
    return Alert(
        f"budget:{spent_in}",
        f"CI metrics: the model budget{money} is spent",
        facts=(
            f"{waiting} failure{'s' if waiting != 1 else ''} wait for a verdict since the hour {spent_in} UTC",
            "they are judged in later hours; MAX_USD_PER_HOUR sets the limit",
        ),
    )


def grouped_alerts(alerts: Sequence[Alert]) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """The messages to send, each with the keys it covers: one an alert, or one
    for all when there are many.
    """
    if len(alerts) <= _MOST_AT_ONCE:
        return [((alert.key,), slack_message(alert)) for alert in alerts]
    lines = [_one_line(f"{alert.title}{f': {alert.quote}' if alert.quote else ''}") for alert in alerts[:20]]
    if len(alerts) > len(lines):
        lines.append(f"and {len(alerts) - len(lines)} more")
    together = Alert("", f"CI metrics: {len(alerts)} alerts", "\n".join(lines), ("ci-metrics report shows them all",))
    return [(tuple(alert.key for alert in alerts), slack_message(together))]


def slack_message(alert: Alert) -> dict[str, Any]:
    """Slack's JSON for one alert: a plain fallback text, and blocks."""
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain_text(alert.title, _HEADER)}]
    if alert.quote:
        code = _escaped(_cut(visible_text(alert.quote).strip().replace("`", "'"), _SECTION // 2))
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"```{code}```", "verbatim": True}})
    if alert.facts:
        blocks.append({"type": "context", "elements": [_plain_text(fact, 600) for fact in alert.facts]})
    if alert.link:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<{_escaped(alert.link)}|Open the log>"}})
    fallback = ". ".join(
        part for part in (alert.title, alert.quote.splitlines()[0] if alert.quote else "", *alert.facts) if part
    )
    return {"text": _escaped(unlinked(_cut(_one_line(fallback), _SECTION // 2))), "blocks": blocks}


class SentAlerts:
    """Which events were sent, and when; kept as text."""

    def __init__(self, text: str) -> None:
        """Read what was kept; an empty or foreign text means that nothing was sent."""
        self._at: dict[str, str] = {}
        try:
            found = json.loads(text or "{}")
        except ValueError:
            found = {}
        if isinstance(found, Mapping) and isinstance(found.get("sent"), Mapping):
            self._at = {str(key): str(at) for key, at in found["sent"].items()}

    def unsent(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Those that were not sent, each once."""
        return list({alert.key: alert for alert in alerts if alert.key not in self._at}.values())

    def note(self, keys: Iterable[str], now: datetime) -> None:
        """These were sent now."""
        self._at.update(dict.fromkeys(keys, now.isoformat(timespec="seconds")))

    def text(self, now: datetime) -> str:
        """What to keep; what is too old to come up again is forgotten."""
        oldest = (now - REMEMBER).isoformat(timespec="seconds")
        return json.dumps({"sent": {key: at for key, at in sorted(self._at.items()) if at >= oldest}})


def _plain_text(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": _cut(_one_line(text), most), "emoji": False}


def _one_line(text: str) -> str:
    return " ".join(visible_text(text).split())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
