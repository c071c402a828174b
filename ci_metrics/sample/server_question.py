"""One question to the sample GitHub, its reply, and how replies are paged and filtered.

What belongs here: the forms that all addresses share. Does not: any one
address (`server_routes.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from ci_metrics.sample.faults import Faults
from ci_metrics.sample.server_artifacts import ArtifactSpec
from ci_metrics.sample.server_comments import Comments
from ci_metrics.sample.world import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """One request, past its token and its limits."""

    method: str
    base: str  # this API's address, without a slash at its end
    path: str  # below the base
    query: Mapping[str, str]
    body: Mapping[str, Any]
    moment: Moment
    faults: Faults
    comments: Comments
    artifacts: Mapping[int, Sequence[ArtifactSpec]]  # by run id
    login: str  # who asks
    installed_on: str  # the one account that an App's installation sees; "" for who sees all
    log_url: Callable[[int], str]  # a signed address on the log storage


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a JSON value (None: no body) and headers of its own."""

    status: int
    value: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


def missing(what: str = "Not Found", status: int = 404) -> Reply:
    """GitHub's error JSON."""
    return Reply(status, {"message": what, "documentation_url": "https://docs.github.com/rest", "status": str(status)})


def paged(question: SampleRequest, name: str | None, items: Sequence[Any], show: Callable[[Any], object]) -> Reply:
    """One page of `items` with its `Link`; under `name` beside `total_count`, or
    bare when `name` is None.
    """
    try:
        size = min(max(int(question.query.get("per_page", "30")), 1), 100)
        page = max(int(question.query.get("page", "1")), 1)
    except ValueError:
        return missing("Invalid page or per_page", 422)
    total = len(items)
    last = max(-(-total // size), 1)
    links = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    wanted = ["prev", "first"] if page > 1 else []
    wanted += ["next", "last"] if page < last else []
    parts = []
    for rel in wanted:
        address = f"{question.base}{question.path}?{urlencode({**question.query, 'page': links[rel]})}"
        parts.append(f'<{address}>; rel="{rel}"')
    shown = [show(item) for item in items[(page - 1) * size : page * size]]
    value: object = shown if name is None else {"total_count": total, name: shown}
    return Reply(200, value, {"link": ", ".join(parts)} if parts else {})


def created_filter(text: str) -> Callable[[datetime], bool]:
    """GitHub's date search: `A..B`, `>=A`, `<A`, `A`, with `*` for an open end; both ends
    count. ValueError if malformed.
    """

    def parse(part: str) -> datetime:
        time = datetime.fromisoformat(part.replace("Z", "+00:00"))
        return time if time.tzinfo else time.replace(tzinfo=UTC)

    def end_of(part: str) -> datetime:
        return parse(part) + (timedelta(days=1, seconds=-1) if "T" not in part else timedelta())

    if ".." in text:
        low, high = text.split("..", 1)
        first = parse(low) if low != "*" else datetime.min.replace(tzinfo=UTC)
        last = end_of(high) if high != "*" else datetime.max.replace(tzinfo=UTC)
        return lambda time: first <= time.replace(microsecond=0) <= last
    found = re.match(r"(>=|<=|>|<)?(.+)$", text)
    if found is None:
        raise ValueError(text)
    sign, time_text = found.groups()
    edge = parse(time_text)
    match sign:
        case ">=":
            return lambda time: time >= edge
        case "<=":
            return lambda time: time <= end_of(time_text)
        case ">":
            return lambda time: time > end_of(time_text)
        case "<":
            return lambda time: time < edge
        case _:
            return lambda time: edge <= time <= end_of(time_text)
