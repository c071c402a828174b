"""How good extractions and verdicts are on labelled logs: the scoring, without
reading or printing anything.

What belongs here: the measures and what they mean. Does not: files, tables,
the classifier under test.

Labels name the acceptable categories, the best first. *strict*: the verdict is the first;
*lenient*: it is any of them. Macro-F1 is strict, over the categories that occur as a best label.
The calibration error compares confidence with lenient correctness in ten equal bins of confidence,
weighted by size (expected calibration error).

First error, of the logs with *decisive* lines (those that a person would quote as the error):
*headline*: the first error's headline is the text of one; *block*: its lines hold one; *any*: some
error's do; *quote*: the verdict's first quote is one. *Mixed* are logs whose first error has the
fingerprint of another log's, though that is of another project, or no category is acceptable for
all of them; generic fingerprints do not count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ci_metrics.evaluation.cases import Case, clean, plain_line
from ci_metrics.models import Evidence, ExtractedError, LineSpan, LogLine

_SHOWN = 60  # characters by which a line is recognised in an excerpt, or in a headline
_TELLING = 20  # characters that a line must have to be recognised by its beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCase:
    """What the project said of one case, and the log's own lines to hold its quotes against."""

    case: Case
    lines: Sequence[str]
    excerpt: str
    spans: tuple[LineSpan, ...]
    error_type: str | None
    confidence: float
    evidence: tuple[Evidence, ...]
    errors: tuple[ExtractedError, ...] = ()  # that the extraction names, the likeliest cause first


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """Strict figures of one category."""

    name: str
    labelled: int
    right: int
    wrong: int  # said so of a log whose best label is another

    @property
    def precision(self) -> float:
        """Of the verdicts that name it, the share that is right; 0 when there is none."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 0.0

    @property
    def recall(self) -> float:
        """Of the logs labelled with it, the share found; 0 when there is none."""
        return self.right / self.labelled if self.labelled else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        total = self.labelled + self.right + self.wrong
        return 2 * self.right / total if total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictScores:
    """How good the verdicts on some answers are. Shares are 0 to 1."""

    scored: int
    strict: float
    lenient: float
    macro_f1: float
    coverage: float  # share with a verdict at all
    calibration_error: float
    quotes: int
    quotes_on_their_line: float
    categories: tuple[CategoryScore, ...]
    confusion: tuple[tuple[str, str, int], ...]  # (best label, verdict, how often), the wrong ones, most frequent first
    thresholds: tuple[tuple[float, float, float], ...]  # (confidence, share decided at it or above, lenient precision)


@dataclass(frozen=True, slots=True)
class ExtractionScores:
    """How good the excerpts of some answers are."""

    scored: int
    recall: float  # mean share of the marked lines that the excerpt keeps
    all_kept: float  # share of cases with every marked line kept
    characters: float  # mean size of an excerpt
    first_error: float  # share of cases of which the error named first has a marked line


@dataclass(frozen=True, slots=True)
class FirstErrorScores:
    """How often the error named first is the one that a person would
    name. Shares are of `scored`.
    """

    scored: int  # answers whose case has decisive lines
    headline: float
    block: float
    any: float
    quote: float
    mixed: int  # of `named`
    named: int  # answers whose first error's fingerprint says something of its cause


def score_verdicts(answers: Sequence[JudgedCase]) -> VerdictScores | None:
    """The verdicts' scores over the answers whose case has a label; None when there is none."""
    scored = [answer for answer in answers if answer.case.expected]
    if not scored:
        return None
    count = len(scored)
    categories = _categories(scored)
    named = [category for category in categories if category.labelled]
    wrong = Counter(
        (a.case.expected[0], a.error_type or "no verdict") for a in scored if a.error_type not in a.case.expected
    )
    quotes = [(quote, answer.lines) for answer in answers for quote in answer.evidence]
    standing = sum(_stands(quote, lines) for quote, lines in quotes)
    return VerdictScores(
        scored=count,
        strict=sum(a.error_type == a.case.expected[0] for a in scored) / count,
        lenient=sum(_right(a) for a in scored) / count,
        macro_f1=sum(category.f1 for category in named) / len(named),
        coverage=sum(a.error_type is not None for a in scored) / count,
        calibration_error=_calibration_error(scored),
        quotes=len(quotes),
        quotes_on_their_line=standing / len(quotes) if quotes else 1.0,
        categories=categories,
        confusion=tuple((label, said, times) for (label, said), times in wrong.most_common()),
        thresholds=tuple(_decided(scored, at / 100) for at in (50, 60, 70, 80, 85, 90, 95)),
    )


def score_extractions(answers: Sequence[JudgedCase]) -> ExtractionScores | None:
    """The excerpts' scores over the answers whose case has marked
    lines; None when there is none.
    """
    kept = [(share, len(answer.excerpt), _first(answer)) for answer in answers if (share := _kept(answer)) is not None]
    if not kept:
        return None
    count = len(kept)
    return ExtractionScores(
        count,
        sum(share for share, _, _ in kept) / count,
        sum(share == 1 for share, _, _ in kept) / count,
        sum(size for _, size, _ in kept) / count,
        sum(first for _, _, first in kept) / count,
    )


