"""Once per distinct error: what is kept of a verdict, when it may be used again, and
how it fits another failure.

What belongs here: the `VerdictStore` protocol, the keys, the tests for reuse. Does not: any store's
implementation (verdicts do not know the index), asking a model.

Within a repository's own runs, failures of one fingerprint are one error. Another repository's
decide only where the identity names more than a tool's fixed sentence ("The operation was
canceled."), or where the two excerpts are nearly equal; and never where the fingerprint is generic.
A pull request's log, which a stranger may write, decides for failures of the same head repository
and nobody else; what own runs proved holds for pull requests too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ci_metrics.llm.quotes import moved_evidence
from ci_metrics.models import ExtractedError, Extraction, Job, Run, Usage, Verdict
from ci_metrics.settings import Settings
from ci_metrics.verdicts.excerpt_similarity import near_equal, sketch
from ci_metrics.verdicts.log_origin import Origin

#: How an hour is named: as the assets name their partitions (the chain's tests
#: hold the two together).
PARTITION_FORMAT = "%Y-%m-%dT%H"

#: An hour's name is kept with a verdict so that it never pays twice; so many of them.
MOST_PARTITIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVerdict:
    """A verdict as it is kept, by its key."""

    key: str
    verdict: Verdict
    group: str = ""
    created_at: datetime
    partitions: tuple[str, ...] = ()  # the hours that asked for it
    calls: int = 0  # how often a model was asked for it: 0 for rules and humans
    owner: str = ""  # the process that wrote it
    job_id: str = ""  # whose failure was asked about: the money stands in its document, the evidence in its log
    doubted: bool = False  # it stands for that failure only (`trust.py`)
    sketch: str = (
        ""  # of its excerpt (`excerpt_similarity.py`); "" where the identity alone says that two failures are one
    )

    @property
    def origin(self) -> Origin:
        """Who could have written that failure's log."""
        return Origin.parse(self.verdict.origin)

    @property
    def in_vain(self) -> Usage:
        """What was paid for answers of which no verdict came: the next verdict
        of the key takes it over.
        """
        return self.verdict.usage if self.verdict.state == "llm_failed" else Usage()

    def sample_beside(self, job_id: str) -> Verdict | None:
        """A model's answer about another failure than this job's; None where it is none."""
        asked = self.calls > 0 and self.verdict.source == "model"
        return self.verdict if asked and self.job_id != job_id else None


class VerdictStore(Protocol):
    """Where verdicts are kept, shared by all processes."""

    def get(self, keys: Sequence[str]) -> Mapping[str, StoredVerdict]:
        """Those of the keys that are there."""

    def put(self, verdicts: Sequence[StoredVerdict]) -> None:
        """Write them, replacing those of the same key."""

    def of_fingerprints(self, fingerprints: Sequence[str], classifier_version: str) -> Sequence[StoredVerdict]:
        """Those of these fingerprints and this version that have a sketch, under
        whatever keys, newest first.
        """

    def claim(self, key: str, owner: str, ttl: float) -> bool:
        """Say that `owner` is about to find this verdict out, for `ttl` seconds;
        False when another one is.

        Claiming again what one holds is True and renews it.
        """

    def release(self, key: str, owner: str) -> None:
        """Give a claim back; nothing happens when another one holds it."""

    def serve(self, partitions: Mapping[str, Sequence[str]]) -> None:
        """Note, for each of these keys, all the hours that its verdict has served."""

    def note_spent(self, process: str, hour: datetime, dollars: float) -> None:
        """Note what a process has spent in a clock hour so far, in place of what it noted before.

        Batches are not part of it: their ledger knows when they were sent.
        """

    def spent_since(self, since: datetime) -> float:
        """US dollars that processes noted for the clock hours from then on."""


def subject_of(error: ExtractedError, extraction: Extraction, origin: Origin) -> str:
    """What is asked once: the fingerprint, where it names the cause and the log is trusted.

    Where it names only a kind of failure, it is asked once a repository; what comes from pull
    requests, once a head repository; a generic one, which says nothing of the cause, for each text
    of an excerpt: "Process completed with exit code 1" is not one error because its line is one
    line.
    """
    if error.generic:
        text = "\n".join(line.text for line in extraction.lines) or extraction.excerpt
        return kept_apart(error.fingerprint, str(origin), text)
    if error.telling and (origin.trusted or not origin.repo):
        return error.fingerprint
    return kept_apart(error.fingerprint, str(origin))


