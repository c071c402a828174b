"""`ci-metrics evaluate DIR`: how good extraction and verdicts are on a folder of labelled logs.

Belongs here: asking the extractor and the embedded classifier, printing. Does not: reading such a
folder and the measures (`ci_metrics.evaluation`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.catalogue import Catalogue, catalogue_in_force, load_catalogue
from ci_metrics.classifier import Classifier
from ci_metrics.classifier.active_taxonomy import taxonomy_in_force
from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.errors import ContractError
from ci_metrics.evaluation.cases import Case, read_cases
from ci_metrics.evaluation.scores import (
    ExtractionScores,
    FirstErrorScores,
    JudgedCase,
    VerdictScores,
    score_extractions,
    score_first_errors,
    score_verdicts,
)
from ci_metrics.logs import extract
from ci_metrics.models import Extraction, Verdict
from ci_metrics.settings import load_settings

_SHOWN = 90  # characters of a line in the list of changes


def evaluate(
    folder: Path,
    *,
    only: str = "",
    jobs: Annotated[bool, Parameter(negative="")] = False,
    catalogue: Path | None = None,
    wrong: int = 0,
    json_lines: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Score extraction and the embedded classifier on a folder of labelled logs. No network.

    Parameters ---------- folder: has cases.jsonl(.gz) and the logs it names (docs/quality.md);
    without it, all its *.log are taken, unlabelled only: cases whose id starts with this jobs: tell
    each log's job and its steps, where the case has them catalogue: a folder of messages to use in
    place of CATALOGUE_DIR; lists what it changes, log by log wrong: print so many wrong verdicts,
    with the line that decided json_lines: the figures as one JSON object
    """
    cases = [case for case in read_cases(folder) if case.id.startswith(only)]
    if not cases:
        raise ContractError(f"{folder}: no case begins with “{only}”. Leave --only out, or name the beginning of an id")
    settings = load_settings()
    now = settings if catalogue is None else load_settings(catalogue_dir=catalogue)
    messages = catalogue_in_force(now.catalogue_dir)
    taxonomy = taxonomy_in_force(settings.taxonomy_file, messages)
    asked = _Asked(messages, taxonomy, settings.excerpt_budget, jobs=jobs)
    told = [asked.about(case) for case in cases]
    answers = [_answer(each) for each in told]
    changes: list[dict[str, object]] = []
    if catalogue is not None:
        same = settings.catalogue_dir is not None and settings.catalogue_dir.resolve() == catalogue.resolve()
        usual = load_catalogue() if same else catalogue_in_force(settings.catalogue_dir)
        without = _Asked(usual, taxonomy, settings.excerpt_budget, jobs=jobs)
        changes = [_change(without.about(each.case), each) for each in told]
        changes = [each for each in changes if each["before"] != each["after"]]
    figures = {name: _figures(group) for name, group in _groups(answers)}
    hits = _logs_by_message(told, messages)
    if json_lines:
        more = {} if catalogue is None else {"changed": changes, "messages": hits}
        print(json.dumps({**figures, **more}, ensure_ascii=False))
        return
    if catalogue is not None:
        print("\n".join([*_changes_in_words(changes, hits, len(cases), catalogue), ""]))
    print("\n".join(tables(answers)))
    lessons = [each for each in told if each.case.expected and each.verdict.error_type not in each.case.expected]
    if wrong:
        print("\n".join(["", "Wrong verdicts", *map(_lesson, lessons[:wrong])]))


@dataclass(frozen=True, slots=True)
class _Told:
    """What extraction and classifier say of one case."""

    case: Case
    log: bytes
    extraction: Extraction
    verdict: Verdict


class _Asked:
    """Extractor and classifier with one catalogue."""

    def __init__(self, catalogue: Catalogue, taxonomy: Taxonomy, budget: int, *, jobs: bool) -> None:
        self._catalogue, self._budget, self._jobs = catalogue, budget, jobs
        self._classifier = Classifier(taxonomy, catalogue)

    def about(self, case: Case) -> _Told:
        log, job = case.read(), case.job if self._jobs else None
        extraction = extract(log, job=job, budget=self._budget, catalogue=self._catalogue)
        return _Told(case, log, extraction, self._classifier.judge(extraction, job=job))


def _answer(told: _Told) -> JudgedCase:
    return JudgedCase(
        case=told.case,
        lines=told.log.decode("utf-8", "replace").split("\n"),
        excerpt=told.extraction.excerpt,
        spans=told.extraction.spans,
        error_type=told.verdict.error_type,
        confidence=told.verdict.confidence,
        evidence=told.verdict.evidence,
        errors=told.extraction.errors,
    )


def _lesson(told: _Told) -> str:
    said, best = told.verdict.error_type or told.verdict.state, told.case.expected[0]
    return f"{told.case.id}: {said}, not {best}\n   {told.verdict.summary}"


def _change(before: _Told, after: _Told) -> dict[str, object]:
    return {"id": after.case.id, "expected": list(after.case.expected), "before": _said(before), "after": _said(after)}


