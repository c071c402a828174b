"""Learn the weights of the second opinion (`ci_metrics/verdicts/words/weights.tsv`) from the recorded logs.

    python bench/train_words.py [FOLDER ...]           # writes the file; default folder: bench/recorded
    python bench/train_words.py --check [FOLDER ...]   # writes nothing: learns from all rounds but one, asks about that one

Needs scikit-learn (a development requirement). `--check` prints for each round how often the likeliest category is an
acceptable one, and how often a share of 0.8 or more is given and right: of logs made apart from those it learned from. A folder
without rounds is one.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from ci_metrics.logs import extract
from ci_metrics.verdicts.words import Weights, opinion_of, terms

HERE = Path(__file__).parent
WEIGHTS = HERE.parent / "ci_metrics" / "verdicts" / "words" / "weights.tsv"
#: Terms that are kept: those whose weights and numbers of logs are greatest. More are no better.
TERMS = 3_000
#: Logs that a term must stand in.
LOGS = 2
#: Inverse strength of regularisation: at 20, a share of 0.8 was right in 99 of 100 logs of other rounds.
STRENGTH = 20.0
#: Too few logs to learn from: tests that say themselves that they are flaky are known by that word.
LEFT_OUT = frozenset({"flaky_test"})


@dataclass(frozen=True, slots=True)
class Case:
    """One log: its terms and its label."""

    terms: list[str]
    expected: tuple[str, ...]
    round: str


@dataclass(frozen=True, slots=True)
class Model:
    """What was learned: terms with idf and weights (terms x categories), as they are written."""

    categories: tuple[str, ...]
    intercepts: np.ndarray
    vocabulary: list[str]
    idf: np.ndarray
    weights: np.ndarray


def cases_of(folder: Path) -> Iterable[Case]:
    """Every labelled failing log of a folder in the layout of `bench/recorded`."""
    packed = folder / "cases.jsonl.gz"
    text = gzip.decompress(packed.read_bytes()) if packed.is_file() else (folder / "cases.jsonl").read_bytes()
    for line in text.decode("utf-8").splitlines():
        row = json.loads(line)
        if row.get("expected"):
            found = extract(gzip.decompress((folder / row["log"]).read_bytes()))
            yield Case(terms(found.errors), tuple(row["expected"]), row.get("round", folder.name))


def learn(cases: Sequence[Case]) -> Model:
    """Weights from `cases`, rounded as they are written."""
    cases = [case for case in cases if case.expected[0] not in LEFT_OUT]
    vectors = TfidfVectorizer(analyzer=lambda given: given, min_df=LOGS, sublinear_tf=True)
    matrix = vectors.fit_transform([case.terms for case in cases])
    labels = [case.expected[0] for case in cases]
    first = _fit(matrix, labels)
    worth = np.abs(first.coef_).max(axis=0) * np.sqrt(np.asarray((matrix > 0).sum(axis=0)).ravel())
    kept = np.sort(np.argsort(-worth, kind="stable")[:TERMS])
    names = vectors.get_feature_names_out()
    short = TfidfVectorizer(
        analyzer=lambda given: given, vocabulary=[names[i] for i in kept], sublinear_tf=True
    )  # length 1 over the terms that are kept, as it is asked
    matrix = short.fit_transform([case.terms for case in cases])
    last = _fit(matrix, labels)
    return Model(
        categories=tuple(last.classes_),
        intercepts=np.round(last.intercept_, 2),
        vocabulary=[str(names[i]) for i in kept],
        idf=np.round(short.idf_, 2),
        weights=np.round(last.coef_.T, 2),
    )


def _fit(matrix: object, labels: Sequence[str]) -> LogisticRegression:
    return LogisticRegression(C=STRENGTH, max_iter=2_000, tol=1e-6, class_weight="balanced").fit(matrix, labels)


def written(model: Model, source: str) -> str:
    """The file's text: categories, intercepts, then a term a line with its idf and a weight for each category."""
    lines = [
        f"# Made by bench/train_words.py from {source}: do not edit.",
        "\t".join(["term", "idf", *model.categories]),
    ]
    lines.append("\t".join(["", "", *(f"{value:g}" for value in model.intercepts)]))
    for term, idf, weights in zip(model.vocabulary, model.idf, model.weights, strict=True):
        lines.append("\t".join([term, f"{idf:g}", *(f"{value:g}" for value in weights)]))
    return "\n".join(lines) + "\n"


def check(cases: Sequence[Case]) -> None:
    """Learn from all rounds but one, ask about that one; a line each."""
    print(f"{'round':8} {'logs':>5} {'right':>6} {'0.8 or more':>12} {'of them right':>14}")
    every: list[tuple[bool, float]] = []
    for name in [*sorted({case.round for case in cases}), "all"]:
        if name == "all":
            rows = every
        else:
            weights = Weights.read(written(learn([case for case in cases if case.round != name]), "other rounds"))
            asked = [case for case in cases if case.round == name and case.expected[0] not in LEFT_OUT]
            found = [(case, opinion_of(case.terms, weights)) for case in asked]
            rows = [
                (said.category in case.expected, said.share(said.category)) if said else (False, 0.0)
                for case, said in found
            ]
            every += rows
        sure = [right for right, share in rows if share >= 0.8]
        right = sum(right for right, _ in rows) / len(rows)
        print(
            f"{name:8} {len(rows):5} {right:6.3f} {len(sure) / len(rows):12.3f} {sum(sure) / max(1, len(sure)):14.3f}"
        )


def main() -> None:
    """Read the arguments and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[HERE / "recorded"])
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    cases = [case for folder in given.folders for case in cases_of(folder)]
    if given.check:
        check(cases)
        return
    count = sum(case.expected[0] not in LEFT_OUT for case in cases)
    source = f"{count} logs of {', '.join(folder.name for folder in given.folders)}"
    WEIGHTS.write_text(written(learn(cases), source), encoding="utf-8")
    print(f"{WEIGHTS}: learned from {source}")


if __name__ == "__main__":
    main()
