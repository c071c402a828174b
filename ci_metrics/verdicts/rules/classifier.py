"""The classifier itself: an extraction in, a verdict out.

What belongs here: which lines are looked at, and how a decision is worded. Does not: rules, weights, thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ci_metrics.models import Evidence, ExtractedError, Extraction, Job, LogLine, Verdict
from ci_metrics.verdicts.rules.commands import commands_of, script_numbers
from ci_metrics.verdicts.rules.loading import Rule
from ci_metrics.verdicts.rules.looking import errors_of, lines_of, marked
from ci_metrics.verdicts.rules.matching import Hit, bare, match_lines
from ci_metrics.verdicts.rules.second_opinion import WORDS, how_sure, overrules
from ci_metrics.verdicts.rules.weighing import CONTEXT, END, SUMMARY, SURE, Decision, decide
from ci_metrics.verdicts.taxonomy import Taxonomy
from ci_metrics.verdicts.words import Opinion, opinion_on

#: The tag of rules that know a job without a cause of its own: cancelled, or a gate that repeats that another job failed.
AGGREGATE = "aggregate"
_QUOTE = 300  # characters of a line that a summary repeats


class RulesClassifier:
    """Judges failures by rules and words: no network, no state, the same answer for the same text."""

    def __init__(
        self, taxonomy: Taxonomy, words: Callable[[Sequence[ExtractedError]], Opinion | None] = opinion_on
    ) -> None:
        """`words` gives the second opinion: that of the weights in force, unless a test or a bench asks by others."""
        self._taxonomy = taxonomy
        self._words = words

    def judge(self, extraction: Extraction, error: ExtractedError | None = None, job: Job | None = None) -> Verdict:
        """The verdict on a job's root cause, or on `error` alone when another of the job's errors is given.

        The root cause (no `error`, or the extraction's first) is judged by everything the excerpt shows: a summary, the goal
        that failed or the runner's last word often stands in another block than the first error.
        `job` adds the failed step's name where the extraction has none. Never raises for what a log says; where nothing fits the
        state is "unknown" and the summary says what was seen.
        """
        if error is None and extraction.state != "errors":
            return Verdict(state=extraction.state, error_type=None, confidence=0.0, summary="")
        if error is not None and extraction.errors and error == extraction.errors[0]:
            error = None
        root = error or (extraction.errors[0] if extraction.errors else None)
        lines, places = lines_of(extraction, error)
        hits = match_lines([bare(line.text) for line in lines])
        total = extraction.total_lines if error is None else 0  # one error alone was found to be one already
        numbers = [line.number for line in lines]
        scripts = script_numbers(extraction.lines)  # what will be run is a sign of the tool, not of a failure
        hits = [hit for hit in hits if hit.rule.kind == "mark" or numbers[hit.index] not in scripts]
        if error is None:
            commands = commands_of(extraction)
            asked = match_lines(commands, "command")
            hits += [Hit(hit.rule, len(lines)) for hit in asked]  # all at one place that is no line of the log
            places, numbers = [*places, CONTEXT], [*numbers, 0]
        decision = decide(hits, places, numbers, marked=marked(lines), total=total)
        gate = next((hit.rule.headline for hit in hits if AGGREGATE in hit.rule.tags), None)
        if gate is not None and not _cause_of_its_own(decision):
            return Verdict(state="no_error_found", error_type=None, confidence=0.0, summary=gate)
        decision = decision or self._by_step(extraction, error, job)
        opinion = self._words(errors_of(extraction, error))
        guessed = decision is None or decision.winner.hit.rule.scope == "step"
        if guessed and error is None and not _says_that_it_failed(hits, lines):
            opinion = None  # words like those of a failure are in many a log that passed
        overruled = opinion is not None and overrules(opinion, decision) and self._may_overrule(opinion, decision)
        if opinion is not None and overruled:
            if decision is None or decision.rival is None or decision.rival.hit.rule.category != opinion.category:
                return self._by_words(opinion, root)
            decision = Decision(decision.rival, decision.winner)
        if decision is None:
            return _unknown(root, lines)
        rule = decision.winner.hit.rule
        quoted: tuple[LogLine, ...] = (_shown(root),)
        if rule.scope == "line":
            alike = [hit for hit in hits if self._resolve(hit.rule) == self._resolve(rule)]
            rule, quoted = _telling(decision, hits, alike, lines, root)
        return self._verdict(rule, quoted, root, how_sure(decision, opinion, overruled=overruled))

    def _by_step(self, extraction: Extraction, error: ExtractedError | None, job: Job | None) -> Decision | None:
        """What the failed step's name alone suggests: a guess, below every threshold worth setting."""
        name = error.step if error is not None else extraction.failed_step
        if not name and job is not None:
            name = next((step.name for step in job.steps if step.conclusion == "failure"), None)
        hits = match_lines([bare(name)], "step") if name else []
        return decide(hits, [CONTEXT], [0])

    def _may_overrule(self, opinion: Opinion, decision: Decision | None) -> bool:
        """Whether the taxonomy has the words' category, and no category of a project's own claims the rule's verdict."""
        if self._taxonomy.get(opinion.category) is None:
            return False
        return decision is None or self._resolve(decision.winner.hit.rule) == decision.winner.hit.rule.category

    def _by_words(self, opinion: Opinion, root: ExtractedError | None) -> Verdict:
        """The verdict where words alone speak for it: the headline of the root cause is all there is to quote."""
        category = self._taxonomy.get(opinion.category)
        what = opinion.category.replace("_", " ")
        what = f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
        return Verdict(
            state="classified",
            error_type=opinion.category,
            confidence=how_sure(None, opinion, overruled=True),
            summary=f"Worded as {what} is: “{_cut(root.headline if root else '')}”",
            evidence=_evidence(root),
            suggested_fix=category.fix if category else "",
            fingerprint=root.fingerprint if root else "",
            rule=WORDS,
        )

    def _verdict(self, rule: Rule, quoted: tuple[LogLine, ...], root: ExtractedError | None, sure: float) -> Verdict:
        name = self._resolve(rule)
        category = self._taxonomy.get(name) if name else None
        return Verdict(
            state="classified" if name else "unknown",
            error_type=name,
            confidence=sure,
            summary=f"{rule.headline or rule.id}: “{_cut(quoted[0].text)}”",
            evidence=tuple(Evidence(line.number, line.text) for line in quoted if line.number),
            suggested_fix=rule.fix or (category.fix if category else ""),
            fingerprint=root.fingerprint if root else "",
            rule=rule.id,
            guess=None if name else rule.category,
            detail="" if name else f"the taxonomy has no place for {rule.category}",
        )

    def _resolve(self, rule: Rule) -> str | None:
        """The taxonomy's category for a rule: one that claims it, else its own when the taxonomy has it."""
        claims = {rule.id, rule.family, *rule.tags}
        for category in self._taxonomy.categories:
            if claims.intersection(category.rules):
                return category.name
        return rule.category if self._taxonomy.get(rule.category) else None


def _telling(
    decision: Decision,
    hits: Sequence[Hit],
    alike: Sequence[Hit],
    lines: Sequence[LogLine],
    root: ExtractedError | None,
) -> tuple[Rule, tuple[LogLine, ...]]:
    """The rule that names the tool and the lines that prove the verdict, the most telling first.

    What decides is often a summary ("2 errors in 1 file", "FAILURES"). When it stands in the root cause's block or speaks for
    it, the block's headline says more; a rule that knows that line knows the tool best. `alike` are the hits of rules that give the
    same category under the taxonomy in force, so that the quote never changes the verdict.
    """
    winner = decision.winner.hit
    proof = lines[winner.index]
    if root is None or not root.line or root.generic or root.line == proof.number:
        return winner.rule, (proof,)
    head = next((i for i, line in enumerate(lines) if line.number == root.line), None)
    if head is None:
        return winner.rule, (proof,)
    known = [h.rule for h in hits if h.index == head and h.rule.kind == "cause" and h.rule.scope == "line"]
    same = [h.rule for h in alike if h.index == head and h.rule in known]
    speaks_for_it = SUMMARY in winner.rule.tags or any(line.number == proof.number for line in root.lines)
    if same and (speaks_for_it or max(rule.priority for rule in same) >= winner.rule.priority):
        return max(same, key=lambda rule: rule.priority), (lines[head], proof)
    if speaks_for_it and known and max(rule.priority for rule in known) < SURE:
        return winner.rule, (lines[head], proof)
    return winner.rule, (proof,)


def _unknown(root: ExtractedError | None, lines: Sequence[LogLine]) -> Verdict:
    """The verdict where neither rules nor words know a failure: what was seen."""
    seen = root.headline if root else (lines[-1].text if lines else "")
    return Verdict(
        state="unknown",
        error_type=None,
        confidence=0.0,
        summary=f"No rule knows this failure. Seen: “{_cut(seen)}”" if seen else "No rule knows this failure.",
        evidence=_evidence(root),
        fingerprint=root.fingerprint if root else "",
    )


def _says_that_it_failed(hits: Sequence[Hit], lines: Sequence[LogLine]) -> bool:
    """Whether a line says that a command failed, or the runner marked one."""
    return bool(marked(lines)) or any(END in hit.rule.tags for hit in hits)


def _cause_of_its_own(decision: Decision | None) -> bool:
    """Whether a gate's log names a cause beyond the jobs it looks at: only a rule that is sure can say so."""
    return decision is not None and decision.winner.hit.rule.priority >= SURE


def _evidence(root: ExtractedError | None) -> tuple[Evidence, ...]:
    if root is None or root.line is None:
        return ()
    return tuple(Evidence(line.number, line.text) for line in root.lines if line.number == root.line)


def _shown(root: ExtractedError | None) -> LogLine:
    return LogLine(root.line or 0, root.headline) if root else LogLine(0, "")


def _cut(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _QUOTE else text[: _QUOTE - 1] + "…"
