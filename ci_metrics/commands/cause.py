"""`ci-metrics cause`: what people say of a cause: resolved, ignored until a day, assigned.

Belongs here: reading the arguments, printing. Does not: what follows from it
(`history/cause_states.py`), where it is kept (`orchestration/storage/cause_records.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from ci_metrics.commands.label import user_name
from ci_metrics.commands.open_index import cause_store, reading_index
from ci_metrics.commands.tables import Switch, print_json, print_table
from ci_metrics.errors import SettingsError
from ci_metrics.history.cause_states import CauseRecord, CauseRecords, cause_named, record_for
from ci_metrics.history.time_range import parse_moment
from ci_metrics.orchestration.storage.cause_records import RECORD
from ci_metrics.redaction import redact
from ci_metrics.report.readable import cut
from ci_metrics.settings import load_settings

Action = Literal["resolve", "ignore", "assign", "reopen", "list"]

#: Characters of a name, and of a line that a table shows.
_NAME, _QUOTE = 100, 120


def cause(
    action: Action,
    fingerprint: str = "",
    person: str = "",
    /,
    *,
    until: str = "",
    at: str = "",
    note: str = "",
    json: Switch = False,
) -> None:
    """Say where a cause stands. That is kept over every reclassification, like a label.

    resolve: it is fixed; a failure in a run created later makes it “regressed”. ignore: it leaves
    lists and alerts until a day. assign: a PERSON looks after it (none: nobody any more). reopen:
    it is neither resolved nor ignored any more. list: all that was said.

    Parameters
    ----------
    action
        resolve, ignore, assign, reopen or list.
    fingerprint
        The cause: its fingerprint or group as “top --json” shows them, the beginning of one, or
        one of its failed jobs.
    person
        Who looks after it; for assign.
    until
        The first day on which it is shown again, like 2026-12-24 (UTC); for ignore.
    at
        When it was fixed, like 2026-12-24T15:00 (UTC); for resolve. Default: now.
    note
        Why.
    json
        What is kept of it, as a JSON array.
    """
    _check(action, fingerprint, person, until, at)
    settings = load_settings()
    now = datetime.now(UTC).replace(microsecond=0)
    with reading_index(settings) as index:
        store = cause_store(settings, index)
        if action != "list":
            job = cause_named(index, fingerprint)
            group = str(job.body["s_error_group"])

            def said(before: CauseRecord | None) -> CauseRecord:
                record = record_for(job, before, user=user_name(), now=now, note=redact(note)[0])
                return _said(record, action, redact(person)[0], until, at, now)

            store.change(group, said)
        records = store.in_force()
    chosen = [each for each in records.records if action == "list" or each is records.of(group)]
    rows = [{**RECORD.dump_python(each, mode="json"), "standing": records.standing(each.group, now)} for each in chosen]
    if json:
        print_json(rows)
    elif action == "list":
        _print(chosen, records, now)
    else:
        print(_in_words(chosen[0], records, now) if chosen else f"Nothing is said of {group} any more: it is open.")


def _check(action: Action, fingerprint: str, person: str, until: str, at: str) -> None:
    if action != "list" and not fingerprint:
        raise SettingsError("FINGERPRINT", "no cause given", "“ci-metrics top --json” names each cause’s")
    if len(person) > _NAME:
        raise SettingsError("PERSON", f"{len(person)} characters", f"Write at most {_NAME}")
    for option, value, of in (("PERSON", person, "assign"), ("--until", until, "ignore"), ("--at", at, "resolve")):
        if value and action != of:
            raise SettingsError(option, f"given with {action}", f"It belongs to {of}: leave it out")
    if action == "ignore" and not until:
        raise SettingsError("--until", "not given", "Write the day on which it is shown again, like 2026-12-24")


def _said(record: CauseRecord, action: Action, person: str, until: str, at: str, now: datetime) -> CauseRecord:
    if action == "resolve":
        moment = parse_moment(at, now, "--at") if at else now
        if moment > now:
            raise SettingsError("--at", f"{moment:%Y-%m-%d %H:%M} is still to come", "Leave it out: it is fixed now")
        return replace(record, resolved_at=moment, ignored_until=None)
    if action == "ignore":
        end = parse_moment(until, now, "--until")
        if end <= now:
            seen = f"{end:%Y-%m-%d %H:%M} is past, so nothing would be ignored"
            raise SettingsError("--until", seen, "Write a day to come, like 2126-12-24; or “ci-metrics cause reopen”")
        return replace(record, ignored_until=end)
    if action == "assign":
        return replace(record, assignee=person)
    return replace(record, resolved_at=None, ignored_until=None)


def _in_words(record: CauseRecord, records: CauseRecords, now: datetime) -> str:
    standing = records.standing(record.group, now)
    said: list[str] = [standing] if standing in ("open", "regressed") else []
    if record.resolved_at:
        said.append(f"resolved {record.resolved_at:%Y-%m-%d %H:%M}")
    again = records.seen_again(record.group)
    if again:
        said.append(f"seen again {again:%Y-%m-%d %H:%M}")
    if record.ignored_until:
        said.append(f"ignored until {record.ignored_until:%Y-%m-%d}")
    if record.assignee:
        said.append(f"assigned to {record.assignee}")
    return f"{record.group}: {', '.join(said)}"


def _print(chosen: list[CauseRecord], records: CauseRecords, now: datetime) -> None:
    if not chosen:
        print("Nothing was said of any cause.")
        return
    cells = [[_in_words(each, records, now) + "\n" + cut(each.quote, _QUOTE)] for each in chosen]
    print_table(cells, ["Cause"], "What people said of causes (UTC)")
