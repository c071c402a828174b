"""Recorded output -> a job's whole log in GitHub's form: byte-order mark, timestamps,
groups, the runner's own lines.

What belongs here: the frame that GitHub's runner puts around what a step prints. Does not: what is
printed, or when. The frame's wording is the runner's own, as it stands in every job's log.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_COMMAND = re.compile(r"^::(error|warning|notice|debug)(?: (.*?))?::(.*)$")
_SCRIPT = re.compile(r"_temp/[0-9a-f]{8}-[0-9a-f-]{27}\.sh")
_PROCESS = re.compile(r"(\.sh: line \d+: +)\d{4,6}( )")
_SECONDS = re.compile(r"\b(\d+)\.(\d{2,3})( ?s\b| ?sec\b| ?seconds\b)")
_ADDRESS = re.compile(r"\b0x(00c0|7f|55|60)([0-9a-f]{6,10})\b")

#: Output comes in bursts: what share of the even gap each line waits.
_UNEVEN = (1.31, 0.0173, 0.0391, 0.7437, 0.0119, 0.2917, 1.0153, 0.0071, 0.5309, 0.1913)

#: What stands before the first step's own output, in the group "Set up job".
_SETUP = """\
Current runner version: '2.331.0'
##[group]Operating System
Ubuntu
24.04.3
LTS
##[endgroup]
##[group]Runner Image
Image: ubuntu-24.04
Version: 20260224.36.1
##[endgroup]
##[group]GITHUB_TOKEN Permissions
Contents: read
Metadata: read
##[endgroup]
Secret source: Actions
Prepare workflow directory
Prepare all required actions
Getting action download info
Download action repository 'actions/checkout@v5' (SHA:08c6903cd8c0fde910a37f88322edcfb5dd907a8)
Complete job name: {name}"""

_CHECKOUT = """\
##[group]Run actions/checkout@v5
with:
  repository: {repo}
  token: ***
  ssh-strict: true
  persist-credentials: true
  clean: true
  fetch-depth: 1
  submodules: false
##[endgroup]
Syncing repository: {repo}
##[group]Getting Git version info
Working directory is '/home/runner/work/{short}/{short}'
[command]/usr/bin/git version
git version 2.52.0
##[endgroup]
##[group]Initializing the repository
[command]/usr/bin/git init /home/runner/work/{short}/{short}
Initialized empty Git repository in /home/runner/work/{short}/{short}/.git/
[command]/usr/bin/git remote add origin https://github.com/{repo}
##[endgroup]
##[group]Fetching the repository
[command]/usr/bin/git -c protocol.version=2 fetch --no-tags --prune --no-recurse-submodules --depth=1 origin +{sha}
From https://github.com/{repo}
 * branch            {sha} -> FETCH_HEAD
##[endgroup]
[command]/usr/bin/git log -1 --format=%H
{sha}"""

_POST = """\
Post job cleanup.
[command]/usr/bin/git version
git version 2.52.0
[command]/usr/bin/git config --local --unset-all http.https://github.com/.extraheader"""

_COMPLETE = "Cleaning up orphan processes"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepText:
    """What one step adds to the log, and when."""

    lines: tuple[str, ...]
    started_at: datetime
    completed_at: datetime
    output_at: int = 0  # how many of the lines stand before the command's own output


def setup_lines(name: str) -> tuple[str, ...]:
    """The lines of "Set up job" for the job called `name`."""
    return tuple(_SETUP.format(name=name).split("\n"))


def checkout_lines(repo: str, sha: str) -> tuple[str, ...]:
    """The lines of actions/checkout for `repo` (owner/name) at `sha`."""
    return tuple(_CHECKOUT.format(repo=repo, short=repo.partition("/")[2], sha=sha).split("\n"))


def post_lines() -> tuple[str, ...]:
    """The lines of checkout's post step."""
    return tuple(_POST.split("\n"))


def complete_lines() -> tuple[str, ...]:
    """The lines of "Complete job"."""
    return (_COMPLETE,)


def command_header(command: str) -> tuple[str, ...]:
    """The group that shows a step's script before its output."""
    script = command.split("\n")
    return (
        f"##[group]Run {script[0]}",
        *(f"\x1b[36;1m{line}\x1b[0m" for line in script),
        "shell: /usr/bin/bash --noprofile --norc -e -o pipefail {0}",
        "env:",
        "  CI: true",
        "##[endgroup]",
    )


def as_shown(line: str) -> str:
    """A printed line as the runner shows it: a workflow command such as `::error
    file=a::text` becomes `##[error]text`.
    """
    found = _COMMAND.match(line)
    return f"##[{found[1]}]{found[3]}" if found else line


def said_commands(lines: Sequence[str]) -> Iterator[tuple[str, dict[str, str], str]]:
    """The workflow commands among printed lines that become annotations:
    (level, properties, message).
    """
    for line in lines:
        found = _COMMAND.match(line)
        if found and found[1] != "debug":
            pairs = (part.partition("=") for part in (found[2] or "").split(","))
            yield found[1], {name.strip(): value for name, _, value in pairs}, found[3]


def varied(lines: Sequence[str], repo: str, key: str) -> tuple[str, ...]:
    """The same output as another run would print it: another repository's paths, other
    process ids, times, addresses.

    Deterministic in `key`; the number of lines does not change.
    """
    short = repo.partition("/")[2]
    seed = hashlib.sha256(key.encode()).digest()
    script = f"_temp/{uuid.UUID(bytes=seed[:16])}.sh"
    process = str(2000 + int.from_bytes(seed[16:18], "big") % 7000)

    def seconds(found: re.Match[str]) -> str:
        digits = len(found[2])
        return f"{found[1]}.{(int(found[2]) + seed[18]) % 10**digits:0{digits}d}{found[3]}"

    def address(found: re.Match[str]) -> str:
        digits = hashlib.sha256(seed + found[2].encode()).hexdigest()
        return f"0x{found[1]}{digits[: len(found[2])]}"

    made = []
    for line in lines:
        line = line.replace("/home/runner/work/widgets/widgets", f"/home/runner/work/{short}/{short}")
        line = _SCRIPT.sub(script, line)
        line = _PROCESS.sub(rf"\g<1>{process}\g<2>", line)
        line = _SECONDS.sub(seconds, line)
        made.append(_ADDRESS.sub(address, line))
    return tuple(made)


def render_log(steps: Sequence[StepText]) -> bytes:
    """The whole log: every line with its time. A header comes at once, the output by and by, the
    runner's last word at the end.
    """
    parts = ["\ufeff"]
    for step in steps:
        length = max((step.completed_at - step.started_at).total_seconds(), 0.5)
        seconds = 0.0421337
        gap = (length - 0.3) / (len(step.lines) - step.output_at + 1)
        for number, line in enumerate(step.lines):
            if number < step.output_at:
                seconds += 0.0000731
            elif step.output_at and number == len(step.lines) - 1 and line.startswith("##[error]"):
                seconds = length - 0.1842716
            else:
                seconds += gap * _UNEVEN[number % len(_UNEVEN)]
            at = step.started_at + timedelta(seconds=seconds)
            parts.append(f"{at:%Y-%m-%dT%H:%M:%S.%f}{number * 7 % 10}Z {line}\n")
    return "".join(parts).encode()
