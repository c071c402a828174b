"""`ci-metrics warm` compiles all that the first commands would, so that none waits for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: What a process asks to have compiled, by name; it takes what this machine remembers.
ASKED = """
import json, sys
from ci_metrics import cli, compiled_expressions
asked, before = [], compiled_expressions.compiled_as
def noting(name, made, **more):
    asked.append(name)
    return before(name, made, **more)
compiled_expressions.compiled_as = noting
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
    logs = ROOT / "ci_metrics" / "sample" / "data"
    failing = [str(logs / "failures" / name) for name in ("segfault.log", "pytest-long-verbose.log")]
    passing = str(logs / "passing" / "pytest-errors-ok.log")
    warmed = asked(["warm"])
    read = asked(
        ["classify", *failing], ["classify", "--show-request", failing[0]], ["extract", "--passing", passing, *failing]
    )
    assert read
    assert read <= warmed
