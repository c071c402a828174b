"""Which line names the failure: the kept lines of a log ranked by what was learned of such lines.

Belongs here: the features of a line in its place, and the sum of their weights. Does not: learning the weights (`tools/learn.py`),
what blocks the lines make (`findings.py`).

A conditional logit: each kept line has a score, a sum of weights over its features, and the share of the failure's name that
falls on it is its softmax. Features say what a line is (the catalogue's roles, its shape), what stands around it, and where it
stands; none holds a word of a log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ci_metrics.catalogue import Catalogue, Role
from ci_metrics.logs.shapes import NAMES as SHAPES
from ci_metrics.logs.shapes import shapes_of

#: Roles that are features; the others tell of the log's structure.
ROLES: tuple[Role, ...] = (
    "cause", "test", "detail", "frame", "epilogue", "status", "title", "count", "banner", "echo", "hint", "warning",
    "source", "stack", "pass", "noise", "retry", "step-end", "step-start",
)  # fmt: skip
#: Roles of lines that name no cause, though they be worded like one: the words of any error count for nothing on them.
EMPTY = frozenset({"frame", "epilogue", "status", "hint", "title", "banner", "echo", "count", "step-end"})
#: The family of messages that are words of many tools.
GENERIC = "generic"
#: Lines between a line and the next place where its step failed, as steps of a scale.
DISTANCES = (0, 1, 2, 3, 5, 8, 15, 30, 100, 400)
#: How far a line looks for a cause, a test or a frame above and below it, in kept lines.
NEAR = (3, 12)
_LOOKED_FOR = ("cause", "test", "frame", "epilogue", "count", "title", "stack")
#: What a line loses that the last passing run of the job printed too. Not learned: the labelled logs come without their
#: passing runs; `python -m bench.background` shows what it is worth on recorded pairs.
BACKGROUND = 3.0
#: What a line gains by a cause or a test of a team's own catalogue. Not learned: no labelled log has one. Three times what the
#: most telling shipped message is worth beyond its role, because a person wrote it for lines that name the failure.
TEAM = 1.0
#: Characters at a line's start that make its shape for counting repeats.
_SHAPE = 110
_NO_DIGITS = str.maketrans("", "", "0123456789")


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of a kept line besides its text."""

    number: int  # 1-based in the raw log
    weight: float  # of what the scan found on it, 0 to 10
    failing: bool  # stands in a step that failed
    background: bool = False  # the last passing run of the job printed it too