def kept_apart(fingerprint: str, origin: str, text: str = "") -> str:
    """A fingerprint kept apart by where its log is from, and by an excerpt's
    text where that counts too.
    """
    whole = f"{origin}\n{text}".encode("utf-8", "replace")
    return f"{fingerprint}.{hashlib.sha256(whole).hexdigest()[:12]}"


def sketch_of(error: ExtractedError, extraction: Extraction) -> str:
    """The sketch by which another repository's failure of the same fingerprint may be told to be
    this one; "" where none is needed.
    """
    return "" if error.telling or error.generic else sketch(line.text for line in extraction.lines)


def verdict_key(subject: str, classifier_version: str) -> str:
    """The id of a verdict's document."""
    return f"{subject}-{classifier_version}"


def human_key(subject: str) -> str:
    """The id of a human's verdict: of no classifier version, so it outlives all of them."""
    return f"{subject}-human"


def label_key(error: ExtractedError) -> str:
    """The id of a person's verdict on all failures like this one; "" for a generic
    error, which none is like.
    """
    return "" if error.generic else human_key(error.fingerprint)


def partition_of(run: Run | None, job: Job | None) -> str:
    """The hour a failure belongs to: its run's creation; "" when unknown."""
    when = run.created_at if run is not None else job.created_at if job is not None else None
    if when is None:
        return ""
    return when.astimezone(UTC).replace(minute=0, second=0, microsecond=0).strftime(PARTITION_FORMAT)


def reusable(stored: StoredVerdict, *, origin: Origin, partitions: Set[str], now: datetime, settings: Settings) -> bool:
    """Whether a stored verdict of the right version answers for a failure from
    `origin` in one of `partitions`.

    An hour that already asked for it takes it whatever its age and confidence: the same logs would
    be paid for again. Any other hour takes it within CLASSIFICATION_CACHE_TTL_HOURS and from
    MIN_CONFIDENCE_FOR_REUSE on. What the rules said without a model being asked is not reused: they
    are free and quote the log at hand. Nor is what a pull request's log says, elsewhere.
    """
    if stored.calls == 0 or stored.verdict.state not in ("classified", "unknown", "no_error_found"):
        return False
    served = not partitions.isdisjoint(stored.partitions)
    if not stored.origin.repo and origin.repo:  # kept before origins were noted
        return served
    if stored.origin != origin and not stored.origin.trusted:
        return False
    fresh = now - stored.created_at <= timedelta(hours=settings.classification_cache_ttl_hours)
    return served or (fresh and stored.verdict.confidence >= settings.min_confidence_for_reuse)


def same_story(stored: StoredVerdict, *, repo: str, sketch: str) -> bool:
    """Whether a stored verdict of the same fingerprint, which names no more than a kind, speaks
    of a failure in `repo` too.
    """
    return stored.origin.repo == repo or near_equal(stored.sketch, sketch)


def with_threshold(verdict: Verdict, threshold: float) -> Verdict:
    """Below CONFIDENCE_THRESHOLD the type is withheld and kept as the guess; from it on,
    a kept guess is the type.

    A human's verdict is not withheld.
    """
    if verdict.source == "human":
        return verdict
    if verdict.state == "unknown" and verdict.guess is not None and verdict.confidence >= threshold:
        return replace(verdict, state="classified", error_type=verdict.guess, guess=None)
    if verdict.state == "classified" and verdict.confidence < threshold:
        return replace(verdict, state="unknown", error_type=None, guess=verdict.error_type)
    return verdict


def for_another(verdict: Verdict, extraction: Extraction, error: ExtractedError) -> Verdict:
    """The same verdict for another failure of the same error: free, and quoting the
    lines of that failure's log.
    """
    return replace(
        verdict,
        source="human" if verdict.source == "human" else "reused",
        usage=Usage(),
        evidence=moved_evidence(verdict.evidence, extraction, error),
        fingerprint=error.fingerprint,
    )
