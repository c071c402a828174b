"""Asking a model about one failure until there is a verdict that stands, within bounds.

What belongs here: the order of second tries (after a bad answer, with more context, with the
stronger model), the money set aside for each, and what one failure's asking came to. Does not: what
is asked at all (`judge.py`).

At most four calls a failure: the first, one more after an unusable answer, one more with a larger
excerpt, one with the stronger model.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.errors import AuthenticationError, CiMetricsError, PermanentError, TransientError
from ci_metrics.llm.answers import better, check_reply
from ci_metrics.llm.client_protocol import (
    ANSWER_TOKENS,
    LONGER_ANSWER_TOKENS,
    TYPICAL_ANSWER_TOKENS,
    ModelClient,
    ModelReply,
)
from ci_metrics.llm.prices import Tokens
from ci_metrics.llm.prompt import NOTES, Prompt, estimated_prefix_tokens
from ci_metrics.llm.quotes import quotable_lines
from ci_metrics.llm.schema import AnswerProblemError
from ci_metrics.models import Extraction, Usage, Verdict
from ci_metrics.settings import Settings
from ci_metrics.verdicts.budget import Budget
from ci_metrics.verdicts.judge_request import JudgeRequest, addressed, larger_extraction, prompt_about

_log = logging.getLogger(__name__)

# A larger excerpt is so many times EXCERPT_BUDGET, but stays below the 100,000 tokens from which
# the default model costs five times as much and which the smallest contexts hold.
_LARGER_FACTOR = 4
_LARGEST_CHARS = 240_000

#: So many failures in a row mean that the endpoint is down: the rest is not tried in this pass.
_FAILURES_IN_A_ROW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What asking came to: an answer that stands, or why there is none;
    and what it cost either way.
    """

    outcome: Literal["answered", "unproven", "pending", "failed"]
    verdict: Verdict | None = None
    usage: Usage = field(default_factory=Usage)
    calls: int = 0
    why: str = ""
    addressed: bool = False  # something that the model was shown speaks to it


def larger_budget(settings: Settings) -> int:
    """Characters of a larger excerpt."""
    return max(settings.excerpt_budget, min(settings.excerpt_budget * _LARGER_FACTOR, _LARGEST_CHARS))


