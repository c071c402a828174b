"""A short hash of what decides: the code of files, without what changes no result (comments, docstrings, layout).

What belongs here: hashing code, for versions that nobody has to remember to raise. Does not: any stage's version itself.
"""

from __future__ import annotations

import hashlib
import io
import tokenize
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
    """`length` hex digits (20 bits by default: some 1,000 versions before two of them meet) of the code in these files.

    The same on every version of Python and whatever the file's line ends: only the texts of its tokens count. A string that
    stands alone (a docstring) and an added or dropped trailing comma are not code. Raises OSError when a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(code_text(Path(file).read_text(encoding="utf-8")).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:length]


def code_text(source: str) -> str:
    """The texts of the tokens that decide, one after another.

    Nothing stands between them, because since Python 3.12 the pieces of an f-string are tokens of their own.
    """
    said: list[str] = []
    statement: list[str] = []
    alone = True  # whether the statement at hand is one string and nothing else
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NEWLINE or token.type == tokenize.ENDMARKER:
            if statement and not alone:
                said.extend(statement)
            statement, alone = [], True
        elif token.type not in _LAYOUT:
            alone = alone and token.type == tokenize.STRING
            if token.string in (")", "]", "}") and statement and statement[-1] == ",":
                statement.pop()
            statement.append(token.string)
    return "".join(said)
