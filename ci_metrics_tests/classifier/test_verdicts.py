"""What a verdict says besides the category: what it quotes, how it is worded, how sure it is,
and when it says that it does not know.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ci_metrics.catalogue import Catalogue, Message, load_catalogue
from ci_metrics.classifier import Classifier, Model
from ci_metrics.classifier.model import Sureness
from ci_metrics.classifier.taxonomy import Taxonomy, load_taxonomy
from ci_metrics.logs import extract
from ci_metrics.logs.lines import text_of
from ci_metrics.models import Annotation, Extraction, Verdict
from ci_metrics_tests.builders import an_extraction
from ci_metrics_tests.job_logs import action, failed_job, failed_with, failing, job_log, script

TEN = load_taxonomy(None)
CLASSIFIER = Classifier(TEN)
SHIPPED = load_catalogue()
SPLIT = Path(__file__).parents[2] / "ci_metrics/classifier/taxonomies/split_gates.toml"
#: Logs of several kinds, for what must hold of any.
LOGS: dict[str, bytes] = {
    "a failed test": failing(
        "E       assert 4 == 3",
        "FAILED tests/test_cart.py::test_total - assert 4 == 3",
        "=== 1 failed in 0.12s ===",
        run="pytest",
    ),
    "a compiler": failing(
        "cart.c:3:12: error: expected ';' before 'return'", "make: *** [Makefile:4: cart.o] Error 1", run="make", code=2
    ),
    "the network": failing(
        "curl: (6) Could not resolve host: example.com", run="curl -fsS https://example.com", code=6
    ),
    "an epilogue alone": failing("make: *** [Makefile:3: check] Error 1", run="make check", code=2),
    "nothing known": failing("qwertz uiop", "zork"),
    "an action": job_log(action("##[error]Input required and not supplied: token", uses="acme/deploy@v1")),
    "a collection error": failing(
        "E   ModuleNotFoundError: No module named 'requests'",
        "ERROR tests/test_api.py",
        "!!!! Interrupted: 1 error during collection !!!!",
        run="pytest",
        code=2,
    ),
    "two steps": job_log(
        script("warning: the cache is cold"),
        script("src/a.py:3: error: bad type  [arg-type]", "Found 1 error in 1 file", run="mypy src", code=1),
    ),
}


SURE = Sureness(-1.0, 1.0, 0.0)


def model(sure: float = 3.0, **intercepts: float) -> Model:
    """A model that believes what a message at the head speaks for, as much as `sure`,
    and what the intercepts say.
    """
    weights = {}
    for i, name in enumerate(TEN.names):
        weights[f"category:{name}@head"] = np.eye(len(TEN.names))[i] * sure
    return Model(TEN.names, np.array([intercepts.get(name, 0.0) for name in TEN.names]), SURE, weights)


def message(name: str, form: str, **values: object) -> Message:
    """A message of a tool of our own."""
    base = replace(
        SHIPPED.messages[0], id=name, family="ours", form=form, role="cause", subject="line", category="runtime_error", weight=9.0,
        ignore_case=False, opens=False, closes=False, tool="", headline="It broke", fix="", printed_by="", tags=(), fires=(), silent=(),
    )  # fmt: skip
    return replace(base, **values)  # type: ignore[arg-type]


def named(*lines: str, head: int = 0, run: str = "./ci/check") -> Extraction:
    """An extraction whose first error is these lines, headed by that one: what heads an
    error is the ranking's matter.
    """
    shown = (f"##[group]Run {run}", run, "shell: /usr/bin/bash -e {0}", "##[endgroup]", *lines, failed_with(1))
    told = {"step": f"Run {run}", "step_number": None}
    return an_extraction(shown, headline=5 + head, spans=((5, 4 + len(lines)),), error=told)


def judged_by(found: Extraction, *own: Message, by: Model | None = None, taxonomy: Taxonomy = TEN) -> Verdict:
    """The verdict by these messages alone."""
    return Classifier(taxonomy, Catalogue(own or (message("other", "^nowhere to be found"),)), by or model()).judge(
        found
    )


@pytest.mark.parametrize("name", LOGS)
def test_the_first_quote_is_the_line_that_names_the_failure_and_every_quote_stands_in_the_log(name: str) -> None:
    found = extract(LOGS[name])
    verdict = CLASSIFIER.judge(found)
    lines = LOGS[name].split(b"\n")
    assert verdict.evidence[0].line == found.errors[0].line
    for quote in verdict.evidence:
        assert quote.line is not None and quote.text.strip() in text_of(lines[quote.line - 1])


@pytest.mark.parametrize("name", LOGS)
def test_a_verdict_names_the_error_it_is_about_and_repeats_its_line(name: str) -> None:
    found = extract(LOGS[name])
    verdict = CLASSIFIER.judge(found)
    assert verdict.fingerprint == found.errors[0].fingerprint
    assert found.errors[0].headline in verdict.summary
    assert 0.0 <= verdict.confidence <= 1.0
    assert (verdict.state == "classified") == (verdict.error_type is not None)


def test_a_verdict_says_in_words_what_the_message_says_hints_at_the_fix_and_names_what_decided() -> None:
    own = message("ours-broke", "^frobnicator: broken", headline="The frobnicator broke", fix="Mend it.")
    verdict = judged_by(named("frobnicator: broken beyond repair"), own)
    assert verdict.summary == "The frobnicator broke: “frobnicator: broken beyond repair”"
    assert (verdict.suggested_fix, verdict.rule, verdict.source) == ("Mend it.", "ours-broke", "rules")
    assert [quote.text for quote in verdict.evidence] == ["frobnicator: broken beyond repair"]


def test_a_very_long_line_is_repeated_by_its_beginning() -> None:
    own = message("ours-broke", "^frobnicator: broken")
    summary = judged_by(named("frobnicator: broken " + "x" * 3_000), own).summary
    assert "frobnicator: broken xxx" in summary and len(summary) < 500


def test_where_the_line_that_names_the_failure_did_not_decide_the_one_that_did_is_quoted_too() -> None:
    title = message("ours-title", "^frobnicator: step 3 failed", category="", headline="")
    cause = message("ours-cause", "^reason: the disk is full", category="resource_exhaustion", weight=5.0)
    by = replace(model(), weights={"category:resource_exhaustion@first": np.eye(10)[2] * 5})
    verdict = judged_by(named("frobnicator: step 3 failed", "reason: the disk is full"), title, cause, by=by)
    assert verdict.error_type == "resource_exhaustion"
    assert "reason: the disk is full" in [quote.text for quote in verdict.evidence]


@pytest.mark.parametrize(
    ("more", "run", "told"),
    [
        ((), "./ci/check", False),
        (("frobnicator 3.1 starts",), "./ci/check", True),
        ((), "frobnicator run --all", True),
    ],
    ids=["its words alone", "another message of its family", "the command that was run"],
)
def test_a_summary_names_a_tool_only_with_a_second_sign_of_it(more: tuple[str, ...], run: str, told: bool) -> None:
    own = message("ours-broke", "^broken beyond repair", tool="Frobnicator", headline="Frobnicator broke")
    banner = message("ours-banner", r"^frobnicator \d", role="banner", category="", headline="", weight=0.0)
    summary = judged_by(named(*more, "broken beyond repair", head=len(more), run=run), own, banner).summary
    assert ("Frobnicator" in summary) is told
    assert "broken beyond repair" in summary


def test_what_nothing_speaks_for_is_unknown_and_still_says_what_was_seen() -> None:
    verdict = judged_by(named("qwertz uiop: asdf"), by=model())
    assert (verdict.state, verdict.error_type, verdict.confidence) == ("unknown", None, 0.0)
    assert "qwertz uiop: asdf" in verdict.summary
    assert [quote.text for quote in verdict.evidence] == ["qwertz uiop: asdf"]
    assert verdict.guess in TEN.names


def test_the_last_words_of_a_step_that_nobody_knows_are_told_as_unknown() -> None:
    for log in (failing("qwertz uiop: asdf"), failing("qwertz uiop: asdf", "zork"), failing()):
        assert CLASSIFIER.judge(extract(log)).state == "unknown"


@pytest.mark.parametrize("sure", [1.0, 5.0])
def test_what_most_failures_are_says_nothing_of_one_of_which_nothing_is_known(sure: float) -> None:
    verdict = judged_by(named("qwertz uiop: asdf"), by=model(timeout=sure))
    assert (verdict.state, verdict.guess) == ("unknown", "timeout")
    assert "qwertz uiop: asdf" in verdict.summary


@pytest.mark.parametrize("state", ["no_error_found", "no_log"])
def test_without_errors_there_is_no_verdict(state: str) -> None:
    verdict = CLASSIFIER.judge(Extraction(state=state))  # type: ignore[arg-type]
    assert (verdict.state, verdict.error_type, verdict.evidence) == (state, None, ())


def test_no_weights_make_pytests_collection_anything_else_than_the_contract_says() -> None:
    swayed = Classifier(TEN, model=model(timeout=40.0)).judge(extract(LOGS["a collection error"]))
    assert swayed.error_type == "infrastructure_error"
    assert swayed.confidence >= 0.9


def test_no_weights_make_a_test_flaky_of_which_the_log_does_not_say_it() -> None:
    swayed = Classifier(TEN, model=model(flaky_test=40.0))
    for name, log in LOGS.items():
        assert swayed.judge(extract(log)).error_type != "flaky_test", name


@pytest.mark.parametrize(
    "last",
    [
        ("make: *** [Makefile:3: check] Error 1",),
        (
            "npm error Lifecycle script `test` failed with error:",
            "npm error code 1",
            "npm error path /home/runner/work/shop/shop",
        ),
        ("error: Recipe `check` failed on line 4 with exit code 1",),
    ],
    ids=["make", "npm", "just"],
)
def test_where_only_closing_words_name_the_failure_a_verdict_is_not_sure(last: tuple[str, ...]) -> None:
    verdict = CLASSIFIER.judge(extract(failing("working ...", *last, run="./ci/all")))
    assert verdict.confidence < 0.8


def test_a_frame_alone_caps_what_the_same_message_as_a_cause_does_not() -> None:
    said = named("frobnicator: broken")
    cause = judged_by(said, message("ours", "^frobnicator: broken"), by=model(sure=8.0))
    frame = judged_by(said, message("ours", "^frobnicator: broken", role="frame"), by=model(sure=8.0))
    assert cause.error_type == frame.error_type == "runtime_error"
    assert cause.confidence > 0.9
    assert frame.confidence <= 0.7


def test_one_error_of_several_is_judged_by_its_own_lines_alone() -> None:
    modules = [f"compiling module {number}" for number in range(40)]
    compiler, upload = (
        "src/a.c:3:4: error: expected ';' before '}' token",
        "curl: (6) Could not resolve host: example.com",
    )
    whole = extract(failing(compiler, *modules, upload, *["working"] * 9, run="make"))
    for said, category in ((compiler, "compilation_error"), (upload, "network_error")):
        error = next(error for error in whole.errors if error.headline == said)
        verdict = CLASSIFIER.judge(whole, error)
        assert (verdict.error_type, verdict.fingerprint) == (category, error.fingerprint)
        assert verdict.evidence[0].line == error.line


@pytest.mark.parametrize("name", LOGS)
def test_the_root_cause_is_judged_alike_whether_asked_for_as_the_job_or_as_its_first_error(name: str) -> None:
    whole = extract(LOGS[name])
    assert CLASSIFIER.judge(whole, whole.errors[0]) == CLASSIFIER.judge(whole)


@pytest.mark.parametrize("name", LOGS)
def test_an_extraction_stored_without_its_messages_gets_the_same_verdict(name: str) -> None:
    whole = extract(LOGS[name])
    assert whole.messages or name == "nothing known"
    assert CLASSIFIER.judge(replace(whole, messages=())) == CLASSIFIER.judge(whole)


def test_an_annotation_is_judged_too_and_quotes_no_line_of_the_log() -> None:
    note = Annotation(level="failure", message="The job has exceeded the maximum execution time of 6h0m0s")
    verdict = CLASSIFIER.judge(extract(b"", annotations=(note,)))
    assert (verdict.error_type, verdict.evidence) == ("timeout", ())
    assert "6h0m0s" in verdict.summary


def test_of_an_exit_code_without_a_log_no_more_is_said_than_that() -> None:
    said, job = "Process completed with exit code 1.", failed_job(("Install", "failure"))

    def judged(message: str) -> Verdict:
        note = Annotation(level="failure", message=message)
        return CLASSIFIER.judge(extract(b"", job=job, annotations=(note,)), job=job)

    bare, telling = judged(said), judged("E   AssertionError: assert 3 == 4")
    assert (bare.error_type, telling.error_type) == ("assertion_failure", "assertion_failure")
    assert (bare.summary, bare.suggested_fix) == (f"GitHub's annotation says only: “{said}”", "")
    assert telling.suggested_fix


def test_no_hint_speaks_of_a_named_test_where_no_test_tool_has_spoken() -> None:
    verdict = CLASSIFIER.judge(extract(b"frobnicator gave up\nError: Process completed with exit code 7.\n"))
    assert (verdict.error_type, verdict.rule) == ("assertion_failure", "words")
    hints = [verdict.suggested_fix, *(category.fix for category in TEN.categories if category.name != "flaky_test")]
    hints += [each.fix for each in load_catalogue().messages if each.family == "generic"]
    assert not [hint for hint in hints if "named test" in hint]


def test_the_failed_steps_name_counts_where_the_log_does_not_name_it() -> None:
    said = "zork: 3"
    names = {f"step-name:{word}": np.eye(10)[9 - 1] * 6 for word in ("publish", "packages")}
    by = replace(model(), weights=names)
    job = failed_job(("Set up job", "success"), ("Publish packages", "failure"))
    found = replace(named(said), failed_step=None)
    assert Classifier(TEN, model=by).judge(found).state == "unknown"
    assert Classifier(TEN, model=by).judge(found, job=job).error_type == TEN.names[8]


def test_a_custom_taxonomy_takes_over_the_messages_it_claims_and_leaves_the_rest() -> None:
    split = Classifier(load_taxonomy(SPLIT))
    expected = {
        "would reformat src/app.py": "lint_failure",
        "FAIL Required test coverage of 90% not reached. Total coverage: 81.40%": "policy_failure",
        "FAILED tests/test_a.py::test_b - assert 1 == 2": "assertion_failure",
    }
    assert {line: split.judge(extract(failing(line, run="make check"))).error_type for line in expected} == expected


@pytest.mark.parametrize("claim", ["ours-broke", "ours", "frobs"])
def test_a_category_of_ones_own_claims_by_id_family_or_tag(claim: str, tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.toml"
    path.write_text(
        f'extends = true\n[[category]]\nname = "frob_failure"\nparent = "runtime_error"\nrules = ["{claim}"]\ndefinition = "x"\n'
    )
    own = message("ours-broke", "^frobnicator: broken", tags=("frobs",))
    verdict = judged_by(named("frobnicator: broken"), own, taxonomy=load_taxonomy(path))
    assert verdict.error_type == "frob_failure"


@pytest.mark.xfail(
    reason="only the message that contributed most can be claimed, not others of the same error", strict=True
)
def test_a_claim_holds_wherever_its_message_stands_in_the_error_and_speaks_for_the_category(tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.toml"
    path.write_text(
        'extends = true\n[[category]]\nname = "red_tests"\nparent = "assertion_failure"\nrules = ["ours-test"]\ndefinition = "x"\n'
    )
    cause = message("ours-cause", "^assert 4 == 3", category="assertion_failure")
    test = message("ours-test", "^FAILED test_total", role="test", category="assertion_failure")
    verdict = judged_by(named("assert 4 == 3", "FAILED test_total"), cause, test, taxonomy=load_taxonomy(path))
    assert verdict.error_type == "red_tests"


def test_a_taxonomy_without_a_place_for_the_category_leaves_it_unknown_and_keeps_the_guess(tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.toml"
    path.write_text('[[category]]\nname = "ours"\ndefinition = "x"\n', encoding="utf-8")
    verdict = Classifier(load_taxonomy(path)).judge(extract(LOGS["a failed test"]))
    assert (verdict.state, verdict.error_type, verdict.guess) == ("unknown", None, "assertion_failure")


def test_two_processes_say_the_same_of_the_same_logs(tmp_path: Path) -> None:
    for number, log in enumerate(LOGS.values()):
        (tmp_path / f"{number}.log").write_bytes(log)
    command = [sys.executable, "-c", "from ci_metrics.cli import main; main()", "classify", "--json"]
    files = sorted(str(path) for path in tmp_path.glob("*.log"))
    told = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [*command, *files], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        told.append([json.loads(line) for line in done.stdout.splitlines()])
    assert told[0] == told[1]
    assert len(told[0]) == len(LOGS)
