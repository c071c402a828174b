"""Learning: the fit is the optimum, the shipped examples make the shipped weights, and
what takes over is better.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import numpy as np
import pytest
from scipy.optimize import minimize

from ci_metrics.classifier import Classifier, model_in_force
from ci_metrics.classifier.cross_validation import cross_validated, fit_figures, sureness
from ci_metrics.classifier.learning import (
    CATEGORIES,
    REACH,
    WORD_PROJECTS,
    WORDS,
    Example,
    feature_kind,
    fit,
    learned_features,
)
from ci_metrics.classifier.model import Model
from ci_metrics.classifier.relearning import (
    FEWEST,
    HUMAN,
    MODEL,
    Said,
    distinct_failures,
    lesson_of,
    relearned,
    version_of,
)
from ci_metrics.classifier.shipped_examples import packed, read_examples, shipped_examples
from ci_metrics.classifier.taxonomy import default_taxonomy
from ci_metrics.errors import ContractError

#: The shipped failures that nobody made for the purpose: enough where all of them are not
#: the point, and quicker.
REAL = tuple(example for example in shipped_examples() if example.real)
THEN = datetime(2026, 3, 2, tzinfo=UTC)


def said(number: int, category: str = "timeout", *, by_person: bool = True, at: int = 0, **given: object) -> Said:
    """What was said of a failure of a tool that nobody knows; the same
    failure for the same number.
    """
    features = {f"word:{word}@head": 1.0 for word in ("convoy", "berth", f"ship{number}")}
    known: dict[str, object] = {"features": features, "subject": f"s{number}", "group": f"g{number}"}
    return Said(**{**known, "category": category, "by_person": by_person, "at": THEN + timedelta(hours=at), **given})  # type: ignore[arg-type]


def made(count: int, seed: int = 7) -> list[Example]:
    """Examples of three categories, with noise, of ten projects."""
    drawn = np.random.default_rng(seed)
    found = []
    for number in range(count):
        at = number % 3
        names = {f"category:{CATEGORIES[at]}@head"} if drawn.random() < 0.7 else set()
        names |= {f"word:w{drawn.integers(12)}@first" for _ in range(4)}
        second = (CATEGORIES[(at + 1) % 3],) if drawn.random() < 0.2 else ()
        features = {name: float(drawn.integers(1, 3)) for name in sorted(names)}
        found.append(Example(features, (CATEGORIES[at], *second), 1.0 if number % 2 else 0.5, number % 10))
    return found


def test_the_fit_is_the_optimum_that_scipy_finds() -> None:
    examples = made(90)
    names, categories = learned_features(examples), CATEGORIES[:3]
    learned = fit(examples, names, categories)
    reach = np.array([REACH[feature_kind(name)] for name in names])
    dense = np.array([[example.features.get(name, 0.0) for name in names] for example in examples]) * reach
    weight = np.array([[example.weight] for example in examples])
    wanted = np.array(
        [
            [{0: 1.0, 1: 0.4}.get(e.categories.index(c)) if c in e.categories else 0.0 for c in categories]
            for e in examples
        ],
        float,
    )
    wanted /= wanted.sum(axis=1, keepdims=True)

    def loss(flat: np.ndarray) -> float:
        values = flat.reshape(len(names) + 1, 3)
        sums = dense @ values[:-1] + values[-1]
        logs = sums - np.log(np.exp(sums).sum(axis=1, keepdims=True))
        pull = (values[:-1] ** 2).sum() / 2 + 0.005 * (values[-1] ** 2).sum()
        return float(pull - (weight * wanted * logs).sum())

    best = minimize(loss, np.zeros(3 * len(names) + 3), method="L-BFGS-B", options={"maxfun": 10**6, "ftol": 1e-13})
    values = best.x.reshape(-1, 3)
    assert learned.weights == pytest.approx(values[:-1] * reach[:, None], abs=0.003)
    assert learned.intercepts == pytest.approx(values[-1], abs=0.01)


def test_where_a_fit_begins_changes_nothing() -> None:
    examples = made(60)
    names = learned_features(examples)
    fresh = fit(examples, names)
    begun = fit(examples, names, start=fit(made(60, seed=8), learned_features(made(60, seed=8)), CATEGORIES[:3]))
    assert begun.weights == pytest.approx(fresh.weights, abs=0.003)


def test_a_word_is_learned_when_five_projects_show_it_and_another_feature_when_two_do() -> None:
    rows = [Example({"word:a@head": 1.0, "role:cause@head": 1.0}, ("timeout",), group=group) for group in range(5)]
    assert learned_features(rows) == ["role:cause@head", "word:a@head"]
    assert learned_features(rows[:4]) == ["role:cause@head"]
    assert learned_features(rows[:1]) == []
    assert learned_features(rows[:1] * 9) == []  # one project, however often
    assert learned_features((), rows[:3]) == ["role:cause@head", "word:a@head"]  # a team's own failures


def test_the_shipped_examples_make_the_shipped_weights() -> None:
    """To their rounding: two decimals, three of the sureness."""
    examples, shipped = shipped_examples(), model_in_force()
    learned = fit(examples, learned_features(examples))
    again = learned.model(shipped.sureness)
    assert set(again.weights) ^ set(shipped.weights) <= {  # a weight on the edge of being kept
        name
        for name, values in zip(learned.names, learned.weights, strict=True)
        if abs(np.abs(values).max() - 0.02) < 1e-3
    }
    for name in set(again.weights) & set(shipped.weights):
        assert again.weights[name] == pytest.approx(shipped.weights[name], abs=0.0101), name
    assert again.intercepts == pytest.approx(shipped.intercepts, abs=0.0101)
    real = [row for row, example in enumerate(examples) if example.real]
    sure = sureness([examples[row] for row in real], cross_validated(examples)[real])
    assert astuple(sure) == pytest.approx(astuple(shipped.sureness), abs=0.003)


def test_no_word_of_the_shipped_examples_is_of_fewer_than_five_projects_and_none_has_another_text() -> None:
    projects: dict[str, set[int]] = defaultdict(set)
    for example in shipped_examples():
        for name in example.features:
            projects[name].add(example.group)
    words = [name for name in projects if feature_kind(name) in WORDS]
    assert len(words) > 100
    assert [name for name in words if len(projects[name]) < WORD_PROJECTS] == []
    assert [name for name in projects if " " in name or len(name) > 80] == []


def test_the_shipped_examples_are_small_and_are_written_as_they_are_read() -> None:
    data = files("ci_metrics.classifier").joinpath("examples.tsv.gz").read_bytes()
    assert len(data) < 1_500_000
    assert read_examples(packed(read_examples(data))) == read_examples(data)


def test_damaged_examples_are_one_clear_error() -> None:
    with pytest.raises(ContractError, match=r"examples.tsv.gz is damaged .* Install the package again"):
        read_examples(packed(made(20))[:-40])


def test_one_flood_is_one_example_and_the_newest_word_of_a_person_counts() -> None:
    flood = [said(1, by_person=False, at=hour) for hour in range(50)]
    early, late = said(1, "network_error", at=3), said(1, "runtime_error", at=9)
    assert len(distinct_failures(flood)) == 1
    assert [each.category for each in distinct_failures([*flood, late, early])] == ["runtime_error"]
    same = said(1, "network_error", at=20, subject="another fingerprint of the same text")
    assert [each.category for each in distinct_failures([late, same])] == ["network_error"]


@pytest.mark.parametrize(
    ("count", "parents", "learned_as"),
    [
        (FEWEST, {}, {"deploy_failure": FEWEST}),
        (FEWEST - 1, {"deploy_failure": "infrastructure_error"}, {"infrastructure_error": FEWEST - 1}),
        (FEWEST - 1, {}, {}),
    ],
)
def test_a_category_of_ones_own_is_learned_from_five_failures_on_and_counts_for_its_parent_before(
    count: int, parents: dict[str, str], learned_as: dict[str, int]
) -> None:
    lesson = lesson_of([said(number, "deploy_failure") for number in range(count)], parents)
    assert lesson.by_category == learned_as
    assert lesson.dropped == ({} if learned_as else {"deploy_failure": count})


def test_flaky_is_learned_only_of_logs_that_say_so_themselves() -> None:
    silent, telling = said(1, "flaky_test"), said(2, "flaky_test", features={"category:flaky_test@first": 1.0})
    lesson = lesson_of([silent, telling], {})
    assert (lesson.said, lesson.dropped) == ((telling,), {"flaky_test": 1})


def test_a_person_weighs_more_than_a_model() -> None:
    lesson = lesson_of([said(1), said(2, by_person=False)], {})
    assert sorted(example.weight for example in lesson.examples) == [MODEL, HUMAN]
    assert lesson.by_source == {"human": 1, "model": 1}


def test_too_few_verdicts_teach_nothing() -> None:
    shipped = model_in_force()
    few = lesson_of([said(number) for number in range(FEWEST - 1)], {})
    assert relearned(shipped_examples(), few, shipped, None, shipped) is None


def test_labels_that_contradict_what_is_known_do_not_take_over() -> None:
    """Shipped failures, said to be what they are not: learned from, they would spoil the rest."""
    model = model_in_force()
    wrong = [
        said(
            number, CATEGORIES[(CATEGORIES.index(example.categories[0]) + 3) % 9], features=example.features, at=number
        )
        for number, example in enumerate(e for e in REAL if len(e.features) > 20)
    ][:120]
    outcome = relearned(REAL, lesson_of(wrong, {}), model, None, model)
    assert outcome is not None
    assert not outcome.accepted
    assert "right less often" in outcome.why


def test_a_category_of_ones_own_is_decided_once_it_is_learned() -> None:
    model = model_in_force()
    lesson = lesson_of([said(number, "deploy_failure", at=number) for number in range(8)], {})
    outcome = relearned(REAL, lesson, model, None, model)
    assert outcome is not None
    assert outcome.accepted
    assert (outcome.before.accuracy, outcome.after.accuracy) == (0.0, 1.0)
    learned = Model.read(outcome.text, outcome.version)
    assert learned.opinion(said(99).features).category == "deploy_failure"
    assert Classifier(default_taxonomy(), model=learned).version != Classifier(default_taxonomy()).version
    assert version_of(outcome.text) == outcome.version != version_of(outcome.text.replace("deploy", "ship"))


@pytest.mark.parametrize(("meant", "takes_over"), [("timeout", True), ("network_error", False)])
def test_fifty_verdicts_are_checked_on_the_newest_fifth_of_them(meant: str, takes_over: bool) -> None:
    """Forty older ones say that such a failure is a timeout: right only where
    the ten newest say so too.
    """
    model = model_in_force()
    older = [said(number, "timeout", at=number) for number in range(40)]
    newest = [said(number, meant, at=number) for number in range(40, 50)]
    outcome = relearned(REAL, lesson_of([*newest, *older], {}), model, None, model)
    assert outcome is not None
    assert (outcome.accepted, outcome.checked_on) == (takes_over, "the newest 10 of 50 verdicts")
    assert (outcome.before.examples, outcome.after.examples) == (10, 10)
    assert outcome.after.accuracy == pytest.approx(1.0 if takes_over else 0.0)


@pytest.mark.parametrize(
    ("until", "against_these"), [(THEN + timedelta(hours=30), True), (THEN + timedelta(hours=45), False)]
)
def test_the_check_is_against_the_weights_in_force_unless_they_have_learned_from_what_is_checked_on(
    until: datetime, against_these: bool
) -> None:
    model = model_in_force()
    knowing = Model.read("categories\ttimeout\nsureness\t1\t0\t0\nintercepts\t0\n")  # says timeout, whatever there is
    lesson = lesson_of([said(number, "timeout", at=number) for number in range(50)], {})
    outcome = relearned(REAL, lesson, knowing, until, model)
    assert outcome is not None
    assert outcome.before.accuracy == (1.0 if against_these else 0.0)


def test_figures_count_weights_and_say_how_sure_was_wrong() -> None:
    rows = [Example({}, ("timeout",), 3.0), Example({}, ("network_error",), 1.0)]
    shares = np.zeros((2, len(CATEGORIES)))
    shares[:, CATEGORIES.index("timeout")] = 1.0
    found = fit_figures(rows, shares)
    assert (found.accuracy, found.calibration) == pytest.approx((0.75, 0.25))
    assert found.lost > 3
