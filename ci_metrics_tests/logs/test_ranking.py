"""Which line heads an error: the cause, wherever frames, closing words, titles and other steps
stand around it, and always some line.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ci_metrics.catalogue import Catalogue, Message, load_catalogue
from ci_metrics.logs import DEFAULT_BUDGET, background_of, extract
from ci_metrics.logs.candidates import Candidates, candidates
from ci_metrics.logs.ranking import Weights, feature_names, scores, shares, weights_in_force
from ci_metrics.models import FAILED_CONCLUSIONS
from ci_metrics_tests.job_logs import action, failed_job, failed_with, failing, job_log, script

CATALOGUE = load_catalogue()
#: Causes of several kinds, in words that no one tool owns.
CAUSES = {
    "a compiler's": "src/cart.c:3:12: error: expected ';' before 'return'",
    "a test's": "AssertionError: expected 3 to equal 4",
    "the network's": "curl: (6) Could not resolve host: example.com",
}
#: Roles of lines that name no cause.
EMPTY = ("frame", "epilogue", "status", "title", "count", "banner", "echo", "hint", "source", "stack")


def of_role(role: str) -> list[Message]:
    return [m for m in CATALOGUE.messages if m.role == role and m.subject == "line"]


def head(log: bytes) -> str:
    return extract(log).errors[0].headline


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("role", EMPTY)
def test_what_names_no_cause_heads_no_error_where_a_cause_stands_above_it(role: str, cause: str) -> None:
    said = CAUSES[cause]
    heads = {
        m.id: head(failing("working", said, m.fires[0], run="make all", code=2))
        for m in of_role(role)
        if m.id != "jvm-goal-policy"  # says its reason behind its last colon
    }
    assert heads
    assert {name: text for name, text in heads.items() if said not in text} == {}


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("role", [role for role in EMPTY if role != "frame"])
def test_nor_where_the_cause_stands_below_it(role: str, cause: str) -> None:
    said = CAUSES[cause]
    heads = {
        m.id: head(failing("working", m.fires[0], said, run="make all", code=2))
        for m in of_role(role)
        if "##[" not in m.fires[0]  # the step ends there
    }
    assert {name: text for name, text in heads.items() if said not in text} == {}


#: Role -> which share of all causes that the catalogue knows must head an error above a line of
#: that role. A frame may say itself what went wrong, so that it is as good.
ABOVE = {"epilogue": 0.95, "status": 0.97, "title": 0.93, "count": 0.95, "frame": 0.80}


@pytest.mark.parametrize("role", ABOVE)
def test_any_cause_heads_above_a_closing_line_and_not_where_their_roles_are_swapped(role: str) -> None:
    pairs = cause_above(role)
    swap = {"cause": role, role: "cause"}
    swapped = Catalogue(tuple(replace(m, role=swap.get(m.role, m.role)) for m in CATALOGUE.messages))  # type: ignore[arg-type]
    shipped, mutant = headed_by_cause(pairs, CATALOGUE), headed_by_cause(pairs, swapped)
    assert shipped >= ABOVE[role]
    assert mutant < shipped - 0.03


def cause_above(role: str) -> list[tuple[str, Candidates]]:
    """A log for each cause that the catalogue knows, with one of the lines of `role` below it."""
    causes = [m for m in of_role("cause") if m.weight > 0 and "##[" not in m.fires[0]]
    lines = of_role(role)
    made = []
    for number, cause in enumerate(causes):
        log = failing("working", cause.fires[0], lines[number % len(lines)].fires[0], run="make all", code=2)
        found = candidates(log, CATALOGUE, job=None, background=None, budget=DEFAULT_BUDGET)
        made.append((cause.fires[0].strip()[:60], found))
    return made


def headed_by_cause(pairs: list[tuple[str, Candidates]], catalogue: Catalogue) -> float:
    right = 0
    for cause, found in pairs:
        ranked = scores(catalogue, found.features(catalogue), found.hits, weights_in_force())
        right += cause in found.lines[int(np.argmax(ranked))].text
    return right / len(pairs)


@pytest.mark.parametrize("role", ["frame", "epilogue"])
def test_a_frame_or_closing_words_head_an_error_where_their_step_has_nothing_else(role: str) -> None:
    other = {
        m.id: found
        for m in of_role(role)
        if "##[" not in m.fires[0]
        if m.fires[0].strip() not in (found := head(failing(m.fires[0], run="make all", code=2)))
    }
    assert other == {}


def test_the_place_of_an_assertion_does_not_head_it() -> None:
    output = (
        "=================================== FAILURES ===================================",
        "__________________________________ test_total __________________________________",
        "    def test_total():",
        ">       assert total([1, 2, 3]) == 7",
        "E       assert 6 == 7",
        "tests/test_cart.py:12: AssertionError",
        "=========================== short test summary info ============================",
        "FAILED tests/test_cart.py::test_total - assert 6 == 7",
        "========================= 1 failed, 12 passed in 0.31s =========================",
    )
    for lines in (output, (*output[:2], *output[3:])):
        assert "assert 6 == 7" in head(failing(*lines, run="pytest"))


def test_the_only_word_of_a_step_heads_its_error_before_the_runners_own() -> None:
    assert head(failing("qwertz uiop: asdf")) == "qwertz uiop: asdf"


@pytest.mark.parametrize(
    "last",
    ["ok  \texample.com/shop/errors\t(cached)", "#12 ok   example.com/shop/report\t(cached)", "#9 PASS: failure_test"],
)
def test_what_says_that_a_test_passed_heads_no_error_even_where_nothing_else_was_said(last: str) -> None:
    assert head(failing("ok  \texample.com/shop/cart\t0.12s", last, run="go test ./...")) != last


def test_no_block_crosses_a_steps_header() -> None:
    first = script("src/a.c:3:4: error: expected ';'", "note: see above", run="make a", code=2)
    second = script("src/b.c:9:1: error: unknown type name 'berth'", run="make b", code=2)
    third = action("##[error]Input required and not supplied: token", uses="acme/deploy@v1")
    found = extract(job_log(first, second, third))
    assert len(found.errors) >= 2
    for error in found.errors:
        headers = [i for i, line in enumerate(error.lines) if line.text.startswith("##[group]Run ")]
        assert set(headers) <= {0}, [line.text for line in error.lines]


#: What a failed step says, besides what a passing run or an earlier step printed.
SAID = (
    "error: the ledger has no entry for account 7",
    "AssertionError: expected 3 to equal 4",
    "ledger: account 7 has no entry",
)


@pytest.mark.parametrize("said", SAID)
def test_what_the_last_passing_run_printed_too_heads_nothing(said: str) -> None:
    noise = ("ERROR: could not load plugin berth: not found", "ValueError: bad default for --yard")
    passed = job_log(script(*noise, "all is well"))
    known = extract(failing(*noise, said), background=background_of(passed))
    assert known.errors[0].headline == said
    assert not {error.headline for error in known.errors} & set(noise)


@pytest.mark.parametrize(
    "last",
    [
        "❌ Fatal: giving up, no feed could be read",
        "ERROR: sync aborted: 3 of 3 feeds could not be read",
        "sync: fatal: no feed could be read",
    ],
)
def test_exceptions_that_the_program_went_on_from_stand_behind_its_last_word(last: str) -> None:
    lines: list[str] = []
    for number in range(3):
        lines += [
            f"2026-05-04 08:00:0{number} [error    ] feed could not be read feed={number}",
            "Traceback (most recent call last):",
            '  File "/home/runner/work/yard/yard/feeds.py", line 44, in read',
            '    raise LookupError("no key for this feed")',
            "LookupError: no key for this feed",
            *(f"2026-05-04 08:01:{n:02} [info     ] read page {n} of feed {number}" for n in range(12)),
        ]
    assert head(failing(*lines, last, run="python sync.py")) == last


@pytest.mark.parametrize("said", SAID)
def test_what_an_earlier_step_printed_that_passed_heads_nothing(said: str) -> None:
    noise = (
        "ERROR: could not load plugin berth: not found",
        "fatal: not a git repository (or any of the parent directories): .git",
    )
    log = job_log(script(*noise, run="./version.sh"), script(said, "giving up", run="./check", code=1))
    assert extract(log).errors[0].headline == said


#: Any text that a failed job may have left.
TEXTS: dict[str, bytes] = {
    "one letter": b"a",
    "one line without an end": b"hello world",
    "words that nobody knows": b"qwertz\nuiop\n",
    "words of success": b"all tests passed\n0 errors\nBUILD SUCCESSFUL\n",
    "no text": bytes(range(1, 256)) * 3,
    "one endless line": b"x" * 300_000,
    "a header alone": b"2026-05-04T08:00:00.0000000Z ##[group]Run ./check\n2026-05-04T08:00:00.0000000Z ##[endgroup]\n",
    "carriage returns": b"10%\r20%\r30%\r\n",
    "many quiet lines": b"working\n" * 5_000,
    "a job that says nothing": job_log(script()),
    "a job that says that all is well": job_log(script("all is well")),
    "a mark alone": f"{failed_with(3)}\n".encode(),
}


@pytest.mark.parametrize("conclusion", sorted(FAILED_CONCLUSIONS))
@pytest.mark.parametrize("text", TEXTS)
def test_a_failed_job_whose_log_holds_any_text_has_an_error(text: str, conclusion: str) -> None:
    job = failed_job(("Set up job", "success"), ("Run ./check", conclusion), conclusion=conclusion)
    found = extract(TEXTS[text], job=job)
    assert found.state == "errors"
    assert found.errors[0].headline.strip()
    assert found.errors[0].line in {line.number for line in found.lines}
    assert found.excerpt.strip()


@pytest.mark.parametrize("text", [b"", b"\n", b" \n\t\n", b"\xef\xbb\xbf\n"])
def test_a_log_without_any_text_is_no_log(text: bytes) -> None:
    assert extract(text, job=failed_job(("Run ./check", "failure"))).state == "no_log"


def test_how_sure_it_is_of_each_of_a_logs_errors_are_shares_of_one() -> None:
    output = (
        "src/a.c:3:4: error: expected ';' before '}' token",
        *["working"] * 30,
        "curl: (6) Could not resolve host: example.com",
    )
    found = extract(failing(*output, run="make"))
    told = [error.confidence for error in found.errors if error.source == "log"]
    assert len(told) >= 2
    assert all(0 <= share <= 1 for share in told) and sum(told) <= 1.01


def test_a_file_of_weights_is_read_as_it_is_written() -> None:
    weights = Weights.read("# a remark\nrole:cause\t0.5\nmessage:pytest-failed\t-1.25\n")
    assert weights.features == {"role:cause": 0.5}
    assert weights.messages == {"pytest-failed": -1.25}


def test_the_shipped_weights_are_of_features_and_messages_that_exist() -> None:
    shipped = weights_in_force()
    assert set(shipped.features) <= set(feature_names())
    assert len(shipped.features) > 100
    assert np.isfinite(list(shipped.features.values())).all()


def test_a_lines_score_is_the_sum_of_its_features_and_of_its_messages_own_weights() -> None:
    found = candidates(failing(*CAUSES.values()), CATALOGUE, job=None, background=None, budget=DEFAULT_BUDGET)
    seen = found.features(CATALOGUE)
    assert seen.values.shape == (len(found.lines), len(feature_names()))
    marked = next(i for i, hit in enumerate(found.hits) if hit)
    name = CATALOGUE.messages[found.hits[marked][0]].id
    only = scores(CATALOGUE, seen, found.hits, Weights({}, {name: 2.5}))
    assert only[marked] == pytest.approx(2.5)
    alone = scores(CATALOGUE, seen, found.hits, Weights({"failing": 1.5}, {}))
    assert alone == pytest.approx(1.5 * seen.values[:, feature_names().index("failing")])


def test_shares_sum_to_one_and_keep_the_order() -> None:
    found = shares(np.array([700.0, -700.0, 701.0]))
    assert found.sum() == pytest.approx(1.0)
    assert list(np.argsort(found)) == [1, 0, 2]
    assert not len(shares(np.array([])))
