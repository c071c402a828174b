"""Runs one recipe in a scratch folder and returns what it printed, scrubbed, with its marked lines.

What belongs here: processes, their environment, marks. Does not: recipes' content, the
files of the sample's data.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci_metrics.errors import ContractError
from tools.record.recipes import Recipe
from tools.record.scrub import Places, scrub
from tools.record.servers import serve

#: A recording that takes longer is broken.
LONGEST_SECONDS = 600
#: No file of the data is larger, in bytes.
LARGEST_BYTES = 290_000
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")


@dataclass(frozen=True, slots=True)
class Recording:
    """What a recipe printed and how it ended."""

    text: str  # scrubbed
    exit_code: int
    marks: tuple[tuple[int, int], ...]  # 1-based, inclusive


def record(recipe: Recipe, scratch: Path) -> Recording:
    """Run `recipe` below `scratch`. Raises ContractError when it did not end as
    promised or a mark is not there.
    """
    root = scratch / recipe.slug
    shutil.rmtree(root, ignore_errors=True)
    places = Places(project=root / "widgets", temp=root / "_temp", home=scratch / "home")
    for folder in (places.project, places.temp, places.home):
        folder.mkdir(parents=True, exist_ok=True)
    _lay_out(recipe, places)
    with serve(recipe.serve, places.temp) as port:
        places = Places(places.project, places.temp, places.home, (port,) if port else ())
        environment = _environment(places, port, recorded=False)
        if recipe.setup:
            setup = subprocess.run(
                [*_SHELL, "-c", recipe.setup], cwd=places.project, env=environment, capture_output=True, check=False
            )
            if setup.returncode:
                output = (setup.stdout + setup.stderr).decode(errors="replace")
                raise ContractError(f"{recipe.slug}: setup ended with {setup.returncode}: {output[-2000:]}")
        raw, exit_code = _run(recipe, places, _environment(places, port, recorded=True))
    text = scrub(raw.decode("utf-8", errors="replace"), places)
    if text and not text.endswith("\n"):
        text += "\n"
    if len(text.encode()) > LARGEST_BYTES:
        raise ContractError(f"{recipe.slug}: {len(text.encode())} bytes is too long a log")
    if (exit_code == 0) != (recipe.kind == "passing"):
        raise ContractError(f"{recipe.slug}: ended with {exit_code}:\n{text[-3000:]}")
    shutil.rmtree(root, ignore_errors=True)
    return Recording(text, exit_code, _find_marks(recipe, text))


def _lay_out(recipe: Recipe, places: Places) -> None:
    for name, content in recipe.files.items():
        path = places.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        if content.startswith("#!"):
            path.chmod(0o755)


def _environment(places: Places, port: int, *, recorded: bool) -> Mapping[str, str]:
    """What a hosted runner sets; nothing of the recording machine's but where its tools are."""
    home = Path.home()
    keep = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "SSL_CERT_FILE") if name in os.environ}
    keep["PATH"] = f"{places.home}/tools/bin:{keep['PATH']}"
    environment = {
        **keep,
        "CI": "true",
        "HOME": str(places.home),
        "LANG": "C.UTF-8",
        "USER": "runner",
        "TMPDIR": str(places.temp),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(home / ".rustup")),
        "RUSTUP_AUTO_INSTALL": "0",
        "PYENV_ROOT": str(home / ".pyenv"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ada Fern",
        "GIT_AUTHOR_EMAIL": "ada@widgets.example",
        "GIT_COMMITTER_NAME": "Ada Fern",
        "GIT_COMMITTER_EMAIL": "ada@widgets.example",
        "NPM_CONFIG_UPDATE_NOTIFIER": "false",
        "NPM_CONFIG_FUND": "false",
        "PORT": str(port),
        "GOFLAGS": "-modcacherw",
    }
    if recorded:
        environment["GITHUB_ACTIONS"] = "true"
        environment["GITHUB_WORKSPACE"] = str(places.project)
        environment["RUNNER_TEMP"] = str(places.temp)
    return environment


def _run(recipe: Recipe, places: Places, environment: Mapping[str, str]) -> tuple[bytes, int]:
    script = places.temp / f"{uuid.uuid5(uuid.NAMESPACE_URL, recipe.slug)}.sh"
    script.write_text(recipe.run, encoding="utf-8")
    command = [*_SHELL, str(script)]
    if recipe.user == "nobody":
        subprocess.run(["chmod", "-R", "a+rX", str(places.project.parent)], check=True)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    process = subprocess.Popen(
        command,
        cwd=places.project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    limit = recipe.stop_after or LONGEST_SECONDS
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        if not recipe.stop_after:
            raise ContractError(f"{recipe.slug}: still running after {limit} s: {output[-2000:]!r}") from None
    code = process.returncode
    return output, 128 - code if code < 0 else code


def _find_marks(recipe: Recipe, text: str) -> tuple[tuple[int, int], ...]:
    lines = [_COLOUR.sub("", line) for line in text.split("\n")]
    found = []
    for mark in recipe.marks:
        first = _line(recipe, lines, mark[0], 0)
        found.append((first, _line(recipe, lines, mark[-1], first - 1) if len(mark) == 2 else first))
    return tuple(found)


def _line(recipe: Recipe, lines: list[str], pattern: str, start: int) -> int:
    for number, line in enumerate(lines[start:], start + 1):
        if re.search(pattern, line):
            return number
    shown = "\n".join(lines[-60:])
    raise ContractError(f"{recipe.slug}: no line matches {pattern!r} in:\n{shown}")
