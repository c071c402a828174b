"""The rules as data: every one behaves on its own examples, and none is so broad that it fires on logs that passed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ci_metrics.classifier import CLASSIFIER_VERSION, Rule, load_rules
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.verdicts.rules.matching import bare, match_lines
from ci_metrics.verdicts.rules.weighing import names, outranks, precedence

RULES = load_rules()
PASSING = sorted((Path(__file__).parent / "passing").glob("*.log"))
#: From here on a rule decides almost alone, so it must be silent on logs that passed.
HIGH = 70
#: (log, rule) -> why it may fire on a log that passed.
ALLOWED = {("go_test.log", "disk-full"): "the reason of a skipped test, on a line of its own"}


def fired(text: str, scope: str = "line") -> set[str]:
    return {hit.rule.id for hit in match_lines([bare(text)], scope)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_fires_on_its_examples_and_is_silent_on_its_counter_examples(rule: Rule) -> None:
    assert rule.fires, "a rule without an example line is a guess"
    assert rule.silent, "a rule without a counter-example has not been thought through"
    for line in rule.fires:
        assert rule.id in fired(line, rule.scope), line
    for line in rule.silent:
        assert rule.id not in fired(line, rule.scope), line


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_cause_names_a_category_of_the_ten_and_says_it_in_words(rule: Rule) -> None:
    if rule.kind != "cause":
        assert not rule.category
        return
    assert rule.category in load_taxonomy(None).names
    assert rule.headline and not rule.headline.endswith(".")
    assert 0 < rule.priority <= 100


def test_matching_all_rules_at_once_finds_what_each_alone_finds_and_never_reaches_into_the_next_line() -> None:
    lines = [bare(line) for rule in RULES if rule.scope == "line" for line in rule.fires]
    together = {(hit.index, hit.rule.id) for hit in match_lines(lines)}
    alone = {(index, name) for index, line in enumerate(lines) for name in fired(line)}
    assert together == alone


@pytest.mark.parametrize(
    "above",
    ["x" * 40, "=" * 30 + " test session starts", "1 of 12 suites, 3 skipped and 1234567 lines above", "a b c " * 20],
)
def test_a_line_is_matched_alike_whatever_stands_above_it(above: str) -> None:
    """The engine can lose matches below other lines; see `by_line`."""
    lost = []
    for rule in RULES:
        for line in rule.fires if rule.scope == "line" else ():
            if (1, rule.id) not in {(hit.index, hit.rule.id) for hit in match_lines([above, bare(line)])}:
                lost.append((rule.id, line))
    assert not lost


def test_threads_do_not_disturb_each_other() -> None:
    lines = [bare(line) for rule in RULES if rule.scope == "line" for line in rule.fires]
    alone = match_lines(lines)
    with ThreadPoolExecutor(4) as pool:
        assert all(found == alone for found in pool.map(lambda _: match_lines(lines), range(12)))


def test_a_long_line_is_matched_by_its_beginning_and_its_end() -> None:
    assert "disk-full" in fired("x" * 50_000 + " No space left on device")
    assert "disk-full" in fired("No space left on device " + "x" * 50_000)


def test_prefixes_of_runners_and_containers_do_not_hide_a_line() -> None:
    for prefix in ("##[error]", "    ", "#12 3.456 ", "2026-01-01T10:00:00.123Z ", "web-1  | ", "\x1b[31m", "[31m"):
        assert "pytest-failed" in fired(f"{prefix}FAILED tests/a.py::test_b - assert 1")


def test_step_names_alone_only_ever_guess() -> None:
    assert max(rule.priority for rule in RULES if rule.scope == "step") < 30


@pytest.mark.parametrize("path", PASSING, ids=lambda path: path.stem)
def test_no_strong_rule_fires_on_a_log_that_passed(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    hits = match_lines([bare(line) for line in lines])
    muted = {(hit.index, name) for hit in hits if hit.rule.kind == "noise" for name in hit.rule.mutes or ("",)}
    loud = [
        f"{hit.rule.id}: {lines[hit.index]}"
        for hit in hits
        if hit.rule.kind == "cause" and hit.rule.priority >= HIGH and (path.name, hit.rule.id) not in ALLOWED
        if not any((hit.index, name) in muted for name in ("", *names(hit.rule)))
    ]
    assert not loud


def test_what_is_allowed_on_passing_logs_is_still_needed() -> None:
    for (name, rule), reason in ALLOWED.items():
        path = next(path for path in PASSING if path.name == name)
        lines = [bare(line) for line in path.read_text(encoding="utf-8").split("\n")]
        assert rule in {hit.rule.id for hit in match_lines(lines)}, reason


def test_every_category_has_rules() -> None:
    assert {rule.category for rule in RULES if rule.category} == set(load_taxonomy(None).names)


@pytest.mark.parametrize(
    ("first", "second"),
    [(a, b) for i, a in enumerate(precedence().order) for b in precedence().order[i + 1 :]],
)
def test_of_two_categories_the_earlier_in_the_table_wins(first: str, second: str) -> None:
    assert outranks(first, second)
    assert not outranks(second, first)


def test_the_table_of_precedence_has_each_category_once() -> None:
    assert sorted(precedence().order) == sorted(load_taxonomy(None).names)


def test_the_version_is_short_and_stable() -> None:
    assert len(CLASSIFIER_VERSION) == 10
    assert int(CLASSIFIER_VERSION, 16) >= 0
