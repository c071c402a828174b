"""Learn what kind of failure a log shows: the weights in `ci_metrics/classifier/weights.tsv`.

    python -m tools.learn_classifier FOLDER ...            # figures by folds of projects, then learns from all and writes
    python -m tools.learn_classifier --check FOLDER ...    # the figures only

Folds are by project, for the ranking of lines too: each log is ranked and judged by weights that saw no log of its project. The
temperature is fitted on those judgements.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.sparse import csr_matrix

from ci_metrics.catalogue import Catalogue, load_catalogue
from ci_metrics.classifier.features import evidence
from ci_metrics.evaluation.cases import Case, read_cases
from ci_metrics.logs import extract
from ci_metrics.logs.ranking import Weights, feature_names
from tools import learn_ranking

WEIGHTS = Path(__file__).parent.parent / "ci_metrics" / "classifier" / "weights.tsv"
FOLDS = 5
CATEGORIES = (
    "dependency_error", "timeout", "resource_exhaustion", "network_error", "assertion_failure", "compilation_error",
    "runtime_error", "infrastructure_error", "configuration_error", "flaky_test",
)  # fmt: skip
#: How much a log counts in learning, by the set it is of.
REAL, RECORDED = 1.0, 0.25
#: Projects whose logs must have a feature for it to be learned: a word must be nobody's own.
PROJECTS = 2
WORD_PROJECTS = 5
#: How far a feature may go without much evidence: the square root of its prior variance, by the kind of feature.
REACH = {
    "category": 1.0,
    "command-category": 0.7,
    "step-category": 0.5,
    "message": 0.6,
    "role": 0.3,
    "family": 0.3,
    "word": 0.25,
    "command": 0.25,
    "step-name": 0.25,
}


@dataclass(frozen=True)
class Example:
    """One log, ready to learn from."""

    case: Case
    told: bool
    features: Mapping[str, float]
    weight: float
    named: bool


def fold(project: str) -> int:
    """The fold of a project, by a hash of its name (another than the ranking's)."""
    return int(hashlib.sha256(project.encode()).hexdigest(), 16) % FOLDS


def examples(folders: Sequence[Path], catalogue: Catalogue) -> list[Example]:
    """Every labelled log, ranked by weights that saw no log of its project."""
    ranked = learn_ranking.read_all(folders, catalogue)
    by_fold = []
    for number in range(FOLDS):
        values, messages = learn_ranking.learn([r for r in ranked if fold(r.case.project) != number])
        by_fold.append(Weights(dict(zip(feature_names(), map(float, values), strict=True)), messages))
    found = []
    for folder in folders:
        for case in read_cases(folder):
            if not case.expected:
                continue
            for told in (False, True) if case.job is not None else (False,):
                job = case.job if told else None
                extraction = extract(case.read(), job=job, weights=by_fold[fold(case.project)], catalogue=catalogue)
                weight = RECORDED if case.source == "recorded" else REAL
                found.append(
                    Example(
                        case,
                        told,
                        evidence(extraction, catalogue, job=job).features,
                        weight * (0.5 if case.job is not None else 1),
                        bool(extraction.errors),
                    )
                )
    return found


def learn(rows: Sequence[Example]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of the features, their weights (features x categories), and the intercepts."""
    projects: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for name in row.features:
            projects[name].add(row.case.source + row.case.project)
    worded = ("word", "command", "step-name")
    names = sorted(
        n for n, seen in projects.items() if len(seen) >= (WORD_PROJECTS if n.split(":")[0] in worded else PROJECTS)
    )
    at = {name: i for i, name in enumerate(names)}
    reach = np.array([REACH[name.split(":")[0]] * (1.0 if not name.endswith("@step") else 0.5) for name in names])
    indptr, indices, data, share, weight = [0], [], [], [], []
    for row in rows:
        for name, value in row.features.items():
            if name in at:
                indices.append(at[name])
                data.append(value * reach[at[name]])
        indptr.append(len(indices))
        target = np.zeros(len(CATEGORIES))
        for rank, category in enumerate(c for c in row.case.expected if c in CATEGORIES):
            target[CATEGORIES.index(category)] = 1.0 if rank == 0 else 0.4
        share.append(target / target.sum())
        weight.append(row.weight)
    matrix = csr_matrix((data, indices, indptr), shape=(len(rows), len(names)))
    target, each = np.array(share), np.array(weight)
    k = len(CATEGORIES)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = flat[:-k].reshape(len(names), k), flat[-k:]
        sums = matrix @ w + b
        sums -= sums.max(axis=1, keepdims=True)
        logs = sums - np.log(np.exp(sums).sum(axis=1, keepdims=True))
        diff = (np.exp(logs) - target) * each[:, None]
        slope = np.concatenate([(matrix.T @ diff + w).ravel(), diff.sum(axis=0) + 0.01 * b])
        return -(each[:, None] * target * logs).sum() + 0.5 * (w * w).sum() + 0.005 * (b * b).sum(), slope

    flat = minimize(loss, np.zeros(len(names) * k + k), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return names, flat[:-k].reshape(len(names), k) * reach[:, None], flat[-k:]


def sums_of(rows: Sequence[Example], learned: tuple[list[str], np.ndarray, np.ndarray]) -> np.ndarray:
    """Each log's score for each category."""
    at = {name: i for i, name in enumerate(learned[0])}
    return np.array([
        sum((value * learned[1][at[name]] for name, value in row.features.items() if name in at), learned[2].copy())
        for row in rows
    ])  # fmt: skip


def judged(rows: Sequence[Example]) -> np.ndarray:
    """Scores of each log by weights that saw no log of its project."""
    out = np.zeros((len(rows), len(CATEGORIES)))
    for number in range(FOLDS):
        learned = learn([row for row in rows if fold(row.case.project) != number])
        at = [i for i, row in enumerate(rows) if fold(row.case.project) == number]
        out[at] = sums_of([rows[i] for i in at], learned)
    return out


def temperature(rows: Sequence[Example], sums: np.ndarray) -> float:
    """What the scores of logs must be divided by for shares to be as often right as they say."""
    ok = np.array([[c in row.case.expected for c in CATEGORIES] for row in rows], float)
    each = np.array([row.weight for row in rows])

    def lost(value: float) -> float:
        s = sums / value
        s = s - s.max(axis=1, keepdims=True)
        p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        top = p.argmax(axis=1)
        hit, conf = ok[np.arange(len(rows)), top], p.max(axis=1).clip(1e-6, 1 - 1e-6)
        return float(-(each * (hit * np.log(conf) + (1 - hit) * np.log(1 - conf))).sum())

    return float(minimize_scalar(lost, bounds=(0.3, 5), method="bounded").x)


def table(rows: Sequence[Example], sums: np.ndarray, heat: float) -> None:
    """Print the figures by set."""
    s = sums / heat
    s = s - s.max(axis=1, keepdims=True)
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
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
        print(
            f"{name:34} {len(at):5} {strict:6.3f} {right.mean():7.3f} {np.mean(f1):7.3f} {ece:5.3f}  {sure.mean():.3f} {right[sure].mean() if sure.any() else float('nan'):.3f}"
        )


def main() -> None:
    """Read the arguments and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    rows = examples(given.folders, load_catalogue())
    sums = judged(rows)
    heat = temperature(
        [r for r in rows if r.case.source != "recorded"],
        np.array([s for r, s in zip(rows, sums, strict=True) if r.case.source != "recorded"]),
    )
    print(f"temperature {heat:.2f}")
    table(rows, sums, heat)
    if not given.check:
        write(rows, heat)


def write(rows: Sequence[Example], heat: float) -> None:
    """Learn from all logs and write the weights."""
    names, weights, intercepts = learn(rows)
    kept = np.abs(weights).max(axis=1) >= 0.02
    lines = [f"# Made by tools/learn_classifier.py from {len(rows)} logs: do not edit."]
    lines += ["\t".join(["categories", *CATEGORIES]), f"temperature\t{heat:.3f}"]
    lines += ["\t".join(["intercepts", *(f"{v:.2f}" for v in intercepts)])]
    lines += ["\t".join([n, *(f"{v:.2f}" for v in w)]) for n, w, k in zip(names, weights, kept, strict=True) if k]
    WEIGHTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
