"""The learned decision: its file, its shares, how sure it is, and what spoke for a category."""

from __future__ import annotations

import numpy as np
import pytest

from ci_metrics.classifier import Model, model_in_force
from ci_metrics.classifier.model import Sureness
from ci_metrics.classifier.taxonomy import load_taxonomy

TEXT = """# a remark
categories\tmild\tsharp
sureness\t-0.5\t0.4\t0.2
intercepts\t0.5\t-0.5
word:salt@head\t1.0\t-1.0
word:chili@head\t-2.0\t2.0
"""
SMALL = Model.read(TEXT)


def test_a_file_is_read_as_it_is_written() -> None:
    assert (SMALL.categories, SMALL.sureness) == (("mild", "sharp"), Sureness(-0.5, 0.4, 0.2))
    assert list(SMALL.intercepts) == [0.5, -0.5]
    assert {name: list(values) for name, values in SMALL.weights.items()} == {
        "word:salt@head": [1.0, -1.0],
        "word:chili@head": [-2.0, 2.0],
    }


def test_shares_sum_to_one_the_likeliest_stands_first_and_values_count_as_often_as_they_are_given() -> None:
    opinion = SMALL.opinion({"word:chili@head": 1.0})
    assert [name for name, _ in opinion.shares] == ["sharp", "mild"]
    assert sum(share for _, share in opinion.shares) == pytest.approx(1.0)
    # A lead of (-0.5 + 2) - (0.5 - 2) = 3, and a score of 1.5.
    assert opinion.share == pytest.approx(1 / (1 + np.exp(-(-0.5 + 0.4 * 3 + 0.2 * 1.5))))
    assert SMALL.opinion({"word:chili@head": 2.0}).share > opinion.share


def test_what_was_not_learned_says_nothing() -> None:
    nothing, unknown = SMALL.opinion({}), SMALL.opinion({"word:zork@head": 9.0})
    assert nothing.shares == unknown.shares
    assert (nothing.known, unknown.known, SMALL.opinion({"word:salt@head": 2.0}).known) == (0.0, 0.0, 2.0)


def test_how_sure_it_is_grows_with_the_lead_and_with_the_score_and_changes_no_order() -> None:
    sure = Sureness(-0.5, 0.4, 0.2)
    sums = np.array([[1.0, 0.5, 0.0], [2.0, 0.5, 0.0], [2.0, 1.5, 0.0], [0.1, 0.1, 0.1]])
    shares = sure.shares(sums)
    assert shares.sum(axis=1) == pytest.approx(np.ones(4))
    assert shares[1, 0] > shares[2, 0] > shares[0, 0]  # the same lead twice, with more and less behind it
    assert (shares.argmax(axis=1) == [0, 0, 0, 0]).all()
    assert shares[0, 1] > shares[0, 2]


def test_however_unsure_no_other_category_gets_a_larger_share_than_the_best() -> None:
    shares = Sureness(-9.0, 0.1, 0.1).shares(np.array([[1.0, 0.9, 0.0], [1.0, -5.0, -5.0]]))
    assert (shares[:, 0] >= shares.max(axis=1) - 1e-12).all()


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
    assert shipped.sureness.lead > 0 and shipped.sureness.score > 0
