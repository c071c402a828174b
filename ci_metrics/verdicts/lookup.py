"""First step of a verdict's way: what is kept of each question.

What belongs here: reading the store, with few requests. Does not: whether what is kept answers the
question (`decide.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ci_metrics.verdicts.question import Question
from ci_metrics.verdicts.reuse import StoredVerdict, VerdictStore


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptVerdicts:
    """What is kept of one question."""

    question: Question
    human: StoredVerdict | None = None  # a person's verdict on all failures like it
    stored: StoredVerdict | None = None  # of its own key
    trusted: StoredVerdict | None = None  # what the repository's own runs got, for a pull request's failure
    elsewhere: tuple[StoredVerdict, ...] = ()  # other repositories', of its fingerprint and version


def look_up(questions: Sequence[Question], store: VerdictStore | None, *, elsewhere: bool) -> list[KeptVerdicts]:
    """What the store has of each question, in order. Raises what the store
    raises when it cannot read.

    `elsewhere`: also what other repositories' failures of the same fingerprint got, for questions
    that have nothing of their own and whose fingerprint alone is not enough.
    """
    if store is None or not questions:
        return [KeptVerdicts(question=question) for question in questions]
    kept = store.get([key for q in questions for key in dict.fromkeys((q.label, q.key, q.trusted_key)) if key])
    unseen = [q for q in questions if elsewhere and _looks_elsewhere(q) and q.key not in kept and q.label not in kept]
    others: dict[tuple[str, str], list[StoredVerdict]] = {}
    for version in sorted({question.version for question in unseen}):
        fingerprints = sorted({q.error.fingerprint for q in unseen if q.version == version})
        for stored in store.of_fingerprints(fingerprints, version):
            others.setdefault((version, stored.verdict.fingerprint), []).append(stored)
    return [
        KeptVerdicts(
            question=question,
            human=kept.get(question.label),
            stored=kept.get(question.key),
            trusted=kept.get(question.trusted_key) if question.trusted_key != question.key else None,
            elsewhere=tuple(
                others.get((question.version, question.error.fingerprint), ()) if question in unseen else ()
            ),
        )
        for question in questions
    ]


def _looks_elsewhere(question: Question) -> bool:
    return question.primary and not question.fresh and bool(question.sketch)
