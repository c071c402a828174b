"""Learn which line names a failure: the weights in `ci_metrics/logs/ranking.tsv`.

    python -m tools.learn_ranking FOLDER ...            # figures by folds; then learns and writes
    python -m tools.learn_ranking --check FOLDER ...    # the figures only

A conditional logit over the kept lines of each log: the likelihood that the failure's name
falls on a line that a person would quote. Folds are by project: each log is judged by weights
that saw no log of its project.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack

from ci_metrics.catalogue import Catalogue, load_catalogue
from ci_metrics.evaluation.cases import Case, plain_line, read_cases
from ci_metrics.logs.candidates import candidates
from ci_metrics.logs.extract import DEFAULT_BUDGET
from ci_metrics.logs.ranking import feature_names

WEIGHTS = Path(__file__).parent.parent / "ci_metrics" / "logs" / "ranking.tsv"
FOLDS = 5
#: How much a log counts in learning, by how closely its marks tell the line to quote.
DECISIVE, MARKED, RECORDED = 1.0, 0.1, 0.3
#: Strength of the pull towards nothing: of a feature, and of what one message is
#: worth beyond its role.
REGULAR, REGULAR_MESSAGE = 2.0, 12.0
#: Where a feature's weight is pulled instead: what roles mean, before any log is seen.
PRIOR = {
    "role:cause": 1.0, "role:test": 0.5, "role:frame": -1.0, "role:epilogue": -2.0, "role:status": -2.0, "role:title": -1.5,
    "role:count": -1.5, "role:banner": -2.0, "role:echo": -2.0, "role:hint": -1.5, "role:source": -1.0, "role:stack": -1.0,
    "role:pass": -1.5, "role:warning": -0.5, "role:step-end": -1.0, "frame-with-cause": -1.0, "epilogue-with-cause": -1.0,
    "count-with-cause": -1.0, "role:retry": -1.5, "below:role:retry": -2.0, "below2:role:retry": -1.0,
}  # fmt: skip
#: Projects that a single message must stand in to have a weight of its own.
PROJECTS = 3


@dataclass(frozen=True)
class Ranked:
    """One log's kept lines, ready to learn from."""

    case: Case
    values: np.ndarray
    messages: tuple[tuple[str, ...], ...]
    right: np.ndarray  # lines that a person would quote
    quoted: np.ndarray  # the same by number alone
    texts: tuple[str, ...]
    weight: float


def prepared(case: Case, catalogue: Catalogue, *, told: bool) -> Ranked | None:
    """The kept lines of a case; `told`: with the job's steps. None where
    nothing is marked or kept.
    """
    data = case.read()
    found = candidates(data, catalogue, job=case.job if told else None, background=None, budget=DEFAULT_BUDGET)
    if not found.lines:
        return None
    raw = data.decode("utf-8", "replace").split("\n")
    numbers = [line.number for line in found.lines]
    texts = [plain_line(line.text) for line in found.lines]
    if case.decisive:
        said = {plain_line(raw[n - 1]) for n in case.decisive if 0 < n <= len(raw)} - {""}
        right = [bool(t) and any(t in s or (len(s) > 20 and s[:60] in t) for s in said) for t in texts]
        weight = DECISIVE
    elif case.chunk:
        said = {plain_line(line) for line in case.chunk.splitlines()} - {""}
        right = [t in said for t in texts]
        weight = MARKED
    else:
        right = [n in case.marked for n in numbers]
        weight = RECORDED if case.source in ("recorded", "sample") else MARKED if len(case.marked) > 3 else DECISIVE / 2
    if not any(right):
        return None
    return Ranked(
        case,
        found.features(catalogue).values,
        tuple(tuple(catalogue.messages[i].id for i in hit) for hit in found.hits),
        np.array(right),
        np.array([n in (case.decisive or case.marked) for n in numbers]),
        tuple(texts),
        weight * (0.5 if case.job is not None else 1.0),
    )


def fold(project: str) -> int:
    """The fold of a project, by a hash of its name."""
    return int(hashlib.sha256(project.encode()).hexdigest(), 16) % FOLDS


