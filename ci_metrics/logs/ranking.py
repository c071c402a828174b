"""Which line names the failure: the kept lines of a log ranked by what was learned of such lines.

Belongs here: the features of a line in its place, and the sum of their weights. Does not: learning
the weights (`tools/learn_ranking.py`), what blocks the lines make (`findings.py`).

A conditional logit: each kept line has a score, a sum of weights over its features, and the share
of the failure's name that falls on it is its softmax. Features say what a line is (the catalogue's
roles, its shape), what stands around it, and where it stands; none holds a word of a log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ci_metrics.catalogue import Catalogue, Message, Role
from ci_metrics.logs.shapes import NAMES as SHAPES
from ci_metrics.logs.shapes import shapes_of

#: Roles that are features; the others tell of the log's structure.
ROLES: tuple[Role, ...] = (
    "cause", "test", "detail", "frame", "epilogue", "status", "title", "count", "banner", "echo", "hint", "warning",
    "source", "stack", "pass", "noise", "retry", "step-end", "step-start",
)  # fmt: skip
#: Roles of lines that name no cause, though they be worded like one: the words of any error
#: count for nothing on them.
EMPTY = frozenset({"frame", "epilogue", "status", "hint", "title", "banner", "echo", "count", "step-end"})
#: The family of messages that are words of many tools.
GENERIC = "generic"
#: Lines between a line and the next place where its step failed, as steps of a scale.
DISTANCES = (0, 1, 2, 3, 5, 8, 15, 30, 100, 400)
#: How far a line looks for a cause, a test or a frame above and below it, in kept lines.
_NEAR = (3, 12)
LOOKED_FOR = ("cause", "test", "frame", "epilogue", "count", "title", "stack")
#: What a line loses that the last passing run of the job printed too. Not learned: the
#: labelled logs come without their passing runs; `python -m bench.background` shows what it is
#: worth on recorded pairs.
BACKGROUND = 6.0
#: What a line gains by a cause or a test of a team's own catalogue. Not learned: no labelled log
#: has one. Three times what the most telling shipped message is worth beyond its role, because a
#: person wrote it for lines that name the failure.
TEAM = 1.0
#: Characters at a line's start that make its shape for counting repeats.
_SHAPE = 110
_DIGITS = b"0123456789"


class LinePlace(NamedTuple):
    """What is known of a kept line besides its text."""

    number: int  # 1-based in the raw log
    weight: float  # of what the scan found on it, 0 to 10
    failing: bool  # stands in a step that failed
    background: bool = False  # the last passing run of the job printed it too, or a test that passed did


@dataclass(frozen=True)
class Features:
    """Features of the kept lines, in parts: what each line is, whether its neighbours are kept
    too, and where it stands.
    """

    own: NDArray[np.float32]  # lines x `_OWN`
    beside: tuple[
        NDArray[np.float32], ...
    ]  # for each of `_AROUND`: 1 where the neighbour stands right there in the log
    place: NDArray[np.float32]  # lines x `PLACE`
    background: NDArray[np.float32]  # 1 for a line that the last passing run of the job printed too

    @property
    def values(self) -> NDArray[np.float32]:
        """All features: lines x `feature_names()`."""
        around = [_shifted(self.own, by) * there[:, None] for by, there in zip(_OFFSETS, self.beside, strict=True)]
        return np.hstack([self.own, *around, self.place])

    def sums(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """`values @ vector`, without making the neighbours' columns: their
        sums are shifted instead.
        """
        width = len(_OWN)
        parts = vector[: width * (1 + len(_OFFSETS))].reshape(1 + len(_OFFSETS), width)
        each = self.own @ parts.T
        total = each[:, 0] + self.place @ vector[width * (1 + len(_OFFSETS)) :]
        for column, (by, there) in enumerate(zip(_OFFSETS, self.beside, strict=True), start=1):
            total += _shifted(each[:, column], by) * there
        return total


@dataclass(frozen=True, eq=False)
class Weights:
    """What was learned: a weight for each feature, and for single messages what they
    are worth beyond their role.
    """

    features: dict[str, float]
    messages: dict[str, float]

    @classmethod
    def read(cls, text: str) -> Weights:
        """From the text of a file like `ranking.tsv`: a feature or `message:ID` and its weight a
        line; `#` begins a remark.
        """
        rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
        weights = {name: float(weight) for name, weight in rows}
        own = {name.removeprefix("message:"): w for name, w in weights.items() if name.startswith("message:")}
        return cls({name: w for name, w in weights.items() if not name.startswith("message:")}, own)


@cache
def weights_in_force() -> Weights:
    """Those that come with the package."""
    return Weights.read(files("ci_metrics.logs").joinpath("ranking.tsv").read_text(encoding="utf-8"))


def _shifted(matrix: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Rows moved so that row i holds what stood `by` rows further down; nothing beyond the ends."""
    out = np.zeros_like(matrix)
    if by > 0:
        out[:-by] = matrix[by:]
    else:
        out[-by:] = matrix[:by]
    return out


