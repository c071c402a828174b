"""`ci-metrics evaluate DIR`: how good extraction and verdicts are on a folder of labelled logs.

Belongs here: reading such a folder, asking the extractor and the embedded classifier, printing. Does not: the measures
(`ci_metrics.verdicts.evaluation`).

The folder has `cases.jsonl` (or `.jsonl.gz`), one case a line: `id`, `log` (path in the folder, may be gzipped), `format`,
`expected` (acceptable categories, the best first, or null), `spans` ([[first, last], ...], 1-based inclusive) or `chunk` (the
marked text), and optionally `project`. Without
`project` it is read from the id: its `owner@repo` part, else all of it but the digits at the end.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.classifier import Classifier
from ci_metrics.errors import ContractError
from ci_metrics.logs import extract
from ci_metrics.models import Verdict
from ci_metrics.settings import DEFAULT_EXCERPT_BUDGET, load_settings
from ci_metrics.verdicts.evaluation import (
    Answer,
    Case,
    ExtractionScores,
    VerdictScores,
    score_extractions,
    score_verdicts,
)
from ci_metrics.verdicts.taxonomy_in_force import taxonomy_in_force


def evaluate(
    folder: Path,
    *,
    part: str = "all",
    only: str = "",
    wrong: int = 0,
    json_lines: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Score extraction and the embedded classifier on a folder of labelled logs. No network.

    Parameters
    ----------
    folder: has cases.jsonl(.gz) and the logs it names
    part: "all", "tuned" or "held-out": rules are never written after projects of the held-out part (a hash of the name decides)
    only: cases whose id starts with this
    wrong: print so many wrong verdicts, with the line that decided
    json_lines: the figures as one JSON object
    """
    if part not in ("all", "tuned", "held-out"):
        raise ContractError(f"--part {part}: must be all, tuned or held-out")
    cases = [case for case in read_cases(folder) if case.id.startswith(only)]
    cases = [case for case in cases if part == "all" or case.held_out == (part == "held-out")]
    if not cases:
        raise ContractError(f"{folder}: no case is left with --part {part} --only “{only}”")
    settings = load_settings()
    classifier = Classifier(taxonomy_in_force(settings.taxonomy_file))
    answers, lessons = [], []
    for case in cases:
        answer, verdict = answer_to(case, _read(folder / case.log), classifier, settings.excerpt_budget)
        answers.append(answer)
        if case.expected and verdict.error_type not in case.expected:
            lessons.append(
                f"{case.id}: {verdict.error_type or verdict.state}, not {case.expected[0]}\n   {verdict.summary}"
            )
    if json_lines:
        print(json.dumps({name: _figures(group) for name, group in _groups(answers)}))
        return
    print("\n".join(tables(answers)))
    if wrong:
        print("\n".join(["", "Wrong verdicts", *lessons[:wrong]]))


def answer_to(
    case: Case, data: bytes, classifier: Classifier, budget: int = DEFAULT_EXCERPT_BUDGET
) -> tuple[Answer, Verdict]:
    """What extraction, within `budget` characters, and `classifier` say of one case's log."""
    extraction = extract(data, budget=budget)
    verdict = classifier.judge(extraction)
    answer = Answer(
        case=case,
        lines=data.decode("utf-8", "replace").split("\n"),
        excerpt=extraction.excerpt,
        spans=extraction.spans,
        error_type=verdict.error_type,
        confidence=verdict.confidence,
        evidence=verdict.evidence,
        first_error=extraction.errors[0].lines if extraction.errors else (),
    )
    return answer, verdict


def read_cases(folder: Path) -> list[Case]:
    """The cases of a folder; ContractError names the file and line that is wrong, or what is missing."""
    path = next((p for p in (folder / "cases.jsonl.gz", folder / "cases.jsonl") if p.is_file()), None)
    if path is None:
        raise ContractError(f"{folder}: has neither cases.jsonl nor cases.jsonl.gz")
    made = []
    for number, line in enumerate(_read(path).decode("utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            made.append(
                Case(
                    id=row["id"],
                    source=row["id"].split("/")[0],
                    project=row.get("project") or project_of(row["id"]),
                    format=row.get("format", ""),
                    log=row["log"],
                    expected=tuple(row.get("expected") or ()),
                    spans=tuple((int(first), int(last)) for first, last in row.get("spans") or ()),
                    chunk=row.get("chunk") or "",
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ContractError(f"{path}, line {number}: is no case ({error!r})") from error
    return made


def project_of(case_id: str) -> str:
    """The project a case's id speaks of: its `owner@repo` part, else the id without its last part's number."""
    parts = case_id.split("/")
    named = next((part for part in parts if "@" in part), None)
    if named:
        return named
    last = parts[-1].rstrip("0123456789")
    if last == "run" or not last:
        return parts[-2] if len(parts) > 1 else case_id
    return "/".join([*parts[:-1], last.rstrip("_-")])


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror})") from error
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def _groups(answers: Sequence[Answer]) -> Iterator[tuple[str, list[Answer]]]:
    keys: dict[str, Callable[[Answer], bool]] = {}
    for name in sorted({f"{a.case.source} {a.case.format}".strip() for a in answers}):
        keys[name] = lambda a, name=name: f"{a.case.source} {a.case.format}".strip() == name  # type: ignore[misc]
    keys["all GitHub"] = lambda a: a.case.format.startswith("gha")
    for name, belongs in keys.items():
        group = [answer for answer in answers if belongs(answer)]
        if group:
            yield name, group
    yield "all", list(answers)


def _figures(group: Sequence[Answer]) -> dict[str, object]:
    verdicts, extractions = score_verdicts(group), score_extractions(group)
    return {
        "verdicts": asdict(verdicts) if verdicts else None,
        "extractions": asdict(extractions) if extractions else None,
    }


def tables(answers: Sequence[Answer]) -> Iterator[str]:
    """The lines that are printed: extraction and verdicts by group, categories, confidence, confusion."""
    groups = list(_groups(answers))
    yield f"{'extraction':24} {'n':>5} {'recall':>7} {'all kept':>9} {'characters':>11} {'first error':>12}"
    for name, group in groups:
        if extraction := score_extractions(group):
            yield _extraction_row(name, extraction)
    yield ""
    yield f"{'verdicts':24} {'n':>5} {'strict':>7} {'lenient':>8} {'macro-F1':>9} {'coverage':>9} {'calibration':>12} {'quotes':>7}"
    for name, group in groups:
        if scores := score_verdicts(group):
            yield _verdict_row(name, scores)
    total = score_verdicts(answers)
    if total is None:
        return
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


def _verdict_row(name: str, scores: VerdictScores) -> str:
    return (
        f"{name:24} {scores.scored:5} {scores.strict:7.3f} {scores.lenient:8.3f} {scores.macro_f1:9.3f}"
        f" {scores.coverage:9.3f} {scores.calibration_error:12.3f} {scores.quotes_on_their_line:7.3f}"
    )
