"""A log that belongs to no job in an index, read and judged: a file, standard input, or text that
an agent hands over.

Belongs here: extraction and verdicts of one log, by the embedded classifier or the configured
model. Does not: reading files (`log_input.py`), printing, jobs (`job_lookup.py`).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

from ci_metrics.catalogue import Catalogue, catalogue_in_force
from ci_metrics.classifier import Classifier
from ci_metrics.classifier.active_taxonomy import taxonomy_in_force
from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.commands.log_input import checked, logs_of
from ci_metrics.errors import SettingsError
from ci_metrics.logs import Background, extract, redact
from ci_metrics.logs.junit_report import HEAD, extract_junit, is_junit
from ci_metrics.logs.ranking_reasons import extract_with_ranking
from ci_metrics.models import ExtractedError, Extraction, Job, Verdict
from ci_metrics.report.verdict_reasons import WhyOfLog
from ci_metrics.settings import Settings

if TYPE_CHECKING:
    from ci_metrics.llm.client_protocol import ModelClient


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedLog:
    """What one log says: the verdict on its root cause, and its other errors."""

    extraction: Extraction
    verdict: Verdict
    others: tuple[tuple[ExtractedError, Verdict], ...] = ()  # distinct, in the log's order of importance
    account: WhyOfLog | None = None
    jobs: tuple[tuple[str, JudgedLog], ...] = ()  # those that failed, by name, where the log holds several


class LogJudge:
    """Judges logs by what the settings put in force; `model`: asked too, None for none."""

    def __init__(self, settings: Settings, model: ModelClient | None = None) -> None:
        """See `opened_judge`."""
        self.settings = settings
        self.catalogue: Catalogue = catalogue_in_force(settings.catalogue_dir)
        self.taxonomy: Taxonomy = taxonomy_in_force(settings.taxonomy_file, self.catalogue)
        self.classifier = Classifier(self.taxonomy, self.catalogue)
        self._model = model

    def read(self, log: BinaryIO | bytes, job: Job | None = None, background: Background | None = None) -> Extraction:
        """The errors of one log, or of a JUnit report. Raises ContractError for a broken report."""
        budget = self.settings.excerpt_budget
        if _is_report(log):
            data = log if isinstance(log, bytes) else log.read()
            return extract_junit(data, "the report", self.catalogue, budget)
        return extract(log, job=job, background=background, budget=budget, catalogue=self.catalogue)

    def judge(
        self,
        log: BinaryIO | bytes,
        *,
        job: Job | None = None,
        background: Background | None = None,
        why: bool = False,
    ) -> JudgedLog:
        """The verdicts on one log; `why`: with an account of what weighed. Input that is no text
        has the state `no_log`, and the summary says what it is. Of a log of several jobs each is
        judged for itself, and the first that failed speaks for all.
        """
        log = log if isinstance(log, bytes) or not why else log.read()  # the account reads it twice
        no_text, log = checked(log)
        if no_text:
            nothing = Verdict(state="no_log", error_type=None, confidence=0.0, summary=f"No log: {no_text}.")
            return JudgedLog(extraction=Extraction(state="no_log"), verdict=nothing)
        judged = [(each.name, self._judged(each.log, each.job, background, why=why)) for each in logs_of(log, job)]
        if len(judged) == 1:
            return judged[0][1]
        failed = tuple((name, each) for name, each in judged if each.extraction.errors)
        return replace((failed or judged)[0][1], jobs=failed)

    def _judged(self, log: BinaryIO | bytes, job: Job | None, background: Background | None, *, why: bool) -> JudgedLog:
        extraction = self.read(log, job, background)
        verdict = self._verdict(extraction, job)
        account = None
        if why and isinstance(log, bytes) and not _is_report(log):
            again, ranking = extract_with_ranking(
                log, job=job, background=background, budget=self.settings.excerpt_budget, catalogue=self.catalogue
            )
            account = WhyOfLog(ranking=ranking, decision=self.classifier.explained(again, job))
        return JudgedLog(
            extraction=extraction, verdict=verdict, others=tuple(self._others(extraction, job)), account=account
        )

    def _verdict(self, extraction: Extraction, job: Job | None) -> Verdict:
        if self._model is None or not extraction.errors:
            return self.classifier.judge(extraction, job=job)
        from ci_metrics.verdicts.judge import Judge  # takes 0.1 s, which a log without a model can do without
        from ci_metrics.verdicts.judge_request import primary_requests

        settings = self.settings.model_copy(update={"enable_error_classification": True})
        judge = Judge(
            settings=settings,
            taxonomy=self.taxonomy,
            rules=self.classifier,
            store=None,  # nothing is looked up, and nothing is kept
            model=self._model,
            redact=redact,
        )
        return judge.judge(primary_requests(extraction, job)[:1])[0]

    def _others(self, extraction: Extraction, job: Job | None) -> Iterator[tuple[ExtractedError, Verdict]]:
        seen = {error.fingerprint for error in extraction.errors[:1]}
        for error in extraction.errors[1:]:
            if error.fingerprint not in seen:
                seen.add(error.fingerprint)
                yield error, self.classifier.judge(extraction, error, job)


@contextmanager
def opened_judge(settings: Settings, *, ask_model: bool = False) -> Iterator[LogJudge]:
    """A judge of logs. `ask_model`: it asks the configured model. Raises SettingsError without a
    key.
    """
    with contextlib.ExitStack() as stack:
        model = None
        if ask_model:
            from ci_metrics.llm.clients import build_client  # only where a model is asked

            model = build_client(settings.model_copy(update={"enable_error_classification": True}))
            if model is None:
                advice = "Set it, and API_BASE_URL for another endpoint than the vendor's; or leave out --model"
                raise SettingsError("ANTHROPIC_API_KEY", "not set, while --model asks for a model's verdict", advice)
            stack.callback(model.close)
        yield LogJudge(settings, model)


def _is_report(log: BinaryIO | bytes) -> bool:
    """Whether it begins as JUnit XML does."""
    head = log if isinstance(log, bytes) else log.peek(HEAD) if isinstance(log, io.BufferedReader) else b""
    return is_junit(head)
