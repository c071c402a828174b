"""“Fix these first”: causes in the order in which fixing them pays, with all that a person needs.

What belongs here: the order, and gathering what the documents say of each. Does not: groups
(`groups.py`), what people said of them (`cause_states.py`), wording and the issue's text
(`report/fixes.py`).

A cause's weight is its lost minutes, times runs / (runs + 1), times how sure its verdict is: what
was lost, as far as it is likely to be lost again and it is known what to do. One run that failed
counts half, twenty nearly whole. One that is gone from the default branch, and that history does
not suspect to be flaky, will hardly be lost again: it keeps a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ci_metrics.history.attempts import first_line
from ci_metrics.history.cause_states import CauseRecords, Standing
from ci_metrics.history.failures import web_url, without_quote
from ci_metrics.history.groups import Group
from ci_metrics.history.whereabouts import Whereabouts, whereabouts
from ci_metrics.index.base import Body, DocumentIndex
from ci_metrics.telling_quote import headline

#: How sure a failure without a category counts.
UNSURE = 0.25

#: What the weight of a cause that is gone is worth: every job that failed with it has passed since.
GONE = 0.1


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
    whereabouts: Whereabouts | None = None  # None where nobody looked

    @property
    def gone_since(self) -> datetime | None:
        """When its last job passed again on the default branch; None of one that is not gone, or
        that comes and goes.
        """
        where = self.whereabouts
        return where.since if where is not None and where.kind == "gone" and not self.group.suspected else None


def fixes(
    index: DocumentIndex, found: Sequence[Group], records: CauseRecords, now: datetime, limit: int | None = None
) -> list[Fix]:
    """The causes to fix among these groups, the weightiest first.

    Those that are ignored now, or resolved and not seen since, are left out; so are failures that
    say nothing of a cause. A regressed one comes first of all. Where a cause stands is asked of
    those that come so far up.
    """
    standing = {group.id: records.standing(group.id, now) for group in found}
    open_ = [group for group in found if not group.generic and standing[group.id] in ("open", "regressed")]
    bodies = index.get("jobs", [example for group in open_ for example in group.examples])
    made = []
    for group in open_:
        examples = [bodies[id_] for id_ in group.examples if id_ in bodies]
        made.append(_fix(group, examples, records, standing[group.id]))
    while True:
        made.sort(key=_place)
        unseen = [fix.group.id for fix in made[:limit] if fix.whereabouts is None]
        if not unseen:
            return made[:limit]
        known = whereabouts(index, unseen)
        made = [
            _standing(fix, known.get(fix.group.id, Whereabouts("elsewhere"))) if fix.group.id in unseen else fix
            for fix in made
        ]


def _place(fix: Fix) -> tuple[bool, float, int, str]:
    regressed = fix.standing == "regressed" and fix.gone_since is None
    return not regressed, -fix.weight, -fix.group.count, fix.group.id


def _standing(fix: Fix, where: Whereabouts) -> Fix:
    """`fix`, weighed by where it stands."""
    placed = replace(fix, whereabouts=where)
    return placed if placed.gone_since is None else replace(placed, weight=fix.weight * GONE)


def weight_of(lost_minutes: float, runs: int, certainty: float) -> float:
    """What fixing a cause is worth, in minutes."""
    return lost_minutes * runs / (runs + 1) * certainty


def _fix(group: Group, examples: Sequence[Body], records: CauseRecords, standing: Standing) -> Fix:
    newest = examples[0] if examples else {}
    certainty = sum(map(_certainty, examples)) / len(examples) if examples else UNSURE
    record = records.of(group.id)
    evidence = _first(examples, "s_error_evidence")
    quote = headline(evidence) or group.headline
    tests = (test for body in examples for test in body.get("s_failed_tests") or [])
    return Fix(
        group=group,
        weight=weight_of(group.lost_minutes, group.runs, certainty),
        certainty=certainty,
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


def _certainty(body: Body) -> float:
    return float(body.get("f_error_confidence") or 0) if body.get("s_error_state") == "classified" else UNSURE


def _first(examples: Sequence[Body], name: str) -> str:
    """The newest example's value that says something."""
    return next((str(body[name]) for body in examples if body.get(name)), "")
