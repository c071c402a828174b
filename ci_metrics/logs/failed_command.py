"""The command of the step that failed, as the runner echoed it, in one line.

Belongs here: which script's header stands before the failure, and its lines as one command. Does
not: reading a header (`step_headers.py`), which step failed (`steps.py`).

Only what can be typed into a shell is given: a script with branches, loops or here-documents is
none, nor is one that a composite action brings along.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from ci_metrics.logs.candidates import Candidates
from ci_metrics.logs.step_headers import Header, script_lines
from ci_metrics.redaction import redact

#: Characters of a command that is given.
_MOST = 400
#: Lines that say that a script is no list of commands.
_STRUCTURE = re.compile(
    r"\s*(?:if|then|else|elif|fi|for|while|until|do|done|case|esac|function|select)\b|.*<<-?\s*['\"\\]?\w|.*[{(]\s*$|\s*[})]"
)
#: Lines that matter to the runner alone.
_ASIDE = re.compile(r"\s*(?:#|set [-+]\w|echo\s+[\"']?::)|\s*$")
#: Shells that read `&&`.
_POSIX = re.compile(r"(?:.*/)?(?:ba|da|z|)sh\b")


def failed_command(found: Candidates) -> str:
    """The command of the failing step, masked; "" where the log does not show one."""
    header = _header(found)
    block = found.reading.block(header.at) if header is not None else None
    if header is None or block is None:
        return ""
    return redact(one_command(script_lines(block.data, header.at - block.offset), header.shell or ""))[0]


def one_command(script: Sequence[str], shell: str) -> str:
    """A script's lines as one command for its shell; "" where they are none."""
    joined = "\n".join(script).replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in joined.split("\n") if not _ASIDE.match(line)]
    if not lines or any(_STRUCTURE.match(line) or not _whole(line) for line in lines):
        return ""
    if len(lines) > 1 and not _POSIX.match(shell):
        return ""
    command = " && ".join(lines)
    return command if len(command) <= _MOST else ""


def _whole(line: str) -> bool:
    """Whether its quotes end on it."""
    try:
        shlex.split(line)
    except ValueError:
        return False
    return True


def _header(found: Candidates) -> Header | None:
    """The last script's header of what failed, before the mark that it did."""
    structure = found.reading.structure
    if not found.failing:
        return None
    segment = max(found.failing)
    start = structure.starts[segment]
    stop = structure.starts[segment + 1] if segment + 1 < len(structure.starts) else found.reading.size
    ended = min((at for at in structure.ends if start <= at < stop), default=stop)
    scripts = [each for each in structure.headers if start <= each.at < ended and each.kind == "run"]
    last = scripts[-1] if scripts else None
    return last if last is not None and last.script and not last.within and not last.marked else None
