"""Failures that are one error: grouped before anything is decided, and each given its own verdict afterwards.

What belongs here: the groups, and one member's verdict made from its group's. Does not: who decides (`judge.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ci_metrics.models import Extraction, Usage, Verdict
from ci_metrics.verdicts.request import JudgeRequest
from ci_metrics.verdicts.reuse import (
    StoredVerdict,
    for_another,
    label_key,
    partition_of,
    sketch_of,
    subject_of,
    verdict_key,
    with_threshold,
)

#: How the `detail` of a verdict begins that stands in for a failed model.
MODEL_FAILED = "the model failed"

#: Who decided a group.
Decided = Literal["rules", "human", "reused", "asked", "pending", "failed"]


@dataclass(slots=True, kw_only=True)
class Group:
    """The failures that are one error (indices of requests), and what was decided for all of them."""

    subject: str
    key: str
    label: str  # the key of a person's verdict on all failures like it; "" where none can be
    fingerprint: str
    version: str  # of the classifier
    lead: int  # the one that is asked about
    repo: str = ""  # the lead's
    sketch: str = ""  # of the lead's excerpt, where a stranger's verdict needs a likeness to count
    members: list[int] = field(default_factory=list)
    primary: bool = False  # whether a model may be asked
    fresh: bool = False  # whether a stored verdict is to be passed over
    partitions: set[str] = field(default_factory=set)
    stored: StoredVerdict | None = None  # of the same version, usable or not
    first: Verdict | None = None  # an answer of low confidence that a batch brought
    decided: Decided = "rules"
    verdict: Verdict | None = None  # for all members; None: each has its own rules' verdict
    why: str = ""  # it is not the model's
    usage: Usage = field(default_factory=Usage)  # paid now
    calls: int = 0
    payer: int | None = None  # the member whose failure was asked about when the stored verdict was paid

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
        subject = subject_of(request.error, request.extraction, request.repo)
        version = version_for(request.extraction)
        key = verdict_key(subject, version)
        made = Group(
            subject=subject,
            key=key,
            label=label_key(request.error),
            fingerprint=request.error.fingerprint,
            version=version,
            lead=index,
        )
        group = groups.setdefault(key, made)
        if request.primary and not group.primary:
            group.primary, group.lead = True, index
        group.members.append(index)
        group.fresh = group.fresh or request.fresh
        partition = partition_of(request.run, request.job)
        if partition:
            group.partitions.add(partition)
    for group in groups.values():
        lead = requests[group.lead]
        if lead.error is not None:
            group.repo, group.sketch = lead.repo, sketch_of(lead.error, lead.extraction)
    return list(groups.values())


def take(group: Group, stored: StoredVerdict, requests: Sequence[JudgeRequest]) -> None:
    """Let a stored verdict decide the group. Where the model proved nothing, the rules decide on the log at hand."""
    group.stored = stored
    own = [i for i in group.members if stored.job_id and requests[i].job_id == stored.job_id]
    group.payer = group.lead if group.lead in own else next(iter(own), None)
    if stored.verdict.source in ("model", "human"):
        group.decided, group.verdict = "reused", stored.verdict
    else:
        group.primary, group.why = False, stored.verdict.detail


def member_verdict(group: Group, index: int, request: JudgeRequest, rules: Verdict, threshold: float) -> Verdict:
    """The verdict of one member: what its group got, on its own log; the rules' own where nobody else decided.

    Money stands with the one member that was asked about, also when its hour is done again and finds the verdict stored.
    """
    usage = request.spent
    if group.payer is not None:
        usage += group.stored.verdict.usage if group.stored and index == group.payer else Usage()
    elif index == group.lead:
        usage += group.usage
    if group.verdict is not None and request.error is not None:
        asked_here = index == (group.lead if group.decided == "asked" else group.payer)
        verdict = group.verdict if asked_here else for_another(group.verdict, request.extraction, request.error)
        return with_threshold(replace(verdict, usage=usage), threshold)
    if group.decided == "pending":
        return _pending(with_threshold(rules, threshold), group.why, usage)
    verdict = with_threshold(replace(rules, usage=usage), threshold)
    if group.decided == "failed":
        detail = f"{MODEL_FAILED}: {group.why}"
        if verdict.state == "classified":
            return replace(verdict, detail=f"{detail}; the rules answered instead")
        return replace(verdict, state="llm_failed", detail=detail)
    return replace(verdict, detail=group.why) if group.why else verdict


def _pending(rules: Verdict, why: str, usage: Usage) -> Verdict:
    """What is said of an error that the model will be asked about later: what the rules saw, as a guess."""
    guess = f"{rules.error_type} ({rules.confidence:.0%} sure)" if rules.error_type else ""
    meanwhile = f"Not judged by the model yet; the embedded classifier's guess is {guess}. " if guess else ""
    return replace(
        rules,
        state="pending",
        error_type=None,
        guess=rules.error_type or rules.guess,
        summary=meanwhile + rules.summary,
        detail=f"pending: {why}",
        usage=usage,
    )
