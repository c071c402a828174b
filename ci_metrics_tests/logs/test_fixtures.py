"""Real windows of real failures: the first error is headed by a line that a person would quote.

Each fixture was printed by a failing command that ran for it. Every line that a person would quote
as the error bears the mark ⟦1⟧; other marks show further errors and are compared with nothing:
which of several good lines heads an error is learned, and may change. `pytest ci_metrics_tests/logs
--rebless` marks those anew whose first error is headed by a line without that mark; `ci-metrics
fixture LOG --out FILE` makes one more. The whole logs stand beside them, packed.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ci_metrics.commands.fixture import marked, same_verdict, unmarked, window_of
from ci_metrics.errors import ContractError
from ci_metrics.logs import extract

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.log"))
WHOLE = sorted((Path(__file__).parent / "fixtures" / "whole").glob("*.log.gz"))


def test_there_are_fixtures_and_each_has_its_whole_log() -> None:
    assert len(FIXTURES) >= 20
    assert [f.name for f in FIXTURES] == [w.name.removesuffix(".gz") for w in WHOLE]


#: Fixtures whose first error is headed by another line than a person would quote -> which.
OPEN = {"ruff-lint": "the place of the finding (“--> test_cart.py:12:16”) heads it, not its rule and sentence above"}


def open_or_not(path: Path) -> object:
    marks = pytest.mark.xfail(reason=OPEN[path.stem], strict=True) if path.stem in OPEN else ()
    return pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize("path", [open_or_not(path) for path in FIXTURES])
def test_the_first_error_is_headed_by_a_line_that_is_marked(path: Path, rebless: bool) -> None:
    raw = path.read_bytes()
    lines = raw.decode().split("\n")
    head = extract(unmarked(raw)).errors[0].line
    assert head is not None
    if rebless and not lines[head - 1].startswith("⟦1⟧ "):
        path.write_bytes(marked(raw))
        lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[head - 1].startswith("⟦1⟧ "), lines[head - 1]


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.stem)
def test_a_window_gives_the_verdict_of_the_whole_log(path: Path) -> None:
    whole = gzip.decompress((path.parent / "whole" / f"{path.name}.gz").read_bytes())
    assert same_verdict(extract(unmarked(path.read_bytes())), extract(whole))


def test_a_log_becomes_a_fixture_whose_secrets_are_masked() -> None:
    noise = b"compiling a module, all is well\n" * 3000
    made = window_of(
        noise
        + b"fatal: unable to access 'https://bot:s3cr3tPw@git.example/a.git': Could not resolve host: git.example\n"
        + noise
    )
    assert b"s3cr3tPw" not in made
    assert made.count(b"\n") < 200
    assert "⟦1⟧ fatal: unable to access".encode() in made


def test_a_log_without_an_error_is_refused() -> None:
    with pytest.raises(ContractError, match="no error"):
        window_of(b"all is well\n")


def test_marks_come_off_as_they_went_on() -> None:
    raw = b"make\na.c:3:1: error: x undeclared\n"
    assert unmarked(marked(raw)) == raw
