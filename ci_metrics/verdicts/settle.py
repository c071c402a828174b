"""Last step of a verdict's way: each failure's own verdict, and what is kept of the decisions.

What belongs here: decision -> verdicts and records; pure. Does not: who decides (`decide.py`),
keeping what was paid for, which cannot wait for this step (`ask.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from ci_metrics.models import Usage, Verdict
from ci_metrics.verdicts.decide import DOUBTED, Decision
from ci_metrics.verdicts.question import FailureCase
from ci_metrics.verdicts.reuse import StoredVerdict, for_another, with_threshold

#: How the `detail` of a verdict begins that stands in for a failed model.
MODEL_FAILED = "the model failed"


def settle(cases: Sequence[FailureCase], decisions: Iterable[Decision], *, threshold: float) -> list[Verdict]:
    """One verdict a case, in order. `threshold`: CONFIDENCE_THRESHOLD."""
    decided = {id(case): decision for decision in decisions for case in decision.question.members}
    return [_verdict(case, decided.get(id(case)), threshold) for case in cases]


def rules_to_keep(decisions: Iterable[Decision], *, now: datetime, threshold: float) -> list[StoredVerdict]:
    """The rules' verdicts on questions of which nothing is kept yet."""
    return [
        decision.question.stored(decision.question.lead.rules, now=now, threshold=threshold)
        for decision in decisions
        if decision.by == "rules" and not decision.calls and decision.seen is None
    ]


def hours_served(decisions: Iterable[Decision]) -> dict[str, tuple[str, ...]]:
    """By key, all hours that a verdict taken has served, where there are new ones among them."""
    served: dict[str, tuple[str, ...]] = {}
    for decision in decisions:
        if decision.by == "reused" and decision.taken is not None:
            hours = decision.question.hours_with(decision.taken)
            if hours != decision.taken.partitions:
                served[decision.taken.key] = hours
    return served


def _verdict(case: FailureCase, decision: Decision | None, threshold: float) -> Verdict:
    """One failure's verdict: what its question got, on its own log; the rules' own
    where nobody else decided.
    """
    if decision is None:
        return with_threshold(case.rules, threshold)
    usage = case.request.spent + _paid_for(case, decision)
    error = case.request.error
    asked_about = case is (decision.question.lead if decision.by == "asked" else decision.payer)
    if decision.verdict is not None and error is not None and (asked_about or not decision.doubted):
        verdict = decision.verdict if asked_about else for_another(decision.verdict, case.request.extraction, error)
        verdict = replace(verdict, usage=usage, classifier_version=case.rules.classifier_version)
        return with_threshold(verdict, threshold)
    verdict = with_threshold(replace(case.rules, usage=usage), threshold)
    if decision.by == "pending":
        return _pending(verdict, decision.why)
    if decision.by == "failed":
        return _failed(verdict, decision.why)
    why = decision.why or (DOUBTED if decision.doubted else "")
    return replace(verdict, detail=why) if why else verdict


def _paid_for(case: FailureCase, decision: Decision) -> Usage:
    """Money stands with the one member that was asked about, also when its hour is done again
    and finds the verdict stored.
    """
    if decision.payer is not None and decision.taken is not None:
        return decision.taken.verdict.usage if case is decision.payer else Usage()
    return decision.usage if case is decision.question.lead else Usage()


def _failed(rules: Verdict, why: str) -> Verdict:
    detail = f"{MODEL_FAILED}: {why}"
    if rules.state == "classified":
        return replace(rules, detail=f"{detail}; the rules answered instead")
    return replace(rules, state="llm_failed", detail=detail)


def _pending(rules: Verdict, why: str) -> Verdict:
    """What is said of an error that the model will be asked about later: what
    the rules saw, as a guess.
    """
    guess = f"{rules.error_type} ({rules.confidence:.0%} sure)" if rules.error_type else ""
    meanwhile = f"Not judged by the model yet; the embedded classifier's guess is {guess}. " if guess else ""
    return replace(
        rules,
        state="pending",
        error_type=None,
        guess=rules.error_type or rules.guess,
        summary=meanwhile + rules.summary,
        detail=f"pending: {why}",
    )
