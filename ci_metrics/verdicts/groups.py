"""Failures that are one error: grouped before anything is decided, and each given its own verdict afterwards.

What belongs here: the groups, and one member's verdict made from its group's. Does not: who decides (`judge.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ci_metrics.models import Extraction, Usage, Verdict
from ci_metrics.verdicts.request import JudgeRequest
from ci_metrics.verdicts.reuse import StoredVerdict, for_another, partition_of, subject_of, verdict_key, with_threshold

#: How the `detail` of a verdict begins that stands in for a failed model.
MODEL_FAILED = "the model failed"

#: Who decided a group.
Decided = Literal["rules", "human", "reused", "asked", "pending", "failed"]


@dataclass(slots=True, kw_only=True)
class Group:
    """The failures that are one error (indices of requests), and what was decided for all of them."""

    subject: str
    key: str
    lead: int  # the one that is asked about
    members: list[int] = field(default_factory=list)
    primary: bool = False  # whether a model may be asked
    fresh: bool = False  # whether a stored verdict is to be passed over
    partitions: set[str] = field(default_factory=set)
    stored: StoredVerdict | None = None  # of the same version, usable or not
    first: Verdict | None = None  # an answer of low confidence that a batch brought
    decided: Decided = "rules"
    verdict: Verdict | None = None  # for all members; None: each has its own rules' verdict
    why: str = ""  # it is not the model's
    usage: Usage = field(default_factory=Usage)
    calls: int = 0

    @property
    def open(self) -> bool:
        """Whether nobody has decided it yet, so that a model may."""
        return self.primary and self.decided == "rules" and self.calls == 0


def group_failures(requests: Sequence[JudgeRequest], version_for: Callable[[Extraction], str]) -> list[Group]:
    """The distinct errors among the requests, in order; requests without an error belong to none."""
    groups: dict[str, Group] = {}
    for index, request in enumerate(requests):
        if request.error is None or request.extraction.state != "errors":
            continue
        subject = subject_of(request.error, request.extraction)
        key = verdict_key(subject, version_for(request.extraction))
        group = groups.setdefault(key, Group(subject=subject, key=key, lead=index))
        if request.primary and not group.primary:
            group.primary, group.lead = True, index
        group.members.append(index)
        group.fresh = group.fresh or request.fresh
        partition = partition_of(request.run, request.job)
        if partition:
            group.partitions.add(partition)
    return list(groups.values())


def member_verdict(group: Group, index: int, request: JudgeRequest, rules: Verdict, threshold: float) -> Verdict:
    """The verdict of one member: what its group got, on its own log; the rules' own where nobody else decided."""
    lead = index == group.lead
    if group.verdict is not None and request.error is not None:
        if group.decided == "asked" and lead:
            verdict = replace(group.verdict, usage=group.usage)
        else:
            verdict = for_another(group.verdict, request.extraction, request.error)
        return with_threshold(verdict, threshold)
    usage = group.usage if lead else Usage()
    if group.decided == "pending":
        detail = f"pending: {group.why}"
        return replace(rules, state="pending", error_type=None, guess=None, confidence=0.0, detail=detail, usage=usage)
    verdict = with_threshold(replace(rules, usage=usage), threshold)
    if group.decided == "failed":
        detail = f"{MODEL_FAILED}: {group.why}"
        if verdict.state == "classified":
            return replace(verdict, detail=f"{detail}; the rules answered instead")
        return replace(verdict, state="llm_failed", detail=detail)
    return replace(verdict, detail=group.why) if group.why else verdict