def score_first_errors(answers: Sequence[JudgedCase]) -> FirstErrorScores | None:
    """The figures on the error named first; None when no case has decisive lines."""
    scored = [answer for answer in answers if answer.case.decisive]
    if not scored:
        return None
    count = len(scored)
    alike: dict[str, list[Case]] = defaultdict(list)
    for answer in answers:
        if answer.errors and answer.errors[0].fingerprint and not answer.errors[0].generic:
            alike[answer.errors[0].fingerprint].append(answer.case)
    return FirstErrorScores(
        scored=count,
        headline=sum(_headed(a) for a in scored) / count,
        block=sum(any(_holds(error, a.case) for error in a.errors[:1]) for a in scored) / count,
        any=sum(any(_holds(error, a.case) for error in a.errors) for a in scored) / count,
        quote=sum(any(quote.line in a.case.decisive for quote in a.evidence[:1]) for a in scored) / count,
        mixed=sum(len(cases) for cases in alike.values() if _mixed(cases)),
        named=sum(map(len, alike.values())),
    )


def _headed(answer: JudgedCase) -> bool:
    """Whether the first error's headline is the text of a decisive line, cut or
    with its front part left out.
    """
    head = plain_line(answer.errors[0].headline) if answer.errors else ""
    said = [plain_line(answer.lines[n - 1]) for n in answer.case.decisive if 0 < n <= len(answer.lines)]
    return bool(head) and any(head in text or (len(text) > _TELLING and text[:_SHOWN] in head) for text in said)


def _holds(error: ExtractedError, case: Case) -> bool:
    return any(first <= number <= last for first, last in error.spans for number in case.decisive)


def _mixed(cases: Sequence[Case]) -> bool:
    """Whether logs that share a fingerprint should not: of several projects, or without a
    category that fits all of them.
    """
    labelled = [set(case.expected) for case in cases if case.expected]
    if len(cases) < 2:
        return False
    return len({case.project for case in cases}) > 1 or (bool(labelled) and not set.intersection(*labelled))


def _right(answer: JudgedCase) -> bool:
    return answer.error_type in answer.case.expected


def _categories(scored: Sequence[JudgedCase]) -> tuple[CategoryScore, ...]:
    names = sorted({a.case.expected[0] for a in scored} | {a.error_type for a in scored if a.error_type})
    made = []
    for name in names:
        labelled = [a for a in scored if a.case.expected[0] == name]
        said = [a for a in scored if a.error_type == name]
        right = sum(a.case.expected[0] == name for a in said)
        made.append(CategoryScore(name, len(labelled), right, len(said) - right))
    return tuple(made)


def _calibration_error(scored: Sequence[JudgedCase]) -> float:
    decided = [a for a in scored if a.error_type is not None]
    bins: dict[int, list[JudgedCase]] = {}
    for answer in decided:
        bins.setdefault(min(9, int(answer.confidence * 10)), []).append(answer)
    gap = sum(abs(sum(a.confidence for a in each) - sum(_right(a) for a in each)) for each in bins.values())
    return gap / len(decided) if decided else 0.0


def _decided(scored: Sequence[JudgedCase], threshold: float) -> tuple[float, float, float]:
    kept = [a for a in scored if a.error_type is not None and a.confidence >= threshold]
    return threshold, len(kept) / len(scored), sum(_right(a) for a in kept) / len(kept) if kept else 1.0


def _stands(quote: Evidence, lines: Sequence[str]) -> bool:
    return 0 < quote.line <= len(lines) and clean(quote.text) in clean(lines[quote.line - 1])


def _first_lines(answer: JudgedCase) -> tuple[LogLine, ...]:
    return answer.errors[0].lines if answer.errors else ()


def _first(answer: JudgedCase) -> bool:
    """Whether a marked line is among those of the error that is named first."""
    if answer.case.chunk:
        marked = {line for line in map(clean, answer.case.chunk.splitlines()) if line}
        return any(clean(line.text) in marked for line in _first_lines(answer))
    return any(first <= line.number <= last for line in _first_lines(answer) for first, last in answer.case.spans)


def _kept(answer: JudgedCase) -> float | None:
    """The share of the marked lines that the excerpt keeps: in its spans,
    and their text really in it.
    """
    shown = "\n".join(plain_line(line) for line in answer.excerpt.split("\n"))
    if answer.case.chunk:
        marked = [line for line in map(clean, answer.case.chunk.splitlines()) if line]
        return sum(line in shown for line in marked) / len(marked) if marked else None
    wanted = {number for first, last in answer.case.spans for number in range(first, last + 1)}
    if not wanted:
        return None
    have = {number for first, last in answer.spans for number in range(first, last + 1)}
    there = [n for n in wanted & have if n <= len(answer.lines)]
    return sum(plain_line(answer.lines[n - 1])[:_SHOWN] in shown for n in there) / len(wanted)
