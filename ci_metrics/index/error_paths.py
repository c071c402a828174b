"""Which of the repository's files an error names. Pure.

What belongs here: finding paths in lines, and telling the repository's own from all others. Does
not: who owns a file (`history/owners.py`).

A line is believed where it names a file with a folder before it and an ending, as tools print them
(`src/cart.py:12`, `File "/home/runner/work/shop/shop/src/cart.py"`, `tests/test_cart.py::test_x`).
What lies outside the checkout, or in a folder of other people's code, is nobody's here. A path
relative to a folder below the checkout cannot be told from one relative to its top: it is taken
for the latter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ci_metrics.models import ExtractedError, Verdict

#: Where checkouts lie: GitHub's runners on Linux, macOS and Windows, job containers, container
#: actions (GitHub's documentation of the variable GITHUB_WORKSPACE).
_CHECKOUT = re.compile(
    r"^(?:(?:/(?:home|Users)/runner/work|/__w|[A-Za-z]:/a|/(?:[^/]+/){0,8}_work)/[^/_][^/]*/[^/]+|/github/workspace)/"
)

#: What may stand in a path; the rest of a line lies between paths.
_TOKEN = re.compile(r"[A-Za-z0-9_.@+~\\/:-]+")

#: Endings of files that people write and own: not those of hosts, versions, branches and types of
#: content, which look like paths too.
_ENDINGS = frozenset(
    {
        "adoc", "bazel", "bash", "bzl", "c", "cc", "cfg", "cjs", "clj", "cmake", "conf", "cpp", "cs", "csproj", "css",
        "csv", "cts", "cxx", "dart", "ex", "exs", "fs", "go", "gradle", "graphql", "groovy", "h", "hpp", "hs", "html",
        "hxx", "ini", "ipynb", "java", "jl", "js", "json", "json5", "jsx", "kt", "kts", "less", "lock", "lua", "m", "md",
        "mdx", "mjs", "ml", "mm", "mts", "nix", "php", "pl", "pm", "pom", "properties", "proto", "ps1", "py", "pyi", "pyx",
        "r", "rb", "rs", "rst", "s", "sass", "scala", "scss", "sh", "sln", "sol", "sql", "svelte", "swift", "tf", "toml",
        "ts", "tsx", "txt", "vb", "vue", "xml", "yaml", "yml", "zig",
    }
)  # fmt: skip

#: Folders of other people's code, and of what a build makes.
_FOREIGN = frozenset(
    {"node_modules", "site-packages", "dist-packages", "vendor", "third_party", ".cargo", ".m2", ".gradle", ".venv", "venv",
     ".tox", ".nox", "build", "dist", "target", ".git", "__pycache__"}
)  # fmt: skip

#: Characters of a line that are looked at.
_LONG = 2_000


def path_of(error: ExtractedError, verdict: Verdict) -> str:
    """The repository's file that an error names, relative to its top; "" where it names none that
    is surely the repository's.

    Looked for in the quoted lines, the headline, then the error's other lines, the nearest to the
    headline first.
    """
    at = error.line or 0
    others = sorted(error.lines, key=lambda line: (abs(line.number - at), line.number))
    for text in (*(quote.text for quote in verdict.evidence), error.headline, *(line.text for line in others)):
        if found := next(own_paths(text), ""):
            return found
    return ""


def own_paths(text: str) -> Iterator[str]:
    """The paths of a line that are the repository's, relative to its top."""
    line = text[:_LONG]
    if line.startswith(("--- a/", "+++ b/")):  # a patch, as formatters print it
        line = line[6:]
    for match in _TOKEN.finditer(line):
        token = match.group().replace("\\", "/")
        inside = _CHECKOUT.match(token)
        # What follows a colon is a line's number, a test's name, or an address's host.
        path = (token[inside.end() :] if inside else token).partition(":")[0].rstrip(".,-").removeprefix("./")
        parts = path.split("/")
        if (
            (len(parts) < 2 and not inside)
            or parts[-1].rpartition(".")[2].lower() not in _ENDINGS
            or "." not in parts[-1]
        ):
            continue
        if {"", ".", ".."}.intersection(parts) or path[0] in "~@-":
            continue  # absolute, outside, a home, a package of a registry
        if _FOREIGN.intersection(parts[:-1]) or (not inside and "." in parts[0].strip(".")):
            continue  # other people's, or below a host: example.com/x.go
        yield path