@dataclass(frozen=True)
class Features:
    """Features of the kept lines: a matrix of lines by names."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
    background: NDArray[np.float64]  # 1 for a line that the last passing run of the job printed too


@dataclass(frozen=True)
class Weights:
    """What was learned: a weight for each feature, and for single messages what they are worth beyond their role."""

    features: dict[str, float]
    messages: dict[str, float]

    @classmethod
    def read(cls, text: str) -> Weights:
        """From the text of a file like `ranking.tsv`: a feature or `message:ID` and its weight a line; `#` begins a remark."""
        rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
        weights = {name: float(weight) for name, weight in rows}
        own = {name.removeprefix("message:"): w for name, w in weights.items() if name.startswith("message:")}
        return cls({name: w for name, w in weights.items() if not name.startswith("message:")}, own)


@cache
def weights_in_force() -> Weights:
    """Those that come with the package."""
    return Weights.read(files("ci_metrics.logs").joinpath("ranking.tsv").read_text(encoding="utf-8"))


def _shifted(matrix: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    """Rows moved so that row i holds what stood `by` rows further down; nothing beyond the ends."""
    out = np.zeros_like(matrix)
    if by > 0:
        out[:-by] = matrix[by:]
    else:
        out[-by:] = matrix[:by]
    return out


@cache
def feature_names() -> tuple[str, ...]:
    """The columns of `features`, in order."""
    base = [*(f"role:{role}" for role in ROLES), *(f"shape:{shape}" for shape in SHAPES), "hit", "category"]
    around = [f"{where}:{name}" for where in ("above", "below", "above2", "below2") for name in base]
    gaps = ["gap-above", "gap-below"]
    far = [f"{role}-{way}-{reach}" for role in _LOOKED_FOR for way in ("above", "below") for reach in NEAR]
    inside = [f"{role}-in-step" for role in _LOOKED_FOR]
    place = [
        "failing", "aside", "no-failing-step", "weight", "weight-share", "heaviest", "weight-5", "weight-7", "weight-85",
        *(f"to-end-{d}" for d in DISTANCES), "to-end-more", "behind-end", "no-end", "distance", "depth",
        "before-strong", "first-strong", "last-strong", "behind-strong", "repeated", "repeats", "first-of-shape", "last-of-shape",
        *(f"first-{role}" for role in _LOOKED_FOR[:3]), *(f"last-{role}" for role in _LOOKED_FOR[:3]),
        *(f"frame-with-{role}" for role in ("cause", "test")), "epilogue-with-cause", "count-with-cause", "cause-alone", "same-above",
        "short", "brief", "long", "very-long",
    ]  # fmt: skip
    return (*base, *around, *gaps, *far, *inside, *place)


def features(
    catalogue: Catalogue, texts: Sequence[str], hits: Sequence[tuple[int, ...]], places: Sequence[Place], total: int
) -> Features:
    """Every feature of every kept line, in the log's order.

    `texts`: clean lines; `hits`: numbers of the catalogue's messages on each; `total`: how many lines the log has.
    """
    count = len(texts)
    numbers = np.array([place.number for place in places])
    role_at: dict[str, int] = {role: i for i, role in enumerate(ROLES)}
    roles = np.zeros((count, len(ROLES)))
    other = np.zeros((count, 2))
    for i, found in enumerate(hits):
        messages = [catalogue.messages[number] for number in found]
        empty = any(message.role in EMPTY for message in messages)
        for message in messages:
            at = role_at.get(message.role)
            if at is not None and not (empty and message.role == "cause" and message.family == GENERIC):
                roles[i, at] = 1
                other[i, 0] = 1
            if message.category:
                other[i, 1] = 1
    shapes = shapes_of(texts).astype(float)
    base = np.hstack([roles, shapes, other])
    parts = [base]
    contiguous = np.diff(numbers) == 1
    up1, down1 = np.zeros(count), np.zeros(count)
    up1[1:], down1[:-1] = contiguous, contiguous
    up2, down2 = np.zeros(count), np.zeros(count)
    up2[2:] = contiguous[1:] & contiguous[:-1]
    down2[:-2] = contiguous[1:] & contiguous[:-1]
    parts += [_shifted(base, -1) * up1[:, None], _shifted(base, 1) * down1[:, None]]
    parts += [_shifted(base, -2) * up2[:, None], _shifted(base, 2) * down2[:, None]]
    parts.append(np.stack([1 - up1, 1 - down1], axis=1))

    failing = np.array([place.failing for place in places], float)
    fresh = np.array([role_at[role] for role in _LOOKED_FOR])
    inside = failing if failing.any() else np.ones(count)
    sums = np.vstack([np.zeros(len(fresh)), np.cumsum(roles[:, fresh], axis=0)])
    rows = np.arange(count)
    far = []
    for j in range(len(fresh)):
        for way in ("above", "below"):
            for reach in NEAR:
                if way == "above":
                    there = sums[rows, j] - sums[np.maximum(0, rows - reach), j]
                else:
                    there = sums[np.minimum(count, rows + 1 + reach), j] - sums[rows + 1, j]
                far.append((there > 0).astype(float))
    parts.append(np.stack(far, axis=1))
    in_step = (roles[:, fresh] * inside[:, None]).sum(axis=0) > 0
    parts.append(np.tile(in_step.astype(float), (count, 1)))

    weights = np.array([place.weight for place in places], float)
    most = weights.max() if count else 0.0
    most_inside = (weights * inside).max() if count else 0.0
    most_inside = most_inside or most or 1.0
    end_rows = (roles[:, role_at["step-end"]] > 0) | (shapes[:, SHAPES.index("exit-mark")] > 0)
    ends = numbers[end_rows & (inside > 0)]
    if not len(ends):
        ends = numbers[end_rows]
    where = np.searchsorted(ends, numbers)
    has_end = where < len(ends)
    distance = np.where(has_end, ends[np.minimum(where, max(0, len(ends) - 1))] - numbers if len(ends) else 0, -1)
    step = np.searchsorted(np.array(DISTANCES), distance)
    to_end = np.zeros((count, len(DISTANCES) + 1))
    to_end[rows[has_end], step[has_end]] = 1
    strong = np.flatnonzero((weights >= 0.7 * most_inside) & (inside > 0))
    first, last = (strong[0], strong[-1]) if len(strong) else (count, -1)
    kinds = [text.strip()[:_SHAPE].translate(_NO_DIGITS) for text in texts]
    seen: dict[str, list[int]] = {}
    for i, kind in enumerate(kinds):
        seen.setdefault(kind, []).append(i)
    repeats = np.array([len(seen[kind]) for kind in kinds], float)
    first_of = np.array([seen[kind][0] == i for i, kind in enumerate(kinds)], float)
    last_of = np.array([seen[kind][-1] == i for i, kind in enumerate(kinds)], float)
    lengths = np.array([len(text.strip()) for text in texts])
    by_role = {role: np.flatnonzero(roles[:, role_at[role]] * inside) for role in _LOOKED_FOR[:3]}
    firsts, lasts = np.zeros((count, 3)), np.zeros((count, 3))
    for j, role in enumerate(_LOOKED_FOR[:3]):
        if len(by_role[role]):
            firsts[by_role[role][0], j] = lasts[by_role[role][-1], j] = 1
    cause, test, frame = (roles[:, role_at[role]] for role in ("cause", "test", "frame"))
    has_cause, has_test = float(len(by_role["cause"]) > 0), float(len(by_role["test"]) > 0)
    same = np.zeros(count)
    for i in range(1, count):
        same[i] = bool(hits[i]) and hits[i] == hits[i - 1]
    place = np.column_stack([
        failing, 1 - inside, np.full(count, float(not failing.any())), weights / 10, weights / most_inside,
        ((weights >= 0.999 * most_inside) & (inside > 0)), weights >= 5, weights >= 7, weights >= 8.5,
        to_end, ~has_end & (len(ends) > 0), np.full(count, float(not len(ends))),
        np.where(has_end, np.log1p(np.maximum(distance, 0)) / 8, 0), np.log1p(np.maximum(0, total - numbers)) / 10,
        rows < first, rows == first, rows == last, rows > last, repeats > 1, np.minimum(3, np.log(repeats)), first_of, last_of,
        firsts, lasts, frame * has_cause, frame * has_test, roles[:, role_at["epilogue"]] * has_cause,
        roles[:, role_at["count"]] * has_cause, cause * (cause.sum() == 1), same,
        lengths < 8, (lengths >= 8) & (lengths < 25), (lengths >= 120) & (lengths < 300), lengths >= 300,
    ]).astype(float)  # fmt: skip
    parts.append(place)
    background = np.array([place.background for place in places], float)
    return Features(feature_names(), np.hstack(parts), background)


def scores(
    catalogue: Catalogue, found: Features, hits: Sequence[tuple[int, ...]], weights: Weights
) -> NDArray[np.float64]:
    """Each line's score: the sum of its features' weights and of its messages' own."""
    vector = np.array([weights.features.get(name, 0.0) for name in found.names])
    out: NDArray[np.float64] = found.values @ vector - BACKGROUND * found.background
    for i, numbers in enumerate(hits):
        for number in numbers:
            out[i] += worth(catalogue, number, weights)
    return out


def worth(catalogue: Catalogue, number: int, weights: Weights) -> float:
    """What a message of the catalogue is worth on its line, beyond its role."""
    message = catalogue.messages[number]
    unknown = TEAM if message.id in catalogue.own and message.role in ("cause", "test") else 0.0
    return weights.messages.get(message.id, unknown)


def shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The softmax of scores: which share of the failure's name falls on each line."""
    if not len(values):
        return values
    powers = np.exp(values - values.max())
    share: NDArray[np.float64] = powers / powers.sum()
    return share
