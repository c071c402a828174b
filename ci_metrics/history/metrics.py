"""What each number counts, said once: what is drawn in HTML, in SQL, in Dashboards and in
pandas is made from here.

What belongs here: the conditions on a job's (or step's) document, and their four
languages. Does not: counting.

    failure        GitHub's conclusions failure, timed_out and startup_failure, but no gate; a
                   cancelled job only when a cause was found
    gate           a job that only waits for others: it failed because they did
    failure rate   failures among COUNTED, which are failures and passes: `avg` of FAILURE over
                   COUNTED
    unexplained    failures without a category
    flaky          failures that history suspects (SUSPECTED), or confirms as well (CONFIRMED)
    failed time    the duration of failures: what SQL and Dashboards can add up
    lost time      failed time and the re-runs that each failure caused (`lost_time.py`): needs a
                   run's other attempts
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd

Value = str | bool


class Condition(Protocol):
    """Something that holds for a document or does not; a missing field never holds,
    so that `Not` of it does.
    """

    def holds(self, body: Mapping[str, Any]) -> bool:
        """For one document."""

    def mask(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """For each row of a frame with the documents' fields as columns; a column that is not
        there is a missing field.
        """

    @property
    def sql(self) -> str:
        """As SQLite's 0 or 1, over the embedded index's views."""

    @property
    def kuery(self) -> str:
        """In Dashboards' query language."""

    @property
    def painless(self) -> str:
        """In OpenSearch's scripting language, for scripted fields."""


