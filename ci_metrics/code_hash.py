"""A short hash of what decides: the code of files, without what changes no result
(comments, docstrings, layout).

What belongs here: hashing code, for versions that nobody has to remember to raise. Does not:
any stage's version itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path

#: The pieces of a source that tell code from what is none: strings (whole, with what a backslash
#: hides in them), lines that go on, comments, ends of lines, brackets, and all between. Written out
#: for our own sources: an f-string that holds its own quote (Python 3.12) is not read right.
#: The tokenizer of the library says the same in twenty times the time: 0.5 s for the extractor.
_PIECES = re.compile(
    r"""
    (?P<string> \"{3}(?:[^\\]|\\.)*?\"{3} | '{3}(?:[^\\]|\\.)*?'{3} | \"(?:[^"\\]|\\.)*\" | '(?:[^'\\]|\\.)*' )
    | (?P<nothing> \\\n | \#[^\n]* )
    | (?P<end> \n )
    | (?P<open> [(\[{] )
    | (?P<close> [)\]}] )
    | (?P<code> [^"'#\n()\[\]{}\\]+ )
    """,
    re.VERBOSE | re.DOTALL,
)

#: What may stand before a string and be part of it.
_PREFIXES = frozenset({"", "b", "f", "r", "u", "br", "rb", "fr", "rf"})


def code_hash(*files: str | Path, length: int = 5) -> str:
    """`length` hex digits (20 bits by default: some 1,000 versions before two of them meet)
    of the code in these files.

    The same on every version of Python from 3.11 on and whatever the file's line ends: only the
    texts of its tokens count. A string that stands alone (a docstring) and an added or dropped
    trailing comma are not code. Raises OSError when a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(code_text(Path(file).read_text(encoding="utf-8")).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:length]


def package_digest(*packages: str, without: Collection[str] = ()) -> bytes:
    """A hash of the code of packages and of their tables (`*.tsv`), but for the files `without`.
    Some 25 ms for the extractor's and the classifier's: it is for those to keep who ask.
    """
    digest = hashlib.sha256()
    for package in packages:
        for file in sorted(files(package).iterdir(), key=lambda file: file.name):
            if file.name.endswith((".py", ".tsv")) and file.name not in without:
                text = file.read_text(encoding="utf-8")
                digest.update(f"{file.name}\0{code_text(text) if file.name.endswith('.py') else text}\0".encode())
    return digest.digest()


def code_text(source: str) -> str:
    """The texts of the tokens that decide, one after another."""
    said: list[str] = []
    statement: list[str] = []
    alone, depth = True, 0  # whether the statement at hand is strings and nothing else
    for found in _PIECES.finditer(source):
        kind, text = found.lastgroup, found[0]
        if kind == "end" and not depth:
            said += [] if alone else statement
            statement, alone = [], True
        elif kind == "string":
            statement.append(text)
        elif kind == "code":
            if text := "".join(text.split()):
                alone = alone and text.lower() in _PREFIXES
                statement.append(text)
        elif kind in ("open", "close"):
            depth += 1 if kind == "open" else -1
            alone = False
            if kind == "close" and statement[-1].endswith(","):
                statement[-1] = statement[-1][:-1]
            statement.append(text)
    return "".join(said if alone else said + statement)