def learn(rows: Sequence[Ranked]) -> tuple[np.ndarray, dict[str, float]]:
    """Weights of the features, and of single messages."""
    projects: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for ids in row.messages:
            for name in ids:
                projects[name].add(row.case.project)
    known = sorted(name for name, seen in projects.items() if len(seen) >= PROJECTS)
    at = {name: i for i, name in enumerate(known)}
    pairs = [[at[name] for name in ids if name in at] for row in rows for ids in row.messages]
    indptr = np.cumsum([0, *map(len, pairs)])
    indices = np.array([i for each in pairs for i in each], np.int32)
    own = csr_matrix((np.ones(len(indices)), indices, indptr), shape=(len(pairs), len(known)))
    matrix = hstack([csr_matrix(np.vstack([row.values for row in rows])), own]).tocsr()
    sizes = [len(row.right) for row in rows]
    starts = np.cumsum([0, *sizes[:-1]])
    group = np.repeat(np.arange(len(rows)), sizes)
    right = np.concatenate([row.right for row in rows])
    weight = np.array([row.weight for row in rows])
    pull = np.concatenate([np.full(len(feature_names()), REGULAR), np.full(len(known), REGULAR_MESSAGE)])

    prior = np.zeros(matrix.shape[1])
    prior[: len(feature_names())] = [PRIOR.get(name, 0.0) for name in feature_names()]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scores = matrix @ values
        highest = np.maximum.reduceat(scores, starts)
        powers = np.exp(scores - highest[group])
        total = np.add.reduceat(powers, starts)
        good = np.add.reduceat(powers * right, starts)
        lost = (weight * (np.log(total) - np.log(good))).sum()
        slope = matrix.T @ (weight[group] * (powers / total[group] - powers * right / good[group]))
        return lost + (pull * (values - prior) ** 2).sum() / 2, slope + pull * (values - prior)

    found = minimize(loss, prior, jac=True, method="L-BFGS-B", options={"maxiter": 400}).x
    count = len(feature_names())
    return found[:count], dict(zip(known, found[count:], strict=True))


def scored(row: Ranked, weights: tuple[np.ndarray, dict[str, float]]) -> np.ndarray:
    """The lines' scores."""
    own = np.array([sum(weights[1].get(name, 0.0) for name in ids) for ids in row.messages])
    found: np.ndarray = row.values @ weights[0] + own
    return found


def check(rows: Sequence[Ranked]) -> list[tuple[Ranked, int]]:
    """Judge each log of which a person said what to quote by weights that
    saw no log of its project.

    Prints the figures by set, returns what was said.
    """
    said = []
    for number in range(FOLDS):
        asked = [r for r in rows if r.case.decisive and fold(r.case.project) == number]
        if asked:
            weights = learn([r for r in rows if fold(r.case.project) != number])
            said += [(r, int(np.argmax(scored(r, weights)))) for r in asked]
    for source in sorted({r.case.source for r, _ in said}):
        for told in (False, True):
            each = [(r, best) for r, best in said if r.case.source == source and (r.case.job is not None) == told]
            if each:
                right = sum(bool(r.right[best]) for r, best in each) / len(each)
                quoted = sum(bool(r.quoted[best]) for r, best in each) / len(each)
                near = sum(bool(r.quoted[max(0, best - 4) : best + 12].any()) for r, best in each) / len(each)
                how = "with steps" if told else "log alone"
                print(f"{source} {how}: {len(each)} logs, named {right:.3f}, by number {quoted:.3f}, near {near:.3f}")
    return said


def read_all(folders: Sequence[Path], catalogue: Catalogue) -> list[Ranked]:
    """Every marked log of the folders, told the job's steps and not."""
    rows = []
    for folder in folders:
        for case in read_cases(folder):
            import dataclasses

            alone = prepared(dataclasses.replace(case, job=None), catalogue, told=False)
            rows += [alone] if alone else []
            if case.job is not None and (told := prepared(case, catalogue, told=True)):
                rows.append(told)
    return rows


def main() -> None:
    """Read the arguments and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    rows = read_all(given.folders, load_catalogue())
    check(rows)
    if not given.check:
        weights = learn(rows)
        lines = [f"# Made by tools/learn_ranking.py from {len(rows)} logs: do not edit."]
        lines += [
            f"{name}\t{value:.3f}"
            for name, value in zip(feature_names(), weights[0], strict=True)
            if abs(value) >= 0.005
        ]
        lines += [f"message:{name}\t{value:.3f}" for name, value in weights[1].items() if abs(value) >= 0.005]
        WEIGHTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
