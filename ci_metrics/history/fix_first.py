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
from dataclasses import dataclass
from datetime import datetime

from ci_metrics.history.attempts import Attempt, first_line
from ci_metrics.history.cause_states import CauseRecords, Standing
from ci_metrics.history.cause_whereabouts import Whereabouts, whereabouts
from ci_metrics.history.failures import web_url, without_quote
from ci_metrics.history.groups import Group
from ci_metrics.index.document_index import Body, DocumentIndex
from ci_metrics.telling_quote import headline

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
        return _gone_since(self.group, self.whereabouts)


def fixes(
    index: DocumentIndex,
    found: Sequence[Group],
    records: CauseRecords,
    now: datetime,
    limit: int | None = None,
    *,
    failures: Sequence[Attempt] | None = None,
) -> list[Fix]:
    """The causes to fix among these groups, the weightiest first.

    Those that are ignored now, or resolved and not seen since, are left out; so are failures that
    say nothing of a cause. A regressed one comes first of all. Where a cause stands is asked of
    those that come so far up, by their `failures`: those of the groups (None: all there are).
    """
    standing = {group.id: records.standing(group.id, now) for group in found}
    open_ = [group for group in found if not group.generic and standing[group.id] in ("open", "regressed")]
    places: dict[str, Whereabouts] = {}
    while True:
        open_.sort(key=lambda group: _place(group, standing[group.id], places.get(group.id)))
        shown = open_[:limit]
        if all(group.id in places for group in shown):
            break
        # Twice as many each time: where most are gone, many have to be looked at.
        unseen = [group.id for group in open_[: max(len(shown), 2 * len(places))] if group.id not in places]
        known = whereabouts(index, unseen, failures=failures)
        places |= {name: known.get(name, Whereabouts("elsewhere")) for name in unseen}
    bodies = index.get("jobs", [example for group in shown for example in group.examples])
    return [
        _fix(
            group,
            [bodies[id_] for id_ in group.examples if id_ in bodies],
            records,
            standing[group.id],
            places[group.id],
        )
        for group in shown
    ]


def _place(group: Group, standing: Standing, where: Whereabouts | None) -> tuple[bool, float, int, str]:
    regressed = standing == "regressed" and _gone_since(group, where) is None
    return not regressed, -_weight(group, where), -group.count, group.id


def _gone_since(group: Group, where: Whereabouts | None) -> datetime | None:
    return where.since if where is not None and where.kind == "gone" and not group.suspected else None


def weight_of(lost_minutes: float, runs: int, certainty: float) -> float:
    """What fixing a cause is worth, in minutes."""
    return lost_minutes * runs / (runs + 1) * certainty


def _weight(group: Group, where: Whereabouts | None) -> float:
    weight = weight_of(group.lost_minutes, group.runs, group.certainty)
    return weight if _gone_since(group, where) is None else weight * GONE


def _fix(group: Group, examples: Sequence[Body], records: CauseRecords, standing: Standing, where: Whereabouts) -> Fix:
    newest = examples[0] if examples else {}
    record = records.of(group.id)
    evidence = _first(examples, "s_error_evidence")
    quote = headline(evidence) or group.headline
    tests = (test for body in examples for test in body.get("s_failed_tests") or [])
    return Fix(
        group=group,
        weight=_weight(group, where),
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
        whereabouts=where,
    )


def _first(examples: Sequence[Body], name: str) -> str:
    """The newest example's value that says something."""
    return next((str(body[name]) for body in examples if body.get(name)), "")