def _said(told: _Told) -> dict[str, object]:
    first = told.extraction.errors[0] if told.extraction.errors else None
    return {
        "verdict": told.verdict.error_type or told.verdict.state,
        "confidence": told.verdict.confidence,
        "decided_by": told.verdict.rule,
        "line": first.line if first else None,
        "headline": first.headline if first else "",
    }


def _logs_by_message(told: Sequence[_Told], catalogue: Catalogue) -> dict[str, int]:
    """In how many logs each of a team's own messages was found."""
    found = Counter(name for each in told for name in {n for line in each.extraction.messages for n in line.messages})
    return {name: found[name] for name in sorted(catalogue.own)}


def _changes_in_words(
    changes: Sequence[Mapping[str, object]], hits: Mapping[str, int], count: int, folder: Path
) -> Iterator[str]:
    yield f"{len(changes)} of {count} logs change with {folder}. Its messages, and in how many logs they are found:"
    yield from (f"   {name}: {logs}" for name, logs in hits.items())
    for change in changes:
        expected = ", ".join(map(str, change["expected"]))  # type: ignore[call-overload]
        yield f"{change['id']}" + (f"   (labelled {expected})" if expected else "")
        for word in ("before", "after"):
            said: Mapping[str, object] = change[word]  # type: ignore[assignment]
            by = f", by {said['decided_by']}" if said["decided_by"] else ""
            yield f"   {word:6} {said['verdict']} ({said['confidence']:.0%}{by})"
            yield f"          line {said['line'] or '-'}: {str(said['headline'])[:_SHOWN]}"


def _groups(answers: Sequence[JudgedCase]) -> Iterator[tuple[str, list[JudgedCase]]]:
    keys: dict[str, Callable[[JudgedCase], bool]] = {}
    for name in sorted({f"{a.case.source} {a.case.format}".strip() for a in answers}):
        keys[name] = lambda a, name=name: f"{a.case.source} {a.case.format}".strip() == name  # type: ignore[misc]
    keys["all GitHub"] = lambda a: a.case.format.startswith("gha")
    for name, belongs in keys.items():
        group = [answer for answer in answers if belongs(answer)]
        if group:
            yield name, group
    yield "all", list(answers)


def _figures(group: Sequence[JudgedCase]) -> dict[str, object]:
    scores = {
        "verdicts": score_verdicts(group),
        "extractions": score_extractions(group),
        "first_errors": score_first_errors(group),
    }
    return {name: asdict(each) if each else None for name, each in scores.items()}


def tables(answers: Sequence[JudgedCase]) -> Iterator[str]:
    """The lines that are printed: extraction and verdicts by group,
    categories, confidence, confusion.
    """
    groups = list(_groups(answers))
    extractions = [_extraction_row(name, found) for name, group in groups if (found := score_extractions(group))]
    if extractions:
        yield f"{'extraction':24} {'n':>5} {'recall':>7} {'all kept':>9} {'characters':>11} {'first error':>12}"
        yield from (*extractions, "")
    firsts = [_first_error_row(name, first) for name, group in groups if (first := score_first_errors(group))]
    if firsts:
        yield f"{'first error':24} {'n':>5} {'headline':>9} {'block':>7} {'any':>7} {'quote':>7} {'mixed fingerprints':>19}"
        yield from (*firsts, "")
    total = score_verdicts(answers)
    if total is None:
        yield f"{len(answers)} logs; none is labelled with a category."
        return
    yield f"{'verdicts':24} {'n':>5} {'strict':>7} {'lenient':>8} {'macro-F1':>9} {'coverage':>9} {'calibration':>12} {'quotes':>7}"
    for name, group in groups:
        if scores := score_verdicts(group):
            yield _verdict_row(name, scores)
    yield ""
    yield f"{'category':24} {'n':>5} {'precision':>10} {'recall':>7} {'F1':>6}"
    for each in total.categories:
        yield f"{each.name:24} {each.labelled:5} {each.precision:10.3f} {each.recall:7.3f} {each.f1:6.3f}"
    yield ""
    yield f"{'confidence at least':24} {'decided':>8} {'precision':>10}"
    for at, share, precision in total.thresholds:
        yield f"{at:<24.2f} {share:8.3f} {precision:10.3f}"
    yield ""
    yield "taken for another (label -> verdict)"
    for label, said, times in total.confusion:
        yield f"{times:5}  {label} -> {said}"


def _extraction_row(name: str, scores: ExtractionScores) -> str:
    return (
        f"{name:24} {scores.scored:5} {scores.recall:7.3f} {scores.all_kept:9.3f} {scores.characters:11.0f}"
        f" {scores.first_error:12.3f}"
    )


def _first_error_row(name: str, scores: FirstErrorScores) -> str:
    return (
        f"{name:24} {scores.scored:5} {scores.headline:9.3f} {scores.block:7.3f} {scores.any:7.3f} {scores.quote:7.3f}"
        f" {f'{scores.mixed} of {scores.named}':>19}"
    )


def _verdict_row(name: str, scores: VerdictScores) -> str:
    return (
        f"{name:24} {scores.scored:5} {scores.strict:7.3f} {scores.lenient:8.3f} {scores.macro_f1:9.3f}"
        f" {scores.coverage:9.3f} {scores.calibration_error:12.3f} {scores.quotes_on_their_line:7.3f}"
    )
