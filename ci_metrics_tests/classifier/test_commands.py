"""What a failed step was asked to run: found in every log's form, bare of what runs it, and
worth a verdict when nothing else is known.
"""

import pytest

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.step_commands import commands_of
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.models import Extraction
from ci_metrics_tests.builders import an_extraction

CLASSIFIER = Classifier(load_taxonomy(None))


def extraction(*lines: str, failed_span: tuple[int, int] | None = None) -> Extraction:
    unnamed = {"step": None, "step_number": None}
    return an_extraction(lines, headline=len(lines) - 1, error=unnamed, failed_span=failed_span)


def github(*script: str, said: str = "what the tool says") -> Extraction:
    header = f"##[group]Run {script[0]}"
    return extraction(
        header,
        *script,
        "shell: /usr/bin/bash -e {0}",
        "##[endgroup]",
        said,
        "##[error]Process completed with exit code 1.",
    )


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("npx --yes cspell .", "cspell ."),
        ("bundle exec rubocop", "rubocop"),
        ("sudo -E make check", "make check"),
        ("CI=true FOO='a b' yarn eslint src", "eslint src"),
        ("yarn install", "yarn install"),
        ("poetry run python -m mypy src", "mypy src"),
        ("./node_modules/.bin/stylelint '**/*.css'", "stylelint '**/*.css'"),
        ("if ! shellcheck run.sh; then", "shellcheck run.sh"),
        ("timeout 60 pytest -x", "pytest -x"),
    ],
)
def test_a_command_is_found_bare_of_what_runs_it(line: str, bare: str) -> None:
    assert commands_of(github(line))[0] == bare


def test_each_command_of_a_line_and_of_a_script_counts_and_comments_do_not() -> None:
    assert commands_of(github("cd app && npm ci", "# lint it", "npm run lint | tee out")) == [
        "cd app",
        "npm ci",
        "npm run lint",
        "tee out",
    ]


def test_only_the_failed_step_counts_in_a_log_of_many_steps() -> None:
    log = extraction(
        "##[group]Run eslint .",
        "eslint .",
        "##[endgroup]",
        "##[group]Run pytest",
        "pytest",
        "##[endgroup]",
        "boom",
        "##[error]Process completed with exit code 1.",
    )
    assert commands_of(log) == ["pytest"]


def test_travis_names_the_command_that_failed_and_jenkins_traces_it() -> None:
    assert commands_of(extraction("boom", 'The command "hadolint Dockerfile" exited with 1.')) == [
        "hadolint Dockerfile"
    ]
    assert commands_of(extraction("+ mvn -q package", "+ yamllint .", "x.yml", "Finished: FAILURE")) == ["yamllint ."]


@pytest.mark.parametrize(
    "said",
    [
        'ERROR: failed to solve: process "/bin/sh -c npm run build --prefix site" did not complete successfully: exit code: 1',
        "The command '/bin/sh -c npm run build --prefix site' returned a non-zero code: 1",
        "executor failed running [/bin/bash -o pipefail -c npm run build --prefix site]: exit code: 1",
    ],
)
def test_of_an_images_build_the_command_that_failed_counts_not_the_step_that_asked_for_it(said: str) -> None:
    lines = ("##[group]Run docker/build-push-action@v6", "##[endgroup]", said, "##[error]buildx failed")
    assert commands_of(extraction(*lines)) == ["npm run build --prefix site"]


def test_a_check_whose_words_nobody_knows_is_an_assertion_failure_and_quotes_what_it_said() -> None:
    verdict = CLASSIFIER.judge(github("ec -exclude dist", said="README.md:3: Wrong amount of left-padding spaces"))
    assert verdict.error_type == "assertion_failure"
    assert [quote.text for quote in verdict.evidence] == ["README.md:3: Wrong amount of left-padding spaces"]


def test_what_a_tool_printed_outranks_what_was_run() -> None:
    verdict = CLASSIFIER.judge(github("npx eslint .", said="npm error code ENOTFOUND"))
    assert verdict.error_type == "network_error"


def test_installing_a_linter_is_no_lint() -> None:
    verdict = CLASSIFIER.judge(github("pip install yamllint==9", said="zork"))
    assert verdict.error_type in ("dependency_error", None) or verdict.confidence < 0.6


def test_a_script_that_speaks_of_a_failure_has_not_failed_by_it() -> None:
    verdict = CLASSIFIER.judge(
        github("echo 'No space left on device' >> $GITHUB_STEP_SUMMARY", "npx jest", said="Tests: 1 failed, 1 total")
    )
    assert verdict.error_type == "assertion_failure"
