"""The `ci-metrics` command itself: what it lists, what it says of a command that does not exist,
and how little that loads.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from ci_metrics import __version__
from ci_metrics.cli import COMMANDS, main

#: Loading these is what makes a command slow to start.
HEAVY = {"cyclopts", "rich", "pydantic", "dagster"}


def ran(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ci-metrics", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_command_with_its_line(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(monkeypatch, *arguments) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for name, (_, summary) in COMMANDS.items():
        assert f"{name:<12}{summary}" in lines


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("clasify", "“clasify” is no command. Did you mean classify or reclassify?"),
        ("serach", "“serach” is no command. Did you mean search?"),
        ("xyzzy", f"“xyzzy” is no command. There are: {', '.join(COMMANDS)}."),
        ("--verbose", "“--verbose” is no command. There are: "),
        ("--verson", "“--verson” is no command. Did you mean --version?"),
        ("-hlep", "“-hlep” is no command. Did you mean --help?"),
    ],
)
def test_a_command_that_does_not_exist_is_one_line_and_wrong_usage(
    typed: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(monkeypatch, typed, "--json") == 2
    output = capsys.readouterr()
    assert output.err.startswith(f"ci-metrics: {said}") and output.err.count("\n") == 1
    assert output.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("top", "--hlep"), "there is no option --hlep. Did you mean --help? “ci-metrics top --help” lists all"),
        (("top", "--foo"), "there is no option --foo. “ci-metrics top --help” lists all"),
        (("search", "--tpye=timeout"), "there is no option --tpye. Did you mean --type? "),
        (("classify", "--jsn", "build.log"), "there is no option --jsn. Did you mean --json? “ci-metrics classify"),
        (("extract", "--bugdet=100"), "there is no option --bugdet=100. Did you mean --budget? "),
        (("fixture", "--zz"), "there is no option --zz. “ci-metrics fixture --help” lists all. A file whose name "),
        (("explain",), "JOB is missing. Write ci-metrics explain JOB; "),
        (("explain", "--dagster"), 'Command "explain" parameter --dagster requires an argument'),
        (("top", "--limit", "x"), "Invalid value for --limit: "),
    ],
)
def test_a_wrong_command_line_is_one_line_that_names_what_is_near_and_nothing_else(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(monkeypatch, *arguments) == 2
    output = capsys.readouterr()
    assert output.err.startswith(f"ci-metrics: {said}") and output.err.count("\n") == 1
    assert output.out == ""


@pytest.mark.parametrize("command", ["health", "upload"])
def test_the_help_of_a_command_that_monitors_run_names_its_exit_codes(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(monkeypatch, command, "--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Exit code 0: " in said and " 2: wrong settings." in said


@pytest.mark.parametrize("name", ["-x.log", "./-x.log"])
def test_a_log_whose_name_begins_with_a_hyphen_is_judged(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-x.log").write_text("E   ModuleNotFoundError: No module named 'basket'\n")
    assert ran(monkeypatch, "classify", name) == 0
    assert capsys.readouterr().out.startswith(f"{name}: dependency_error ")


def test_the_version_is_the_packages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("argument", ["--help", "clasify"])
def test_help_and_a_misspelt_command_load_nothing_heavy(argument: str) -> None:
    code = f"import sys; from ci_metrics.cli import run; run([{argument!r}]); print('loaded:', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    loaded = done.stdout.splitlines()[-1].split()
    assert loaded[0] == "loaded:" and "ci_metrics.cli" in loaded
    assert HEAVY & set(loaded) == set()


def test_what_only_reads_history_does_not_load_what_classifies() -> None:
    code = "import sys; from ci_metrics.commands import report, search, top; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False"]


def test_a_log_is_judged_without_loading_what_asks_models(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("E   ModuleNotFoundError: No module named 'basket'\n")
    code = (
        f"import sys; from ci_metrics.cli import run; run(['classify', {str(log)!r}]); print('loaded:', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    said, _, loaded = done.stdout.rpartition("loaded:")
    assert "basket" in said
    assert not [name for name in loaded.split() if name.startswith(("ci_metrics.llm", "ci_metrics.verdicts"))]


def test_a_command_runs_with_the_collector_of_garbage_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ran(monkeypatch, "classify", "--help") == 0
    assert gc.isenabled()