class Asker:
    """Asks one model (and the stronger one) about failures; safe to use from several threads."""

    def __init__(
        self,
        *,
        client: ModelClient,
        settings: Settings,
        taxonomy: Taxonomy,
        budget: Budget,
        redact: Callable[[str], tuple[str, int]] | None,
    ) -> None:
        """All calls of a process should go through clients that share one limiter.

        `redact` masks secrets in names and annotations; without it no annotation is sent.
        """
        self.client, self._settings, self._taxonomy, self._budget = client, settings, taxonomy, budget
        self._redact = redact
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._down = ""
        self.calls = 0
        self.usage = Usage()
        self.cache_warned = False

    @property
    def larger_budget(self) -> int:
        """Characters of a larger excerpt."""
        return larger_budget(self._settings)

    def start_pass(self) -> None:
        """A new pass tries again; after one that found the endpoint down, a single
        failure is enough to stop.
        """
        with self._lock:
            self._in_a_row, self._down = (_FAILURES_IN_A_ROW - 1 if self._down else 0), ""

    def masked(self, request: JudgeRequest) -> JudgeRequest:
        """The failure as it may be sent."""
        return request.redacted(self._redact)

    def prompt(self, request: JudgeRequest, rules: Verdict, extraction: Extraction, note: str = "") -> Prompt:
        """What would be asked about this (masked) failure."""
        return prompt_about(request, self._taxonomy, rules, extraction, note)

    def estimate(self, prompt: Prompt, model: str, *, batch: bool = False, following: bool = False) -> float:
        """About what this prompt costs, in US dollars: its prefix as cached once a cached one was
        seen, before as being written.

        `following`: other questions of the same prefix go out before it, so that it
        will read what they wrote. A batch's prefix counts in full: whether its
        questions find a cache is not known.
        """
        price = self.client.prices.find(model)
        if price is None:
            return 0.0
        whole, prefix = prompt.estimated_tokens, estimated_prefix_tokens(prompt.system)
        caches = self.client.caches_prefix and prefix >= (price.cache_minimum or 0)
        if not batch and (self.usage.cached_tokens or (following and caches)):
            tokens = Tokens(whole - prefix, prefix, 0, TYPICAL_ANSWER_TOKENS)
        elif not batch and caches:
            tokens = Tokens(whole - prefix, 0, prefix, TYPICAL_ANSWER_TOKENS)
        else:
            tokens = Tokens(whole, 0, 0, TYPICAL_ANSWER_TOKENS)
        return price.cost(tokens, batch=batch)

    def ask(self, request: JudgeRequest, rules: Verdict, *, first: Verdict | None = None) -> Asked:
        """Ask until an answer stands or the tries are used up. `first` is an earlier
        answer of low confidence.

        Raises nothing for a failing model: the outcome says so.
        """
        request = self.masked(request)
        tries = _Tries(request, self._settings, best=first)
        if first is not None and not tries.enlarge():
            return tries.end("answered")
        while True:
            model = tries.model or self.client.model
            prompt = self.prompt(request, rules, tries.extraction, tries.note)
            reserved = self.estimate(prompt, model)
            if not self._budget.reserve(reserved):
                return tries.end("pending", "MAX_USD_PER_HOUR is spent for this hour")
            reply: ModelReply | None = None
            try:
                reply = self._call(prompt, model, tries.max_tokens)
            except (TransientError, PermanentError) as failure:
                return tries.end("failed", str(failure))
            finally:
                self._budget.settle(reserved, reply.usage.cost_usd if reply else 0.0)
            tries.count(reply)
            try:
                verdict = check_reply(
                    reply,
                    categories=prompt.categories,
                    taxonomy=self._taxonomy,
                    lines=quotable_lines(tries.extraction, request.error),
                    annotations=request.annotations,
                    last=tries.asked_again,
                )
            except AnswerProblemError as problem:
                if not tries.after(problem):
                    return tries.end("unproven" if problem.problem == "no_valid_quote" else "failed", str(problem))
                continue
            tries.best = better(tries.best, verdict)
            unsure = verdict.state == "unknown" or verdict.confidence < self._settings.low_confidence
            if not (unsure and tries.enlarge()):
                return tries.end("answered")

    def _call(self, prompt: Prompt, model: str, max_tokens: int) -> ModelReply:
        with self._lock:
            if self._down:
                raise TransientError(self._down)
        try:
            reply = self.client.ask(prompt, model=model, max_tokens=max_tokens)
        except CiMetricsError as failure:
            with self._lock:
                self._in_a_row += 1
                if isinstance(failure, AuthenticationError) or self._in_a_row >= _FAILURES_IN_A_ROW:
                    self._down = f"not tried, after {self._in_a_row} failures in a row: {failure}"
            raise
        with self._lock:
            self._in_a_row = 0
            self.calls += 1
            self.usage = self.usage + reply.usage
            self._watch_cache(prompt)
        return reply

    def _watch_cache(self, prompt: Prompt) -> None:
        """Say once that nothing is read from the prompt cache, with what may be the reason."""
        if not self.client.caches_prefix or self.cache_warned or self.calls < 3 or self.usage.cached_tokens:
            return
        self.cache_warned = True
        price = self.client.prices.find(self.client.model)
        least = price.cache_minimum if price and price.cache_minimum else "not known"
        _log.warning(
            "⚠️ No prompt-cache reads in %d calls to %s: the shared prefix has about %d tokens, the model's minimum is "
            "%s. Every call pays for the whole prompt.",
            self.calls,
            self.client.model,
            estimated_prefix_tokens(prompt.system),
            least,
        )


class _Tries:
    """What was tried for one failure, and what is left to try."""

    def __init__(self, request: JudgeRequest, settings: Settings, *, best: Verdict | None) -> None:
        self._request, self._settings = request, settings
        self.extraction = request.extraction
        self.best = best
        self.model = ""  # "" for the client's own
        self.note = ""
        self.max_tokens = ANSWER_TOKENS
        self.asked_again = False
        self._enlarged = False
        self._usage = best.usage if best else Usage()
        self._calls = 1 if best else 0

    def count(self, reply: ModelReply) -> None:
        self._calls += 1
        self._usage = self._usage + reply.usage

    def after(self, problem: AnswerProblemError) -> bool:
        """Prepare the next try after an unusable answer; False when none is left."""
        self.note = NOTES[problem.problem]
        if problem.problem == "no_valid_quote":
            return self.best is None and (self.enlarge() or self._stronger())
        if self.asked_again:
            return False
        self.asked_again = True
        if problem.problem == "truncated":
            self.max_tokens = LONGER_ANSWER_TOKENS
        return True

    def enlarge(self) -> bool:
        """Take a larger excerpt, once; False when there is none."""
        if self._enlarged or self._request.larger is None:
            return False
        self._enlarged = True
        extraction = larger_extraction(self._request, larger_budget(self._settings))
        if extraction is None or extraction.lines == self.extraction.lines:
            return False
        self.extraction = extraction
        return True

    def _stronger(self) -> bool:
        if not self._settings.stronger_model or self.model:
            return False
        self.model = self._settings.stronger_model
        return True

    def end(self, outcome: Literal["answered", "unproven", "pending", "failed"], why: str = "") -> Asked:
        """The result: an answer that stood earlier counts, whatever came after it."""
        if self.best is not None:
            verdict = replace(self.best, usage=self._usage)
            spoken = addressed(self._request, self.extraction)
            return Asked(outcome="answered", verdict=verdict, usage=self._usage, calls=self._calls, addressed=spoken)
        return Asked(outcome=outcome, usage=self._usage, calls=self._calls, why=why)
