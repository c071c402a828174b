"""“Fix these first”: causes in the order in which fixing them pays, with all that a person needs.

What belongs here: the order, and gathering what the documents say of each. Does not: groups
(`groups.py`), what people said of them (`cause_states.py`), wording and the issue's text
(`report/fixes.py`).

A cause's weight is its lost minutes, times runs / (runs + 1), times how sure its verdict is: what
was lost, as far as it is likely to be lost again and it is known what to do. One run that failed
counts half, twenty nearly whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ci_metrics.history.attempts import first_line
from ci_metrics.history.cause_states import CauseRecords, Standing
from ci_metrics.history.failures import web_url, without_quote
from ci_metrics.history.groups import Group
from ci_metrics.index.base import Body, DocumentIndex
from ci_metrics.telling_quote import headline


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One cause to fix. "" where nothing is known."""

    group: Group
    weight: float  # minutes, see above
    certainty: float  # of its verdicts, 0 to 1
    standing: Standing
    resolved_at: datetime | None
    assignee: str
    owner: str  # from CODEOWNERS, where the documents say so
    quote: str  # one line, with a telling one beside a code
    evidence: str  # all lines quoted
    summary: str
    hint: str
    command: str  # that failed, to reproduce it
    tests: tuple[str, ...]  # that failed with it, of its newest failures
    url: str  # of the newest failure's log line
    job_url: str


def fixes(
    index: DocumentIndex, found: Sequence[Group], records: CauseRecords, now: datetime, limit: int | None = None
) -> list[Fix]:
    """The causes to fix among these groups, the weightiest first.

    Those that are ignored now, or resolved and not seen since, are left out; so are failures that
    say nothing of a cause. A regressed one comes first of all.
    """
    standing = {group.id: records.standing(group.id, now) for group in found}
    open_ = [group for group in found if not group.generic and standing[group.id] in ("open", "regressed")]
    open_.sort(key=lambda group: (standing[group.id] != "regressed", -_weight(group), -group.count, group.id))
    shown = open_[:limit]
    bodies = index.get("jobs", [example for group in shown for example in group.examples])
    return [
        _fix(group, [bodies[id_] for id_ in group.examples if id_ in bodies], records, standing[group.id])
        for group in shown
    ]


def weight_of(lost_minutes: float, runs: int, certainty: float) -> float:
    """What fixing a cause is worth, in minutes."""
    return lost_minutes * runs / (runs + 1) * certainty


def _weight(group: Group) -> float:
    return weight_of(group.lost_minutes, group.runs, group.certainty)


def _fix(group: Group, examples: Sequence[Body], records: CauseRecords, standing: Standing) -> Fix:
    newest = examples[0] if examples else {}
    record = records.of(group.id)
    evidence = _first(examples, "s_error_evidence")
    quote = headline(evidence) or group.headline
    tests = (test for body in examples for test in body.get("s_failed_tests") or [])
    return Fix(
        group=group,
        weight=_weight(group),
        certainty=group.certainty,
        standing=standing,
        resolved_at=record.resolved_at if record else None,
        assignee=record.assignee if record else "",
        owner=", ".join(next((body["s_owner"] for body in examples if body.get("s_owner")), ())),
        quote=quote,
        evidence=evidence,
        summary=without_quote(first_line(_first(examples, "s_error_summary")), evidence or quote),
        hint=_first(examples, "s_suggested_fix"),
        command=_first(examples, "s_failed_command"),
        tests=tuple(dict.fromkeys(map(str, tests))),
        url=web_url(str(newest.get("s_error_log_url") or "")) or web_url(str(newest.get("s_html_url") or "")),
        job_url=web_url(str(newest.get("s_html_url") or "")),
    )


def _first(examples: Sequence[Body], name: str) -> str:
    """The newest example's value that says something."""
    return next((str(body[name]) for body in examples if body.get(name)), "")
