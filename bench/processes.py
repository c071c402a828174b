"""A command of `ci-metrics` as a process: its seconds, its CPU and its memory.

What belongs here: starting one and what it cost, by the kernel's account of that process and of
those it waited for. Does not: which commands are measured.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: Seconds between two looks at a running process: what it adds to the wall-clock figures.
LOOK_SECONDS = 0.005

#: Settings that the machine's owner may have set, and that would be measured too.
_OURS = ("CI_METRICS_", "GITHUB_", "REPO", "ANTHROPIC_", "OPENAI_", "WORKFLOW_INDEX", "JOB_INDEX", "STEPS_INDEX")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost."""

    seconds: float  # wall clock
    cpu: float  # user and system
    megabytes: float  # the most that was resident at once
    code: int
    output: str  # standard output; of a failure, standard error's end


def cost_of(*words: str, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Cost:
    """Run `ci-metrics WORDS` to its end."""
    return cost_of_program("from ci_metrics.cli import main; main()", *words, environ=environ, folder=folder)


def cost_of_program(
    program: str, *words: str, environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> Cost:
    """Run Python's `program` with arguments to its end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    root = str(Path(__file__).parents[1])
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            env={**kept, "PYTHONPATH": root, **(environ or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        most = 0
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            most = max(most, _resident(process.pid))
            time.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - begun
        _, status, used = ended
        process.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said = out.read().decode() if not code else err.read().decode()[-2_000:]
    return Cost(seconds, used.ru_utime + used.ru_stime, most / 1024, code, said)


def _resident(pid: int) -> int:
    """The most kilobytes that a process has held so far; 0 when it is gone. The kernel's account
    of a process that has ended (`ru_maxrss`) begins with what its parent held at the fork.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found.group(1)) if found else 0
