"""`ci-metrics warm` compiles all that the first commands would; without it, the first one compiles
only what may match in its log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOGS = ROOT / "ci_metrics" / "sample" / "data"

#: What a process asks to have compiled, by name; it takes what this machine remembers.
ASKED = """
import json, sys
from ci_metrics import cli
from ci_metrics.expressions import databases
asked, before = [], databases.compiled_as
def noting(name, *more, **options):
    asked.append(name)
    return before(name, *more, **options)
databases.compiled_as = noting
for words in json.loads(sys.argv[1]):
    cli.run(words)
print("\\n" + json.dumps(sorted(set(asked))))
"""


def asked(*commands: list[str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", ASKED, json.dumps(commands)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_what_reads_a_log_asks_for_nothing_that_warm_has_not_compiled() -> None:
    failing = [str(LOGS / "failures" / name) for name in ("segfault.log", "pytest-long-verbose.log")]
    passing = str(LOGS / "passing" / "pytest-errors-ok.log")
    warmed = asked(["warm"])
    read = asked(
        ["classify", *failing], ["classify", "--show-request", failing[0]], ["extract", "--passing", passing, *failing]
    )
    assert read
    assert read <= warmed


def output(*words: str, cache: Path | None = None) -> str:
    program = "from ci_metrics.cli import main; main()"
    environ = os.environ | ({"XDG_CACHE_HOME": str(cache)} if cache else {})
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True, cwd=ROOT, env=environ
    )
    return done.stdout


def test_the_first_command_on_a_machine_says_the_same_and_compiles_no_whole_database(tmp_path: Path) -> None:
    failing = [str(LOGS / "failures" / name) for name in ("segfault.log", "pytest-long-verbose.log")]
    for words in (["classify", "--json", "--why", *failing], ["extract", "--json", *failing]):
        assert output(*words, cache=tmp_path) == output(*words)
    assert not list(tmp_path.rglob("*.hsdb"))
