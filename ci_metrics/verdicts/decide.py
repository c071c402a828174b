"""Second step of a verdict's way: who decides each question, by what is
kept of it and the settings.

What belongs here: the decision and its record; pure. Does not: asking (`ask.py`), the verdicts that
follow for each failure (`settle.py`).

    human verdict -> stored verdict, fresh and sure enough -> model (when on) -> rules
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ci_metrics.models import Usage, Verdict
from ci_metrics.settings import Settings
from ci_metrics.verdicts.lookup import KeptVerdicts
from ci_metrics.verdicts.question import FailureCase, Question
from ci_metrics.verdicts.reuse import StoredVerdict, reusable, same_story

#: Who decides: rules (the embedded classifier), a human, a stored verdict, a model that is still to
#: be asked (ask) or was; nobody yet (pending); the model was asked in vain (failed).
DecidedBy = Literal["rules", "human", "reused", "ask", "asked", "pending", "failed"]

#: Why the rules decide although a model has judged an equal failure.
DOUBTED = "a model judged an equal failure otherwise; that holds for others only once it says it of two"

#: The `owner` of verdicts that a message batch brought.
IN_A_BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """Who decides one question, and what was decided so far."""

    question: Question
    by: DecidedBy
    verdict: Verdict | None = None  # for all members; None: each has its own rules' verdict
    why: str = ""  # it is not the model's
    usage: Usage = field(default_factory=Usage)  # paid for it now
    calls: int = 0  # of the model, now
    seen: StoredVerdict | None = None  # what was kept under its key before, of use or not
    taken: StoredVerdict | None = None  # the stored verdict that decides
    first: Verdict | None = None  # an answer of low confidence, after which more context is due
    doubted: bool = False  # the verdict is only for the member that was asked about (`trust.py`)

    @property
    def payer(self) -> FailureCase | None:
        """The member that was asked about when the verdict taken was paid."""
        if self.taken is None or not self.taken.job_id:
            return None
        own = [case for case in self.question.members if case.request.job_id == self.taken.job_id]
        return self.question.lead if self.question.lead in own else next(iter(own), None)


def decide(found: KeptVerdicts, *, settings: Settings, now: datetime, model: bool) -> Decision:
    """Who decides this question; `model`: whether there is one to ask."""
    question, stored = found.question, found.stored
    if found.human is not None:
        human = replace(found.human.verdict, source="human")
        return Decision(question=question, by="human", verdict=human, seen=stored)
    first = None
    if stored is not None and not question.fresh and _answers(stored, question, settings, now):
        if stored.doubted and _not_here(stored, question):
            if not question.partitions.isdisjoint(stored.partitions):  # this hour has asked already
                return Decision(question=question, by="rules", why=DOUBTED, seen=stored)
        elif not _asked_once(stored, question, settings):
            return decided_by(stored, question)
        else:
            first = stored.verdict
    for other in (*([found.trusted] if found.trusted else ()), *found.elsewhere):
        fits = other is found.trusted or same_story(other, repo=question.origin.repo, sketch=question.sketch)
        if fits and not question.fresh and not other.doubted and _answers(other, question, settings, now):
            return decided_by(other, question)
    ask = model and _worth_asking(question, settings)
    return Decision(question=question, by="ask" if ask else "rules", seen=stored, first=first)


def decided_by(stored: StoredVerdict, question: Question) -> Decision:
    """The decision of a stored verdict. Where the model proved nothing, the rules
    decide on the log at hand.
    """
    if stored.verdict.source in ("model", "human"):
        return Decision(
            question=question, by="reused", verdict=stored.verdict, seen=stored, taken=stored, doubted=stored.doubted
        )
    return Decision(question=question, by="rules", why=stored.verdict.detail, seen=stored, taken=stored)


def _answers(stored: StoredVerdict, question: Question, settings: Settings, now: datetime) -> bool:
    return reusable(stored, origin=question.origin, partitions=question.partitions, now=now, settings=settings)


def _not_here(stored: StoredVerdict, question: Question) -> bool:
    return all(case.request.job_id != stored.job_id for case in question.members)


def _asked_once(stored: StoredVerdict, question: Question, settings: Settings) -> bool:
    """Whether a batch brought an unsure answer: it asks once, and the question with
    more context is still due.
    """
    unsure = stored.verdict.confidence < settings.low_confidence
    return stored.owner == IN_A_BATCH and stored.calls == 1 and unsure and question.lead.request.larger is not None


def _worth_asking(question: Question, settings: Settings) -> bool:
    rules = question.lead.rules
    if not question.primary or rules.state in ("no_error_found", "no_log"):
        return False
    sure = rules.state == "classified" and rules.confidence >= settings.low_confidence
    return settings.model_policy == "all" or not sure or question.lead.request.fresh
