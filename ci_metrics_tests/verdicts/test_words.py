"""The second opinion: what the words of a failure say, and what that changes in what the rules decided."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ci_metrics.classifier import CLASSIFIER_VERSION, Classifier
from ci_metrics.classifier.taxonomy import Taxonomy, load_taxonomy
from ci_metrics.logs import extract
from ci_metrics.models import ExtractedError, LogLine
from ci_metrics.verdicts.rules.matching import Hit, match_lines
from ci_metrics.verdicts.rules.second_opinion import FIRM, how_sure, overrules
from ci_metrics.verdicts.rules.weighing import CONTEXT, FIRST, Candidate, Decision
from ci_metrics.verdicts.words import Opinion, opinion_on, terms

ROOT = Path(__file__).parents[2]
END = "##[error]Process completed with exit code 1."


def error_of(*lines: str, step: str | None = None) -> ExtractedError:
    numbered = tuple(LogLine(number, text) for number, text in enumerate(lines, start=1))
    return ExtractedError(
        headline=lines[0], line=1, spans=((1, len(lines)),), lines=numbered, step=step, step_number=None,
        fingerprint="f", group="g", generic=False, tool="",
    )  # fmt: skip


def log(*lines: str) -> bytes:
    whole = [
        "Current runner version: '2.320.0'",
        "##[group]Run ./ci/check",
        "shell: /usr/bin/bash -e {0}",
        "##[endgroup]",
        *lines,
        END,
        "",
    ]
    return "\n".join(f"2026-01-01T10:00:00.1234567Z {line}" if line else "" for line in whole).encode()


def decided(line: str, place: float) -> Decision:
    """A decision by the strongest rule that knows `line`, standing in the root cause (`FIRST`) or not."""
    hit = max((hit for hit in match_lines([line]) if hit.rule.kind == "cause"), key=lambda hit: hit.rule.priority)
    return Decision(Candidate(Hit(hit.rule, 0), hit.rule.priority + place, place), None)


def test_terms_are_lower_case_words_and_neighbours_on_a_line_without_numbers_or_what_a_shell_shows() -> None:
    found = terms([error_of("TypeError: x12 is not aFunction", "+ ./run --fast", step="Run Tests 3")])
    assert {"type", "error", "type error", "is not", "function", "run tests"} <= set(found)
    assert not [term for term in found if "fast" in term or any(character.isdigit() for character in term)]


def test_shares_sum_to_one_and_the_category_is_the_likeliest() -> None:
    opinion = opinion_on(
        [error_of("E   assert total == 3", "E   AssertionError: assert 4 == 3", "1 failed, 3 passed in 0.12s")]
    )
    assert opinion is not None
    assert sum(opinion.shares.values()) == pytest.approx(1.0)
    assert opinion.category == "assertion_failure"
    assert opinion.share("assertion_failure") == max(opinion.shares.values())
    assert opinion.share("no_such_category") == opinion.share(None) == 0.0


def test_words_that_no_recorded_log_holds_say_nothing() -> None:
    assert opinion_on([error_of("qwertz uiop asdfgh")]) is None
    assert opinion_on([]) is None


def test_rules_and_words_that_agree_make_a_surer_verdict_than_rules_alone_and_doubt_a_less_sure_one() -> None:
    decision = decided("FAILED tests/test_a.py::test_b - assert 1 == 2", FIRST)
    alone = how_sure(decision, None, overruled=False)
    agreed = how_sure(decision, Opinion({"assertion_failure": 0.9, "timeout": 0.1}), overruled=False)
    doubted = how_sure(decision, Opinion({"assertion_failure": 0.05, "timeout": 0.95}), overruled=False)
    assert doubted < alone < agreed <= 1.0


def test_words_overrule_a_rule_only_when_they_are_sure_and_no_firm_rule_stands_in_the_root_cause() -> None:
    rest = {"assertion_failure": 0.05, "network_error": 0.03, "dependency_error": 0.02}
    sure, unsure = Opinion(rest | {"timeout": 0.9}), Opinion(rest | {"timeout": 0.6})
    weak = decided("the worker said: connection refused", FIRST)
    assert weak.winner.hit.rule.priority < FIRM
    assert overrules(sure, weak) and not overrules(unsure, weak)
    firm = decided("npm ERR! code ERESOLVE", FIRST)
    assert firm.winner.hit.rule.priority >= FIRM and not overrules(sure, firm)
    assert overrules(sure, decided("npm ERR! code ERESOLVE", CONTEXT))
    summary = decided("FAILED tests/test_a.py::test_b - assert 1 == 2", CONTEXT)
    assert not overrules(sure, summary), "a test summary is no accident"
    assert not overrules(None, weak)
    assert not overrules(Opinion({"timeout": 1.0}), weak), "of a category that they have not learned they say nothing"


def sure_of_a_timeout(taxonomy: Taxonomy) -> Classifier:
    """A classifier whose words are sure of a timeout, whatever they are asked."""
    shares = dict.fromkeys(load_taxonomy(None).names, 0.005) | {"timeout": 0.95}
    return Classifier(taxonomy, lambda _errors: Opinion(shares))


UNKNOWN = "zorbling the quux of frobnitz"


def test_where_no_rule_knows_a_failure_its_words_speak_and_quote_the_headline() -> None:
    raw = log(UNKNOWN)
    verdict = sure_of_a_timeout(load_taxonomy(None)).judge(extract(raw))
    assert (verdict.state, verdict.error_type, verdict.rule, verdict.confidence) == (
        "classified",
        "timeout",
        "words",
        0.95,
    )
    assert verdict.summary == f"Worded as a timeout is: “{UNKNOWN}”"
    assert [quote.text for quote in verdict.evidence] == [UNKNOWN]
    assert UNKNOWN in raw.decode().split("\n")[verdict.evidence[0].line - 1]
    assert verdict.suggested_fix


def test_words_say_nothing_of_a_log_that_does_not_say_that_anything_failed() -> None:
    quiet = log(UNKNOWN).replace(END.encode(), b"##[debug]Finishing")
    assert sure_of_a_timeout(load_taxonomy(None)).judge(extract(quiet)).state != "classified"


def test_a_guess_from_the_steps_name_does_not_stand_against_words() -> None:
    raw = log(UNKNOWN).replace(b"Run ./ci/check", b"Run unit tests")
    assert sure_of_a_timeout(load_taxonomy(None)).judge(extract(raw)).error_type == "timeout"


def test_a_category_of_ones_own_that_claims_a_rule_is_not_overruled_by_words(tmp_path: Path) -> None:
    line = "the worker said: connection refused"
    assert sure_of_a_timeout(load_taxonomy(None)).judge(extract(log(line))).error_type == "timeout"
    (tmp_path / "t.toml").write_text(
        'extends = true\n[[category]]\nname = "flaky_link"\nparent = "network_error"\nrules = ["network"]\ndefinition = "Links."\n'
    )
    assert sure_of_a_timeout(load_taxonomy(tmp_path / "t.toml")).judge(extract(log(line))).error_type == "flaky_link"


def test_a_taxonomy_without_the_words_category_keeps_the_rules_verdict(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('[[category]]\nname = "network_error"\ndefinition = "A connection failed."\n')
    verdict = sure_of_a_timeout(load_taxonomy(tmp_path / "t.toml")).judge(
        extract(log("the worker said: connection refused"))
    )
    assert verdict.error_type == "network_error"


def test_words_of_steps_that_were_allowed_to_fail_do_not_count() -> None:
    first = ["FAILED tests/test_a.py::test_b - assert 1 == 2", "=== 1 failed, 3 passed in 0.12s ===", END]
    second = ["##[group]Run ./b", "shell: /usr/bin/bash -e {0}", "##[endgroup]", "zzyx qqwe"]
    verdict = Classifier(load_taxonomy(None)).judge(extract(log(*first, *second)))
    assert verdict.error_type != "assertion_failure"
    assert "zzyx qqwe" in verdict.summary


def test_flaky_tests_are_as_sure_as_the_rules_say_because_words_have_not_learned_them() -> None:
    decision = decided("1 flaky", FIRST)
    assert decision.winner.hit.rule.category == "flaky_test"
    opinion = opinion_on(
        [error_of("  1 flaky", "  [chromium] › cart.spec.ts:4:5 › adds an item", "  12 passed (9.1s)", "1 failed test")]
    )
    assert opinion is not None and "flaky_test" not in opinion.shares
    assert how_sure(decision, opinion, overruled=False) == how_sure(decision, None, overruled=False)
    assert not overrules(Opinion(dict.fromkeys(opinion.shares, 0.0) | {"timeout": 1.0}), decision)


def test_other_weights_are_another_version_of_the_rules(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "ci_metrics", tmp_path / "ci_metrics", ignore=shutil.ignore_patterns("__pycache__", "sample")
    )
    ask = [
        sys.executable,
        "-c",
        "from ci_metrics.verdicts.rules.loading import CLASSIFIER_VERSION; print(CLASSIFIER_VERSION)",
    ]
    for expected in (True, False):
        told = subprocess.run(ask, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.strip()
        assert (told == CLASSIFIER_VERSION) is expected
        with (tmp_path / "ci_metrics/verdicts/words/weights.tsv").open("a") as file:
            file.write("zebra\t1\t0\t0\t0\t0\t0\t0\t0\t0\t0\n")


def test_the_weights_are_those_that_the_script_learns_from_the_recorded_logs(tmp_path: Path) -> None:
    from bench import train_words

    model = train_words.learn(
        [case for folder in [ROOT / "bench" / "recorded"] for case in train_words.cases_of(folder)]
    )
    lines = (ROOT / "ci_metrics/verdicts/words/weights.tsv").read_text(encoding="utf-8").splitlines()
    stored = {line.split("\t")[0]: [float(value) for value in line.split("\t")[1:]] for line in lines[3:]}
    learned = {term: [idf, *row] for term, idf, row in zip(model.vocabulary, model.idf, model.weights, strict=True)}
    both = stored.keys() & learned.keys()
    assert len(both) >= 0.9 * len(stored), "run python bench/train_words.py"
    far = [term for term in both if max(abs(a - b) for a, b in zip(stored[term], learned[term], strict=True)) > 0.3]
    assert len(far) <= 0.05 * len(stored), "run python bench/train_words.py"
