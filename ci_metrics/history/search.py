"""Finding failures: the filters of `ci-metrics search`, answered alike by both indices.

What belongs here: filters to conditions, wildcards, what to suggest when a name does not
exist. Does not: printing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from itertools import islice

from ci_metrics.errors import SettingsError
from ci_metrics.history.attempts import narrowed
from ci_metrics.history.failures import FAILURE_FIELDS
from ci_metrics.history.metrics import FAILURE, MAYBE_FAILED
from ci_metrics.history.time_range import TIME, Window
from ci_metrics.index.document_index import Document, DocumentIndex, Kind, Where

_WILD = "*?"

#: The fields that steps do not have, or only they do.
_ONLY_JOBS = frozenset(
    {"errors", "l_queue_time_sec", "s_runner_labels", "s_runner_prefix", "l_runner_minutes", "f_runner_cost_usd"}
)


#: Values that a message lists where none is like the one asked for: all the categories, and the
#: most frequent of more.
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is looked for; "" means anything. Names may hold `*` and `?`; `text` is
    words, all of which must occur.
    """

    type: str = field(default="", metadata={"field": "s_error_type"})
    state: str = field(default="", metadata={"field": "s_error_state"})
    group: str = field(default="", metadata={"field": "s_error_group"})
    repo: str = field(default="", metadata={"field": "s_repo"})
    workflow: str = field(default="", metadata={"field": "s_workflow_name"})
    job: str = field(default="", metadata={"field": "s_job_name"})
    branch: str = field(default="", metadata={"field": "s_branch"})
    pr: str = field(default="", metadata={"field": "s_pr_id"})
    step: str = field(default="", metadata={"field": "s_step_name"})
    owner: str = field(default="", metadata={"field": "s_owner"})
    domain: str = field(default="", metadata={"field": "s_error_domain"})
    text: str = ""
    window: Window | None = None

    @property
    def kind(self) -> Kind:
        """Steps are looked at when a step is asked for: a failed step's
        document carries its own error.
        """
        return "steps" if self.step else "jobs"


def find_failures(index: DocumentIndex, filters: Filters, limit: int | None = None) -> list[Document]:
    """The failed jobs (or steps) that fit, newest first, at most `limit`.

    Raises SettingsError naming the option when a name does not occur in the index at all.
    """
    where = conditions(index, filters)
    wanted = fields_of_kind(filters.kind)
    if limit is None:
        found = index.scan(filters.kind, where, fields=wanted, sort="-" + TIME)
    else:
        found = newest_first(index, filters.kind, where, wanted, 2 * limit)
    return list(islice((document for document in found if FAILURE.holds(document.body)), limit))


def newest_first(
    index: DocumentIndex, kind: Kind, where: Where, fields: Sequence[str], at_once: int
) -> Iterator[Document]:
    """The matching documents, newest first, for who needs the first few: `at_once` are read, and
    ten times as many where that was not enough. OpenSearch reads what it is asked for.
    """
    given: set[str] = set()
    found: list[Document] | None = None
    while found is None or len(found) == at_once:
        at_once *= 1 if found is None else 10
        found = list(index.scan(kind, where, fields=fields, sort="-" + TIME, limit=at_once))
        yield from (document for document in found if document.id not in given)
        given.update(document.id for document in found)


def conditions(index: DocumentIndex, filters: Filters) -> Where:
    """The filters as conditions on documents. Raises SettingsError as `find_failures`."""
    where = Where(
        equals={"s_status": MAYBE_FAILED},
        text=filters.text,
        ranges=filters.window.where().ranges if filters.window else {},
    )
    for option in fields(filters):
        name = option.metadata.get("field")
        asked = getattr(filters, option.name)
        if not name or not asked:
            continue
        if name == "s_error_state" and asked == "off":
            where = Where(equals=where.equals, ranges=where.ranges, text=where.text, missing=("s_error_state",))
        else:
            values = _types if name == "s_error_type" else _values
            where = narrowed(where, equals={name: values(index, filters.kind, name, option.name, asked)})
    return where


def repositories(index: DocumentIndex, asked: str) -> tuple[str, ...]:
    """The index's repositories that names separated by commas stand for; () for "". Raises
    SettingsError as `find_failures`.
    """
    names = [name.strip() for name in asked.split(",") if name.strip()]
    return tuple(dict.fromkeys(found for name in names for found in _values(index, "jobs", "s_repo", "repo", name)))


def fields_of_kind(kind: Kind) -> tuple[str, ...]:
    """The fields to read of a kind."""
    return FAILURE_FIELDS if kind == "jobs" else tuple(name for name in FAILURE_FIELDS if name not in _ONLY_JOBS)


def _types(index: DocumentIndex, kind: Kind, name: str, option: str, asked: str) -> tuple[str, ...]:
    """As `_values`, and the project's own categories whose parent is one of those."""
    parents = _there(index, kind, "s_error_base_type", asked)
    if not parents:
        return _values(index, kind, name, option, asked)
    kinds = index.count_by(kind, name, Where(equals={"s_status": MAYBE_FAILED, "s_error_base_type": parents}))
    return tuple(sorted({*kinds, *_there(index, kind, name, asked)}))


def _values(index: DocumentIndex, kind: Kind, name: str, option: str, asked: str) -> tuple[str, ...]:
    """The index's own values that an asked name stands for. Raises
    SettingsError as `find_failures`.
    """
    found = _there(index, kind, name, asked)
    if found or _wild(asked):
        return found or (asked,)  # a pattern that fits nothing finds nothing
    there = index.count_by(kind, name, Where(equals={"s_status": MAYBE_FAILED}))
    near = difflib.get_close_matches(asked, there, n=3, cutoff=0.4) or sorted(there, key=lambda v: -there[v])[:_SHOWN]
    more = f" and {len(there) - len(near)} more" if len(near) == _SHOWN < len(there) else ""
    advice = f"There is {', '.join(f'“{value}”' for value in near)}{more}" if near else "No failed job has one"
    if near:
        advice += "; * and ? stand for any text"
    raise SettingsError(f"--{option}", f"no failure has “{asked}”", advice)


def _there(index: DocumentIndex, kind: Kind, name: str, asked: str) -> tuple[str, ...]:
    """The values of a field, in documents that may have failed, that an
    asked name or pattern fits.
    """
    wild = _wild(asked)
    if not wild and next(index.scan(kind, Where(equals={name: asked}), fields=(name,), limit=1), None):
        return (asked,)
    values = index.count_by(kind, name, Where(equals={"s_status": MAYBE_FAILED}))
    fits = [v for v in values if (fnmatchcase(v.lower(), asked.lower()) if wild else v.lower() == asked.lower())]
    return tuple(sorted(fits))


def _wild(asked: str) -> bool:
    return any(character in asked for character in _WILD)
