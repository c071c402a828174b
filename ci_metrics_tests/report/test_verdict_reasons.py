"""`--why`: what is told of a log is what decided, and people can read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import default_taxonomy
from ci_metrics.commands.classify_files import classify
from ci_metrics.logs import Background, background_of
from ci_metrics.logs.ranking import feature_names
from ci_metrics.logs.ranking_reasons import extract_with_ranking, line_feature_in_words
from ci_metrics.report.verdict_reasons import WIDTH, WhyOfLog, reasons_row, reasons_text

STAMP = "2026-01-01T10:00:00.1234567Z "
COMPILER = "src/cart.c:12:1: error: unknown type name 'price_t'"
WARNED = "src/old.c:3:5: error: conflicting types for 'sum'"


def log_of(*lines: str) -> bytes:
    whole = ["##[group]Run make", "make", "shell: /usr/bin/bash -e {0}", "##[endgroup]", *lines]
    return "".join(f"{STAMP}{line}\n" for line in [*whole, "##[error]Process completed with exit code 2."]).encode()


def why_of(log: bytes, background: Background | None = None) -> WhyOfLog:
    extraction, ranking = extract_with_ranking(log, background=background)
    return WhyOfLog(ranking=ranking, decision=Classifier(default_taxonomy()).explained(extraction))


def test_the_first_line_heads_the_first_error_and_each_other_lies_behind_it_by_what_is_told() -> None:
    ranking = why_of(log_of(COMPILER, "make: *** [Makefile:3: all] Error 1")).ranking
    first, *others = ranking.lines
    assert (first.line, first.text, first.heads) == (5, COMPILER, 1)
    assert ranking.kept >= len(ranking.lines) and others
    assert sum(line.share for line in ranking.lines) == pytest.approx(1, abs=0.02)
    epilogue = next(line for line in others if line.text.startswith("make: ***"))
    assert epilogue.score < first.score and epilogue.heads is None
    assert ("make-epilogue", "epilogue") in epilogue.messages
    assert {reason.feature for reason in epilogue.against_it} & {"role:cause", "weight-share", "shape:place-start"}
    for line in ranking.lines:
        assert all(reason.worth > 0 for reason in line.for_it) and all(reason.worth < 0 for reason in line.against_it)
        worths = [reason.worth for reason in line.for_it]
        assert worths == sorted(worths, reverse=True)


def test_what_a_passing_run_printed_too_is_told_to_be_dimmed_and_what_that_cost_it() -> None:
    log = log_of(WARNED, "ok so far", COMPILER)
    before = {line.line: line for line in why_of(log).ranking.lines}
    passing = f"{STAMP}{WARNED}\n{STAMP}done\n".encode()
    found = why_of(log, background_of(passing))
    after = {line.line: line for line in found.ranking.lines}
    assert (found.ranking.background, after[7].heads, after[7].dimmed) == (True, 1, False)
    assert after[5].dimmed and after[5].score < before[5].score - 2
    assert ("background", -6.0) in [(reason.feature, reason.worth) for reason in after[5].against_it]
    assert found.ranking.dimmed >= 1 and "dimmed by the passing run" in reasons_text(found)
    assert not before[5].dimmed and "a passing run's log was not used" in reasons_text(why_of(log))


def test_a_secret_on_a_line_that_lost_is_masked_in_the_account() -> None:
    secret = "ghp_" + "a1B2c3D4e5F6" * 3
    found = why_of(log_of(f"warning: retrying with token {secret}", COMPILER))
    assert secret not in reasons_text(found) + json.dumps(reasons_row(found))
    assert any("retrying with token" in line.text for line in found.ranking.lines)


@pytest.mark.parametrize(
    ("log", "field"),
    [
        (log_of("ERROR collecting tests/test_api.py", "E   ModuleNotFoundError: No module named 'app'"), "contract"),
        (b'building\nThe command "npm run lint" exited with 1.\n', "capped"),
        (log_of("zork").replace(b"make", b"./zork"), "withheld"),
    ],
    ids=["contract", "capped", "withheld"],
)
def test_the_account_of_a_category_says_what_overruled_the_shares(log: bytes, field: str) -> None:
    said = {"contract": "The contract decides", "capped": "Less sure than the shares", "withheld": "Too unsure"}
    found = why_of(log)
    assert found.decision is not None and getattr(found.decision, field)
    text = reasons_text(found)
    assert said[field] in text
    plain = why_of(log_of(COMPILER))
    assert plain.decision is not None
    assert not (plain.decision.contract or plain.decision.capped or plain.decision.withheld)
    assert not any(words in reasons_text(plain) for words in said.values())


def test_the_account_names_the_deciding_entry_its_line_and_what_weighed_for_the_category() -> None:
    decision = why_of(log_of("building", COMPILER)).decision
    assert decision is not None
    assert (decision.category, decision.line) == ("compilation_error", 6)
    assert decision.shares[0][0] == "compilation_error" and len(decision.shares) == 3
    (strongest, *_) = decision.reasons
    assert strongest.worth == max(abs(reason.worth) for reason in decision.reasons)
    assert "category:compilation_error@head" in {reason.feature for reason in decision.reasons if reason.worth > 0}
    assert "a message of compilation_error on the naming line" in {reason.words for reason in decision.reasons}


def test_every_feature_of_the_ranking_has_words_of_its_own() -> None:
    names = feature_names()
    assert len({line_feature_in_words(name) for name in names}) == len(names)
    assert line_feature_in_words("above:shape:fail-word", has=False) == "not: line above: shape “fail word”"
    assert line_feature_in_words("weight", has=False) == "less weight by its messages"
    assert line_feature_in_words("epilogue-below-3") == "an epilogue within 3 lines below"


def test_people_get_lines_that_fit_and_scripts_an_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(log_of(COMPILER, f"note: {'long ' * 80}", WARNED))
    classify(str(path), why=True)
    text = capsys.readouterr().out.partition("Which line")[2]
    assert text and max(map(len, text.splitlines())) <= WIDTH
    classify(str(path), why=True, json_lines=True)
    row = json.loads(capsys.readouterr().out)
    assert row["why"]["lines"][0]["line"] == row["evidence"][0]["line"]
    assert row["why"]["decision"]["category"] == row["error_type"]
    classify(str(path), json_lines=True)
    assert "why" not in json.loads(capsys.readouterr().out)


def test_a_log_that_passed_has_no_line_to_rank() -> None:
    found = why_of(f"{STAMP}all is well\n{STAMP}Cleaning up orphan processes\n".encode())
    assert found.ranking.lines == () and found.decision is None
    assert "no line of the log tells of a failure" in reasons_text(found)
