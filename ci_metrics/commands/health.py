"""`ci-metrics health`: is all that should be there, there?

Belongs here: asking the parts, printing, the exit code. Does not: what is well
(`orchestration/health.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.commands.open_index import refuse_no_file
from ci_metrics.errors import CiMetricsError, NotFoundError
from ci_metrics.github import open_github
from ci_metrics.github.rate_limits import Patience
from ci_metrics.index.open import open_index
from ci_metrics.orchestration.health import AsideRow, Health, Level, health_of
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.report.readable import counted, readable_number
from ci_metrics.settings import Settings, load_settings

#: Exit codes by level; 2 is for wrong settings, as everywhere.
EXIT: dict[Level, int] = {"well": 0, "needs a person": 1, "under way": 3}

#: A monitor does not wait: no pause for a limit, short ones between tries, few
#: seconds for an answer.
_PATIENCE, _GRACE = Patience(request=0, total=0, retry=0.2), 5.0

#: Things set aside that are printed one by one.
_SHOWN = 20


def health(*, json_: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """Say how far behind the hours are, what is unfinished, what is set
    aside and why, and what waits.

    Exit code 0: all is there. 3: something is missing that the next ticks make up
    for, as a run that is still going. 1: a person should look. 2: wrong settings.

    Parameters
    ----------
    json_
        Print it as one JSON object.
    """
    found = read_health(load_settings())
    if json_:
        print(json.dumps({"level": found.level, "reasons": found.reasons, **asdict(found)}))
    else:
        print("\n".join(health_lines(found)))
    return EXIT[found.level]


def read_health(settings: Settings) -> Health:
    """How the whole is now. What cannot be asked (GitHub, an index that is
    down) is one of its problems.
    """
    problems: list[str] = []
    quota = _quota(settings, problems)
    part = HoursPart(settings)
    try:
        refuse_no_file(settings)
        with closing(open_index(settings)) as index:
            return health_of(settings, part.store, index, part.now(), quota=quota, problems=problems)
    except NotFoundError:  # nothing was written yet
        pass
    except CiMetricsError as error:
        problems.append(f"the index: {error}")
    return health_of(settings, part.store, None, part.now(), quota=quota, problems=problems)


def _which(found: Health) -> str:
    if not found.unfinished:
        return ""
    first, last = found.unfinished[0], found.unfinished[-1]
    which = f" ({first})" if first == last else f" ({first} to {last})"
    if not found.only_going:
        return which
    number = len(found.only_going)
    waits = "it waits" if number == len(found.unfinished) == 1 else f"{readable_number(number)} of them wait"
    still = ", which the sample's never end: its clock stands still" if found.sample else ""
    return f"{which}: {waits} only for runs that are still going{still}"


def aside_lines(rows: list[AsideRow]) -> Iterator[str]:
    """Each thing that was set aside in a line; equal ones of several hours once."""
    alike = Counter((row.asset, row.name, row.why) for row in rows)
    hours = {(row.asset, row.name, row.why): row for row in rows}  # the newest of each
    for key, count in list(alike.items())[:_SHOWN]:
        row = hours[key]
        where = f"hour {row.hour}" + (f" and {count - 1} more" if count > 1 else "")
        yield f"{where}, {row.asset}{f' {row.name}' if row.name else ''}: {row.why} (tried {row.tries}×)"
    if len(alike) > _SHOWN:
        yield f"and {len(alike) - _SHOWN} more: ci-metrics health --json"


def _quota(settings: Settings, problems: list[str]) -> tuple[int, int] | None:
    if settings.is_sample:
        return None
    try:
        with open_github(settings, cache=None, patience=_PATIENCE, grace=_GRACE) as github:
            found = github.rate_limits(HoursPart(settings).repos)
    except CiMetricsError as error:
        problems.append(f"GitHub: {error}")
        return None
    return min(((each.remaining, each.limit) for each in found), default=None)  # of the identity that has least


def health_lines(found: Health) -> Iterator[str]:
    """It for people, line by line."""
    sign = {"well": "✅", "under way": "⏳", "needs a person": "❌"}[found.level]
    yield f"{sign} {found.level}" + "".join(f"\n   {reason}" for reason in found.reasons)
    yield f"hours: {found.hours} stored, newest {found.newest or 'none'}, {found.behind} behind, {len(found.missing)} missing"
    yield f"unfinished: {counted(len(found.unfinished), 'hour')}{_which(found)}"
    yield f"verdicts: {found.open_verdicts} open, {found.unwritten_verdicts} that the index did not take yet"
    yield f"documents: {found.documents} in the index, {found.documents_refused} refused"
    if found.requests_left is not None:
        yield f"GitHub: {found.requests_left} of {found.requests_limit} requests left this hour"
    yield f"set aside: {len(found.set_aside)}"
    yield from (f"   {line}" for line in aside_lines(list(found.set_aside)))
