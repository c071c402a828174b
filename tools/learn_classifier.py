"""Learn what kind of failure a log shows: `weights.tsv` in `ci_metrics/classifier`, and beside it
the examples, as features.

    python -m tools.learn_classifier FOLDER ...            # figures by folds; then learns and
                                                           writes
    python -m tools.learn_classifier --check FOLDER ...    # the figures only

Folds are by project, for the ranking of lines too: each log is ranked and judged by weights that
saw no log of its project. How sure to be is fitted on those judgements. Learning itself is the
package's (`ci_metrics/classifier/learning.py`).
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ci_metrics.catalogue import Catalogue, load_catalogue
from ci_metrics.catalogue.engine import match_lines
from ci_metrics.classifier.cross_validation import FOLDS, cross_validated, sureness
from ci_metrics.classifier.features import see_evidence
from ci_metrics.classifier.learning import CATEGORIES, WORDS, Example, feature_kind, fit, learned_features
from ci_metrics.classifier.shipped_examples import FILE, packed
from ci_metrics.evaluation.cases import Case, read_cases
from ci_metrics.logs import extract
from ci_metrics.logs.ranking import Weights, feature_names
from ci_metrics.models import ExtractedError, Extraction, LineMessages, LogLine
from tools import learn_ranking

FOLDER = Path(__file__).parent.parent / "ci_metrics" / "classifier"
#: How much a log counts in learning: a real one as one over the root of how many its project has,
#: because they resemble each other; a recorded one; a message's own example, which says what wins
#: where several messages stand on one line.
REAL, RECORDED, EXAMPLE = 1.0, 0.25, 0.5
#: Sets that were made for the purpose.
MADE = frozenset({"recorded", "sample"})


@dataclass(frozen=True)
class Labelled:
    """One log, and what is learned from it."""

    case: Case
    told: bool
    example: Example


def catalogue_examples(catalogue: Catalogue) -> Iterator[tuple[str, str, dict[str, float]]]:
    """(the message's id, its category, the features of one of its examples as
    the only line of an error).
    """
    for message in catalogue.messages:
        if not message.category or message.subject != "line":
            continue
        for text, hits in zip(message.fires, match_lines(catalogue, message.fires), strict=True):
            line = LogLine(1, text)
            error = ExtractedError(
                headline=text.strip(),
                line=1,
                spans=((1, 1),),
                lines=(line,),
                step=None,
                step_number=None,
                fingerprint="",
                group="",
            )
            said = LineMessages(1, tuple(catalogue.messages[number].id for number in hits))
            extraction = Extraction(state="errors", lines=(line,), messages=(said,), errors=(error,), total_lines=1)
            yield message.id, message.category, see_evidence(extraction, catalogue).features


def fold(project: str) -> int:
    """The fold of a project, by a hash of its name."""
    return int(hashlib.sha256(project.encode()).hexdigest(), 16) % FOLDS


def examples(folders: Sequence[Path], catalogue: Catalogue) -> list[Labelled]:
    """Every labelled log, ranked by weights that saw no log of its project."""
    ranked = learn_ranking.read_all(folders, catalogue)
    by_fold = []
    for number in range(FOLDS):
        values, messages = learn_ranking.learn([r for r in ranked if fold(r.case.project) != number])
        by_fold.append(Weights(dict(zip(feature_names(), map(float, values), strict=True)), messages))
    cases = [case for folder in folders for case in read_cases(folder) if case.expected]
    group = numbers(cases)
    of_project = Counter((case.source, case.project) for case in cases)
    found = []
    for case in cases:
        real = case.source not in MADE
        for told in (False, True) if case.job is not None else (False,):
            job = case.job if told else None
            extraction = extract(case.read(), job=job, weights=by_fold[fold(case.project)], catalogue=catalogue)
            example = Example(
                see_evidence(extraction, catalogue, job=job).features,
                tuple(category for category in case.expected if category in CATEGORIES),
                (REAL / of_project[case.source, case.project] ** 0.5 if real else RECORDED)
                * (0.5 if case.job is not None else 1),
                group[case.source, case.project],
                real,
            )
            found.append(Labelled(case, told, example))
    return found


def numbers(cases: Sequence[Case]) -> dict[tuple[str, str], int]:
    """A number for each set's project that says its fold (the remainder
    by FOLDS) and not its name.
    """
    made: dict[tuple[str, str], int] = {}
    next_of = list(range(FOLDS))
    keys = {(case.source, case.project) for case in cases}
    for key in sorted(keys, key=lambda each: hashlib.sha256("/".join(each).encode()).hexdigest()):
        made[key] = next_of[fold(key[1])]
        next_of[fold(key[1])] += FOLDS
    return made


def table(rows: Sequence[Labelled], p: np.ndarray) -> None:
    """Print the figures by set."""
    print(f"{'set':34} {'logs':>5} strict lenient macroF1  ece  decided at")
    keys = [(r.case.source, r.case.format, r.told) for r in rows]
    for key in sorted(set(keys)):
        at = [i for i, k in enumerate(keys) if k == key]
        top = [CATEGORIES[p[i].argmax()] for i in at]
        conf = np.array([p[i].max() for i in at])
        right = np.array([t in rows[i].case.expected for i, t in zip(at, top, strict=True)])
        strict = np.mean([t == rows[i].case.expected[0] for i, t in zip(at, top, strict=True)])
        sure = conf >= 0.8
        ece = sum(
            abs(conf[m].sum() - right[m].sum())
            for b in range(10)
            if (m := (np.minimum(9, (conf * 10).astype(int)) == b)).any()
        ) / len(at)
        labels = Counter(rows[i].case.expected[0] for i in at)
        f1 = []
        for c in labels:
            tp = sum(t == c == rows[i].case.expected[0] for i, t in zip(at, top, strict=True))
            fp = sum(t == c != rows[i].case.expected[0] for i, t in zip(at, top, strict=True))
            f1.append(2 * tp / (tp + fp + labels[c]))
        name = f"{key[0]} {key[1]}{' with steps' if key[2] else ''}"
        kept = right[sure].mean() if sure.any() else float("nan")
        figures = f"{strict:6.3f} {right.mean():7.3f} {np.mean(f1):7.3f} {ece:5.3f}  {sure.mean():.3f} {kept:.3f}"
        print(f"{name:34} {len(at):5} {figures}")


def main() -> None:
    """Read the arguments and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    rows = examples(given.folders, load_catalogue())
    first = 1 + max(row.example.group for row in rows)
    learned_from = [row.example for row in rows] + [
        Example(
            {name: value for name, value in features.items() if feature_kind(name) not in WORDS},
            (category,), EXAMPLE, first + number, real=False,
        )
        for number, (_, category, features) in enumerate(catalogue_examples(load_catalogue()))
    ]  # fmt: skip
    sums = cross_validated(learned_from)
    real = [at for at, example in enumerate(learned_from) if example.real]
    sure = sureness([learned_from[at] for at in real], sums[real])
    print(sure)
    table(rows, sure.shares(sums[: len(rows)]))
    if not given.check:
        learned = fit(learned_from, learned_features(learned_from))
        comment = f"Made by tools/learn_classifier.py from {len(rows)} logs: do not edit."
        (FOLDER / "weights.tsv").write_text(learned.text(sure, comment), encoding="utf-8")
        (FOLDER / FILE).write_bytes(packed(learned_from))


if __name__ == "__main__":
    main()
