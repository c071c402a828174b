"""The learned decision: its file, its shares, what a temperature does to them, and what spoke for a category."""

from __future__ import annotations

import numpy as np
import pytest

from ci_metrics.classifier import Model, model_in_force
from ci_metrics.classifier.taxonomy import load_taxonomy

TEXT = """# a remark
categories\tmild\tsharp
temperature\t2.0
intercepts\t0.5\t-0.5
word:salt@head\t1.0\t-1.0
word:chili@head\t-2.0\t2.0
"""
SMALL = Model.read(TEXT)


def test_a_file_is_read_as_it_is_written() -> None:
    assert (SMALL.categories, SMALL.temperature) == (("mild", "sharp"), 2.0)
    assert list(SMALL.intercepts) == [0.5, -0.5]
    assert {name: list(values) for name, values in SMALL.weights.items()} == {
        "word:salt@head": [1.0, -1.0],
        "word:chili@head": [-2.0, 2.0],
    }


def test_shares_sum_to_one_the_likeliest_stands_first_and_values_count_as_often_as_they_are_given() -> None:
    opinion = SMALL.opinion({"word:chili@head": 1.0})
    assert [name for name, _ in opinion.shares] == ["sharp", "mild"]
    assert sum(share for _, share in opinion.shares) == pytest.approx(1.0)
    assert opinion.share == pytest.approx(1 / (1 + np.exp(-3.0 / 2)))  # (-0.5 + 2) - (0.5 - 2) = 3, by the temperature
    assert SMALL.opinion({"word:chili@head": 2.0}).share > opinion.share


def test_what_was_not_learned_says_nothing() -> None:
    nothing, unknown = SMALL.opinion({}), SMALL.opinion({"word:zork@head": 9.0})
    assert nothing.shares == unknown.shares
    assert (nothing.known, unknown.known, SMALL.opinion({"word:salt@head": 2.0}).known) == (0.0, 0.0, 2.0)


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_a_temperature_makes_more_or_less_sure_and_changes_no_order(temperature: float) -> None:
    other = Model(SMALL.categories, SMALL.intercepts, temperature, SMALL.weights)
    seen = {"word:chili@head": 1.0}
    assert other.opinion(seen).category == SMALL.opinion(seen).category
    assert (other.opinion(seen).share > SMALL.opinion(seen).share) is (temperature < SMALL.temperature)


def test_what_spoke_for_a_category_stands_first_and_what_spoke_against_it_is_negative() -> None:
    reasons = SMALL.reasons({"word:salt@head": 1.0, "word:chili@head": 1.0, "word:zork@head": 1.0}, "sharp")
    assert reasons == [("word:chili@head", 2.0), ("word:salt@head", -1.0)]


def test_the_shipped_model_knows_the_ten_and_holds_no_word_that_could_be_somebodys_own() -> None:
    shipped = model_in_force()
    assert set(shipped.categories) == set(load_taxonomy(None).names)
    words = [
        name.split(":", 1)[1].split("@")[0]
        for name in shipped.weights
        if name.startswith(("word:", "command:", "step-name:"))
    ]
    assert len(words) > 100
    assert [word for word in words if len(word) > 25 or any(c.isdigit() or c in "/@." for c in word)] == []
    assert all(np.isfinite(values).all() and len(values) == 10 for values in shipped.weights.values())
    assert shipped.temperature > 0