#: Features of a line by itself.
_OWN = (*(f"role:{role}" for role in ROLES), *(f"shape:{shape}" for shape in SHAPES), "hit", "category")
#: Whose features count too: the neighbours, and those behind them.
_AROUND = ("above", "below", "above2", "below2")
_OFFSETS = (-1, 1, -2, 2)
#: Features of a line's place.
PLACE = (
    "gap-above", "gap-below",
    *(f"{role}-{way}-{reach}" for role in LOOKED_FOR for way in ("above", "below") for reach in _NEAR),
    *(f"{role}-in-step" for role in LOOKED_FOR),
    "failing", "aside", "no-failing-step", "weight", "weight-share", "heaviest", "weight-5", "weight-7", "weight-85",
    *(f"to-end-{d}" for d in DISTANCES), "to-end-more", "behind-end", "no-end", "distance", "depth",
    "before-strong", "first-strong", "last-strong", "behind-strong", "repeated", "repeats", "first-of-shape", "last-of-shape",
    *(f"first-{role}" for role in LOOKED_FOR[:3]), *(f"last-{role}" for role in LOOKED_FOR[:3]),
    "frame-with-cause", "frame-with-test", "epilogue-with-cause", "count-with-cause", "cause-alone", "same-above",
    "short", "brief", "long", "very-long",
)  # fmt: skip
#: Columns of `_OWN`.
_LOOKED = [ROLES.index(role) for role in LOOKED_FOR]
_STEP_END, _EXIT_MARK = _OWN.index("role:step-end"), _OWN.index("shape:exit-mark")


@cache
def feature_names() -> tuple[str, ...]:
    """All features, in order."""
    return (*_OWN, *(f"{where}:{name}" for where in _AROUND for name in _OWN), *PLACE)


@lru_cache(maxsize=8)
def _columns(catalogue: Catalogue) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each message: its role's column (-1: none), whether it has a category, is empty, is
    a cause of generic words.
    """
    at: dict[str, int] = {role: i for i, role in enumerate(ROLES)}
    messages = catalogue.messages
    return (
        np.array([at.get(m.role, -1) for m in messages], np.intp),
        np.array([bool(m.category) for m in messages]),
        np.array([m.role in EMPTY for m in messages]),
        np.array([m.role == "cause" and m.family == GENERIC for m in messages]),
    )


def _flat(hits: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The messages of all lines in a row: of each the line, and its number."""
    rows = np.repeat(np.arange(len(hits)), [len(found) for found in hits])
    return rows, np.fromiter(chain.from_iterable(hits), np.intp, len(rows))


def _own(catalogue: Catalogue, texts: Sequence[str], hits: Sequence[tuple[int, ...]]) -> NDArray[np.float32]:
    """What each line is."""
    own = np.zeros((len(texts), len(_OWN)), np.float32)
    own[:, len(ROLES) : len(ROLES) + len(SHAPES)] = shapes_of(texts)
    rows, numbers = _flat(hits)
    if len(rows):
        role, category, is_empty, is_generic = _columns(catalogue)
        empty = np.zeros(len(texts), bool)
        empty[rows[is_empty[numbers]]] = True
        said = (role[numbers] >= 0) & ~(empty[rows] & is_generic[numbers])
        own[rows[said], role[numbers[said]]] = 1
        own[rows[said], -2] = 1
        own[rows[category[numbers]], -1] = 1
    return own


