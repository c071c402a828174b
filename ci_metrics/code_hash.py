"""A short hash of what decides: the code of files, without what changes no result
(comments, docstrings, layout).

What belongs here: hashing code, for versions that nobody has to remember to raise. Does not:
any stage's version itself.
"""

from __future__ import annotations

import hashlib
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

#: Tokens that lay code out, or speak to people.
_LAYOUT = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
)


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


def code_text(source: str) -> str:
    """The texts of the tokens that decide, one after another."""
    said: list[str] = []
    statement: list[str] = []
    alone = True  # whether the statement at hand is one string and nothing else
    for kind, text in _tokens(source):
        if kind in (tokenize.NEWLINE, tokenize.ENDMARKER):
            if not alone:
                said.extend(statement)
            statement, alone = [], True
        elif kind not in _LAYOUT:
            alone = alone and kind == tokenize.STRING
            if text in (")", "]", "}") and statement and statement[-1] == ",":
                statement.pop()
            statement.append(text)
    return "".join(said)


def _tokens(source: str) -> Iterator[tuple[int, str]]:
    """Type and text of each token; an f-string is one string, as it is written, also where
    Python (since 3.12) gives its pieces.
    """
    lines = source.splitlines(keepends=True)
    depth, begun = 0, (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":
            begun = begun if depth else token.start
            depth += 1
        elif name == "FSTRING_END":
            depth -= 1
            if not depth:
                yield tokenize.STRING, _between(lines, begun, token.end)
        elif not depth:
            yield token.type, token.string


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """The text from one place (line from 1, column) to another."""
    chosen = lines[start[0] - 1 : end[0]]
    chosen[-1] = chosen[-1][: end[1]]
    chosen[0] = chosen[0][start[1] :]
    return "".join(chosen)