@dataclass(frozen=True, slots=True)
class Is:
    """The field has one of these values."""

    field: str
    values: tuple[Value, ...]

    def holds(self, body: Mapping[str, Any]) -> bool:
        """See Condition."""
        return body.get(self.field) in self.values

    def mask(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """See Condition."""
        return _column(frame, self.field).isin(self.values)

    @property
    def sql(self) -> str:
        """See Condition."""
        return f"ifnull({self.field} in ({', '.join(map(_literal, self.values))}), 0)"

    @property
    def kuery(self) -> str:
        """See Condition."""
        values = " or ".join(_plain(value) for value in self.values)
        return f"{self.field}: {values}" if len(self.values) == 1 else f"{self.field}: ({values})"

    @property
    def painless(self) -> str:
        """See Condition."""
        any_of = ", ".join(_literal(value) if isinstance(value, str) else _plain(value) for value in self.values)
        return f"(doc['{self.field}'].size() != 0 && [{any_of}].contains(doc['{self.field}'].value))"


@dataclass(frozen=True, slots=True)
class Has:
    """The field is there."""

    field: str

    def holds(self, body: Mapping[str, Any]) -> bool:
        """See Condition."""
        return body.get(self.field) is not None

    def mask(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """See Condition."""
        return _column(frame, self.field).notna()

    sql = property(lambda self: f"({self.field} is not null)")
    kuery = property(lambda self: f"{self.field}: *")
    painless = property(lambda self: f"(doc['{self.field}'].size() != 0)")


@dataclass(frozen=True, slots=True)
class Both:
    """Both hold."""

    one: Condition
    other: Condition

    def holds(self, body: Mapping[str, Any]) -> bool:
        """See Condition."""
        return self.one.holds(body) and self.other.holds(body)

    def mask(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """See Condition."""
        return self.one.mask(frame) & self.other.mask(frame)

    sql = property(lambda self: f"({self.one.sql} and {self.other.sql})")
    kuery = property(lambda self: f"({self.one.kuery} and {self.other.kuery})")
    painless = property(lambda self: f"({self.one.painless} && {self.other.painless})")


@dataclass(frozen=True, slots=True)
class Either:
    """One of the two holds, or both."""

    one: Condition
    other: Condition

    def holds(self, body: Mapping[str, Any]) -> bool:
        """See Condition."""
        return self.one.holds(body) or self.other.holds(body)

    def mask(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """See Condition."""
        return self.one.mask(frame) | self.other.mask(frame)

    sql = property(lambda self: f"({self.one.sql} or {self.other.sql})")
    kuery = property(lambda self: f"({self.one.kuery} or {self.other.kuery})")
    painless = property(lambda self: f"({self.one.painless} || {self.other.painless})")


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    of: Condition

    def holds(self, body: Mapping[str, Any]) -> bool:
        """See Condition."""
        return not self.of.holds(body)

    def mask(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """See Condition."""
        return ~self.of.mask(frame)

    sql = property(lambda self: f"(not {self.of.sql})")
    kuery = property(lambda self: f"(not {self.of.kuery})")
    painless = property(lambda self: f"(!{self.of.painless})")


#: GitHub's conclusions that mean "this did not work". A cancelled job joins them only when a cause
#: was found: most are cancelled by a newer push or by a person, and would drown the failures.
FAILED_STATUSES = ("failure", "startup_failure", "timed_out")

#: The statuses that a failure may have: what an index is asked for before `FAILURE` decides.
MAYBE_FAILED = (*FAILED_STATUSES, "cancelled")

#: A job that only waits for others and repeats that they failed, as the verdict on it says. It is
#: told with those others.
_REPEATS_OTHERS = Both(Is("s_error_state", ("no_error_found",)), Has("s_classifier_version"))
GATE = Both(Is("s_status", FAILED_STATUSES), _REPEATS_OTHERS)

FAILURE = Either(
    Both(Is("s_status", FAILED_STATUSES), Not(_REPEATS_OTHERS)),
    Both(Is("s_status", ("cancelled",)), Has("s_error_type")),
)
PASSED = Is("s_status", ("success",))
COUNTED = Either(FAILURE, PASSED)
CANCELLED = Both(Is("s_status", ("cancelled",)), Not(FAILURE))

#: A job that has ended, whichever way; anything else is still going.
ENDED = Is("s_status", (*MAYBE_FAILED, "success", "skipped", "neutral", "action_required", "stale"))

CLASSIFIED = Both(FAILURE, Is("s_error_state", ("classified",)))
UNEXPLAINED = Both(FAILURE, Not(Is("s_error_state", ("classified",))))
SUSPECTED = Both(FAILURE, Is("b_flaky_suspected", (True,)))
CONFIRMED = Both(FAILURE, Is("b_flaky_confirmed", (True,)))

#: What a job ran on: rates on the default branch and of pull requests are different questions.
ON_DEFAULT = Is("s_branch_kind", ("default",))
OF_PULL_REQUEST = Is("s_branch_kind", ("pull_request",))

#: Those that texts may name: in Datasette's queries `{failure}` stands for the condition's SQL.
CONDITIONS: Mapping[str, Condition] = {
    "failure": FAILURE,
    "gate": GATE,
    "passed": PASSED,
    "counted": COUNTED,
    "classified": CLASSIFIED,
    "unexplained": UNEXPLAINED,
    "suspected": SUSPECTED,
    "confirmed": CONFIRMED,
    "on_default": ON_DEFAULT,
    "of_pull_request": OF_PULL_REQUEST,
}


#: Branches that changes are made against, where a document does not say what it ran on.
BASE_BRANCHES = frozenset({"main", "master", "trunk", "develop", "development"})


def branch_kind_of(body: Mapping[str, Any]) -> str:
    """What a job ran on: default, pull_request or other. Of a document that does not say (it is
    older, or the default branch was not known) the branch's name and the event do.

    A pull request's head branch may be called main too (in a fork): such a run is not on the
    default branch.
    """
    said = body.get("s_branch_kind")
    if said:
        return str(said)
    if str(body.get("s_github_event") or "").startswith("pull_request"):
        return "pull_request"
    if body.get("s_branch") in BASE_BRANCHES:
        return "default"
    return "other" if str(body.get("s_pr_id") or "N/A") == "N/A" else "pull_request"


def share(part: float, whole: float) -> float | None:
    """`part` of `whole`, 0 to 1; None when there is no whole."""
    return part / whole if whole else None


def _literal(value: Value) -> str:
    return str(int(value)) if isinstance(value, bool) else f"'{value}'"


def _plain(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else value


def _column(frame: pd.DataFrame, field: str) -> pd.Series[Any]:
    """The column, or one of nothing but missing values."""
    return frame[field] if field in frame else frame.index.to_series().map(lambda _: None)