def features(
    catalogue: Catalogue, texts: Sequence[str], hits: Sequence[tuple[int, ...]], places: Sequence[LinePlace], total: int
) -> Features:
    """Every feature of every kept line, in the log's order.

    `texts`: clean lines; `hits`: numbers of the catalogue's messages on each; `total`:
    how many lines the log has.
    """
    count = len(texts)
    own = _own(catalogue, texts, hits)
    roles = own[:, : len(ROLES)]
    numbers, weights, failing, background = (
        np.fromiter(chain.from_iterable(places), float, count * len(LinePlace._fields)).reshape(count, -1).T
    )
    follows = np.diff(numbers) == 1
    beside = tuple(np.zeros(count, np.float32) for _ in _OFFSETS)
    beside[0][1:], beside[1][:-1] = follows, follows
    if count > 2:
        beside[2][2:] = beside[3][:-2] = follows[1:] & follows[:-1]
    failing, weights = failing.astype(np.float32), weights.astype(np.float32)
    marked = bool(failing.any())
    inside = failing if marked else np.ones(count, np.float32)
    within = inside > 0
    most = float((weights * inside).max()) or float(weights.max()) or 1.0
    rows = np.arange(count)

    looked = roles.T[_LOOKED]
    there = looked * inside
    in_step: NDArray[np.bool_] = np.any(there, axis=1)

    end_rows = (roles[:, _STEP_END] > 0) | (own[:, _EXIT_MARK] > 0)
    ends = numbers[end_rows & within]
    ends = ends if len(ends) else numbers[end_rows]
    behind = np.searchsorted(ends, numbers)
    has_end = behind < len(ends)
    distance = ends[np.minimum(behind, len(ends) - 1)] - numbers if len(ends) else np.full(count, -1)
    to_end = np.zeros((len(DISTANCES) + 1, count), np.float32)
    to_end[np.searchsorted(DISTANCES, distance[has_end]), rows[has_end]] = 1

    strong = np.flatnonzero((weights >= 0.7 * most) & within)
    first, last = (strong[0], strong[-1]) if len(strong) else (count, -1)
    stripped = [text.strip() for text in texts]
    shapes = "\n".join([text[:_SHAPE] for text in stripped]).encode("utf-8", "surrogatepass").translate(None, _DIGITS)
    known: dict[bytes, int] = {}
    kinds = np.array([known.setdefault(shape, len(known)) for shape in shapes.split(b"\n")])
    repeats = np.bincount(kinds)[kinds].astype(np.float32)
    first_of, last_of = np.empty(len(known), np.intp), np.empty(len(known), np.intp)
    first_of[kinds[::-1]], last_of[kinds] = rows[::-1], rows  # of several of a kind the last one written stays
    ranks = np.zeros((6, count), np.float32)
    for row in range(3):
        at = np.flatnonzero(there[row])
        if len(at):
            ranks[row, at[0]] = ranks[3 + row, at[-1]] = 1
    cause, _, frame, epilogue, tally = looked[:5]
    same = [i > 0 and bool(hits[i]) and hits[i] == hits[i - 1] for i in range(count)]
    lengths = np.array(list(map(len, stripped)))
    columns = [
        1 - beside[0], 1 - beside[1], *_near(looked), *in_step,
        failing, 1 - inside, not marked, weights / 10, weights / most,
        (weights >= 0.999 * most) & within, weights >= 5, weights >= 7, weights >= 8.5,
        *to_end, ~has_end & (len(ends) > 0), not len(ends),
        np.where(has_end, np.log1p(np.maximum(distance, 0)) / 8, 0), np.log1p(np.maximum(0, total - numbers)) / 10,
        rows < first, rows == first, rows == last, rows > last, repeats > 1, np.minimum(3, np.log(repeats)),
        rows == first_of[kinds], rows == last_of[kinds],
        *ranks, frame * in_step[0], frame * in_step[1], epilogue * in_step[0], tally * in_step[0],
        cause * (cause.sum() == 1), same,
        lengths < 8, (lengths >= 8) & (lengths < 25), (lengths >= 120) & (lengths < 300), lengths >= 300,
    ]  # fmt: skip
    place = np.empty((len(PLACE), count), np.float32)
    for row, values in enumerate(columns):
        place[row] = values
    return Features(own, beside, place.T, background.astype(np.float32))


def _near(looked: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Of each role (rows of `looked`): whether a line has one within each reach of
    `_NEAR` above it, and below it.
    """
    (roles, count), far = looked.shape, max(_NEAR)
    sums = np.zeros(
        (roles, far + 1 + count + far), np.float32
    )  # running, with room for what would reach beyond the ends
    np.cumsum(looked, axis=1, out=sums[:, far + 1 : far + 1 + count])
    sums[:, far + 1 + count :] = sums[:, far + count, None]

    def any_of(first: int, stop: int) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = sums[:, far + stop : far + stop + count] > sums[:, far + first : far + first + count]
        return found

    ways = [*(any_of(-reach, 0) for reach in _NEAR), *(any_of(1, 1 + reach) for reach in _NEAR)]
    return np.stack(ways, axis=1).reshape(-1, count)


@cache
def _vector(weights: Weights) -> NDArray[np.float32]:
    return np.array([weights.features.get(name, 0.0) for name in feature_names()], np.float32)


@lru_cache(maxsize=8)
def _messages(catalogue: Catalogue, weights: Weights) -> NDArray[np.float32]:
    def own(message: Message) -> float:
        unknown = TEAM if message.id in catalogue.own and message.role in ("cause", "test") else 0.0
        return weights.messages.get(message.id, unknown)

    return np.array([own(message) for message in catalogue.messages], np.float32)


def scores(
    catalogue: Catalogue, found: Features, hits: Sequence[tuple[int, ...]], weights: Weights
) -> NDArray[np.float32]:
    """Each line's score: the sum of its features' weights and of its messages' own."""
    out = found.sums(_vector(weights)) - BACKGROUND * found.background
    rows, numbers = _flat(hits)
    return out + np.bincount(rows, _messages(catalogue, weights)[numbers], len(hits)).astype(np.float32)


def worth(catalogue: Catalogue, number: int, weights: Weights) -> float:
    """What a message of the catalogue is worth on its line, beyond its role."""
    return float(_messages(catalogue, weights)[number])


def shares(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The softmax of scores: which share of the failure's name falls on each line."""
    if not len(values):
        return values
    powers = np.exp(values - values.max())
    share: NDArray[np.float32] = powers / powers.sum()
    return share
