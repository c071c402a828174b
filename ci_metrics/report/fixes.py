"""“Fix these first” in words: one cause as a row for scripts, and as the text of an issue.

What belongs here: wording, and making text from CI inert in an issue. Does not: the order
(`history/fix_first.py`), tables, markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ci_metrics.history.failing_tests import DENOMINATOR, FailedTest
from ci_metrics.history.fix_first import Fix
from ci_metrics.report.markdown import fenced, inert_text, link, visible_text
from ci_metrics.report.readable import cut, dollars, minutes, percent, some, spoken

#: Tests that an issue names, and characters of its title.
MOST_TESTS, MOST_TITLE = 10, 120


def standing_in_words(fix: Fix) -> str:
    """`regressed (resolved 2026-03-02)`, or since when it is gone; "" for one that is open and
    live.
    """
    if fix.gone_since is not None and fix.whereabouts is not None:
        return fix.whereabouts.in_words
    if fix.standing != "regressed" or fix.resolved_at is None:
        return ""
    return f"regressed (resolved {fix.resolved_at:%Y-%m-%d %H:%M})"


def responsible(fix: Fix) -> str:
    """Who looks after it: the person it is assigned to, else its owner."""
    return fix.assignee or fix.owner


def fix_row(fix: Fix, rank: int) -> dict[str, Any]:
    """The object that scripts parse; the keys of a row of `top groups` and more."""
    group = fix.group
    return {
        "rank": rank,
        "name": group.id,
        "fingerprint": group.fingerprints[0] if group.fingerprints else "",
        "failed": group.count,
        "jobs": None,
        "failure_rate": None,
        "share": round(group.share, 4),
        "lost_minutes": round(group.lost_minutes, 1),
        "lost_usd": round(group.lost_usd, 4),
        "weight": round(fix.weight, 1),
        "certainty": round(fix.certainty, 2),
        "runs": group.runs,
        "first_seen": group.first_seen.isoformat(),
        "last_seen": group.last_seen.isoformat(),
        "error_type": group.error_type,
        "headline": fix.quote,
        "summary": fix.summary,
        "standing": fix.standing,
        "gone_since": fix.gone_since.isoformat() if fix.gone_since else None,
        "owner": fix.owner or None,
        "assignee": fix.assignee or None,
        "hint": fix.hint or None,
        "reproduce": fix.command or None,
        "tests": list(fix.tests),
        "repos": list(group.repos),
        "job_names": list(group.jobs),
        "branches": list(group.branches),
        "url": fix.url or None,
        "issue": issue_text(fix),
    }


def issue_text(fix: Fix) -> dict[str, str]:
    """Title and body (GitHub's markdown) of an issue about it; text from CI is inert in both."""
    group = fix.group
    said = " ".join(visible_text(fix.quote or fix.summary).split())
    title = cut(f"CI: {spoken(group.error_type)}: {said}", MOST_TITLE)
    runs = (
        f"{group.count} failed jobs in {group.runs} runs" if group.runs > 1 else f"{group.count} failed jobs in one run"
    )
    money = f", {dollars(group.lost_usd)} of runners at list price" if group.lost_usd else ""
    lines = [inert_text(fix.summary, 600), ""] if fix.summary else []
    lines += [fenced(fix.evidence or fix.quote), ""] if fix.evidence or fix.quote else []
    lines += [
        f"- {runs}: {minutes(group.lost_minutes * 60)} lost{money}",
        f"- first {group.first_seen:%Y-%m-%d %H:%M}, last {group.last_seen:%Y-%m-%d %H:%M} UTC",
        f"- where: {inert_text(some(group.jobs), 300)} in {inert_text(some(group.repos), 200)}, "
        f"on {inert_text(some(group.branches), 200)}",
    ]
    if fix.tests:
        lines.append(f"- tests: {inert_text(some(fix.tests, MOST_TESTS), 1_000)}")
    if standing_in_words(fix):
        lines.append(f"- {standing_in_words(fix)}")
    if responsible(fix):
        lines.append(f"- {'assigned to' if fix.assignee else 'owner:'} {inert_text(responsible(fix), 120)}")
    if fix.url:
        lines.append(f"- {link('the newest log line', fix.url)}")
    if fix.command:
        lines += ["", "The command that failed:", "", fenced(fix.command)]
    if fix.hint:
        lines += ["", f"A hint, not a finding: {inert_text(fix.hint, 600)}"]
    lines += ["", f"Cause {group.id}"]
    return {"title": title, "body": "\n".join(lines)}


def failed_test_row(row: FailedTest) -> Mapping[str, Any]:
    """A test as scripts parse it."""
    moments = {"first_failed": row.first_failed, "last_failed": row.last_failed, "last_passed": row.last_passed}
    return {
        "name": row.name,
        "repo": row.repo,
        "job_names": sorted(row.jobs),
        "runs": row.runs,
        "failures": row.failures,
        "failure_rate": _rounded(row.failure_rate),
        "flakes": row.flakes,
        "confirmed_flakes": row.confirmed,
        "flake_rate": _rounded(row.flake_rate),
        "denominator": DENOMINATOR,
        "unknown_runs": row.unknown,
        **{name: None if when is None else when.isoformat() for name, when in moments.items()},
        "broken": row.broken,
        "quarantine": bool(row.quarantine),
        "why": row.quarantine or None,
        "url": row.url or None,
    }


def failed_test_in_words(row: FailedTest) -> str:
    """How often it failed of how many runs, and since when it does not pass."""
    passed = f"passed last {row.last_passed:%d %b %H:%M}" if row.last_passed else "never seen to pass"
    flaked = f", {row.flakes} flaky (flake rate {percent(row.flake_rate)})" if row.flakes else ""
    unknown = f"; of {row.unknown} more nothing is known" if row.unknown else ""
    broken = ", broken" if row.broken else ""
    return f"failed {row.failures} of {row.runs} known runs{flaked}; {passed}{broken}{unknown}"


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)
