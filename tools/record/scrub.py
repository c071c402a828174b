"""What is particular to the recording machine, replaced by what a hosted runner would show.

What belongs here: replacements inside lines. Does not: adding or dropping lines: a scrubbed
text has as many lines as the raw one, so marks and real line counts stay true.
docs/sample.md lists every replacement.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Stands for every package registry.
REGISTRY = "packages.example.com"
#: Stands for the local servers that misbehave on purpose (servers.py).
ARTIFACTS = "artifacts.widgets.example"

_URL_HOST = re.compile(
    r"(https?:\\*/\\*/)[A-Za-z0-9.-]*(?:pypi|pythonhosted|npmjs|maven|debian|crates|golang)[A-Za-z0-9.-]*"
)
_BARE_HOST = re.compile(
    r"\b(?:(?:[a-z0-9-]+\.)*(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|maven\.(?:org|apache\.org)|debian\.org)"
    r"|(?:static\.|index\.)?crates\.io|(?:proxy|sum)\.golang\.org)\b"
)
_PYENV = re.compile(r"/[\w./-]*/\.pyenv/versions/(\d[\w.]*)")


@dataclass(frozen=True, slots=True)
class Places:
    """Where one recipe runs on this machine."""

    project: Path  # becomes /home/runner/work/widgets/widgets
    temp: Path  # becomes /home/runner/work/_temp
    home: Path  # becomes /home/runner
    ports: tuple[int, ...] = ()  # of the local servers


def scrub(text: str, places: Places) -> str:
    """`text` with this machine's paths, names and registries replaced; the
    number of lines is unchanged.
    """
    for old, new in _replacements(places):
        text = text.replace(old, new)
    text = _PYENV.sub(r"/opt/hostedtoolcache/Python/\1/x64", text)
    text = _URL_HOST.sub(rf"\1{REGISTRY}", text)
    text = _BARE_HOST.sub(REGISTRY, text)
    return re.sub(r"(?<=[\s\"'=(:\[])/root/", "/home/runner/", text)


def _replacements(places: Places) -> Iterator[tuple[str, str]]:
    yield str(places.project), "/home/runner/work/widgets/widgets"
    yield str(places.temp), "/home/runner/work/_temp"
    yield "../../home/tools", "../../../../../opt/hostedtoolcache/Python/3.11.7/x64"
    yield "../../home/", "../../../"
    yield str(places.home / "tools"), "/opt/hostedtoolcache/Python/3.11.7/x64"
    yield str(places.home), "/home/runner"
    yield str(places.project.parent), "/home/runner/work/widgets"
    yield "127.0.0.1:$PORT", ARTIFACTS
    for port in places.ports:
        for host in ("127.0.0.1", "localhost"):
            yield f"{host}:{port}", ARTIFACTS
            yield f"{host} port {port}", f"{ARTIFACTS} port 443"
            yield f"{host}, {port}", f"{ARTIFACTS}, 443"
    home = str(Path.home())
    if home != "/":
        yield home + "/.rustup", "/home/runner/.rustup"
        yield home + "/.cargo", "/home/runner/.cargo"
    hostname = socket.gethostname()
    if len(hostname) > 4:
        yield hostname, "runnervmsample"
