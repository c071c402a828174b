"""A version that is a hash of code changes with what decides, and with nothing else."""

from __future__ import annotations

import io
import sys
import tokenize
from pathlib import Path

import pytest

from ci_metrics.code_hash import code_hash, code_text

PACKAGE = Path(__file__).parents[1] / "ci_metrics"

CODE = '"""What it is."""\n\nRULES = (\n    ("a", 1),\n    ("b", 2),\n)\n\n\ndef f(x: int) -> str:\n    return f"{x}-{RULES}"\n'


def hashed(folder: Path, code: str) -> str:
    file = folder / "code.py"
    file.write_text(code, encoding="utf-8", newline="")
    return code_hash(file)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("a comment", CODE.replace("RULES = (", "# of two\nRULES = (  # here")),
        ("a docstring", CODE.replace("What it is.", "What it is now.")),
        ("a function's docstring", CODE.replace("    return", '    """Words."""\n    return')),
        ("layout", CODE.replace('(\n    ("a", 1),\n    ("b", 2),\n)', '(("a", 1), ("b", 2))')),
        ("line ends", CODE.replace("\n", "\r\n")),
        ("a line that goes on", CODE.replace("RULES = (", "RULES = \\\n(")),
        ("a raw docstring", CODE.replace('"""What', 'r"""What')),
    ],
)
def test_what_decides_nothing_changes_no_version(tmp_path: Path, what: str, code: str) -> None:
    assert code != CODE
    assert hashed(tmp_path, code) == hashed(tmp_path, CODE), what


@pytest.mark.parametrize(
    "code",
    [
        CODE.replace('"b", 2', '"b", 3'),
        CODE.replace('"b", 2', '"B", 2'),
        CODE.replace("{x}-", "{x}+"),
        CODE.replace("{x}-", "{x} -"),
        CODE.replace("{x}-", "{x}#"),
        CODE.replace("return f", "return r"),
        CODE.replace('("a", 1)', '"a", 1'),
        CODE + '(\n"a string in brackets"\n)\n',
        CODE + "del RULES\n",
        CODE.replace("def f", "def g"),
        CODE.replace('    ("a", 1),\n    ("b", 2),', '    ("b", 2),\n    ("a", 1),'),
    ],
)
def test_what_decides_changes_the_version(tmp_path: Path, code: str) -> None:
    assert hashed(tmp_path, code) != hashed(tmp_path, CODE)


def test_a_function_that_moves_to_another_file_of_the_version_changes_it(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("A = 1\nB = 2\n")
    two.write_text("C = 3\n")
    before = code_hash(one, two)
    one.write_text("A = 1\n")
    two.write_text("B = 2\nC = 3\n")
    assert code_hash(one, two) != before


def test_every_version_of_python_gives_the_same_hash(tmp_path: Path) -> None:
    """Hashes written down from 3.11; the suite runs on others too, and pieces of f-strings are
    tokens of their own since 3.12.
    """
    code = 'A = f"{{x}} {1 + 1!r:>{3}} {f\'{2}\'}" "b"\nB = rf"\\d{{2}}"  # why\nC = f"""\n{A}\n"""\n'
    file = tmp_path / "code.py"
    file.write_text(code)
    assert code_hash(file, length=16) == "f0cd82c6bc6c9ac9"


def told_by_pythons_tokenizer(source: str) -> str:
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT}
    said: list[str] = []
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            alone = all(each.type == tokenize.STRING for each in statement)
            said += [] if alone else [each.string for each in statement]
            statement = []
        elif token.type not in layout:
            if token.string in (")", "]", "}") and statement[-1].string == ",":
                statement.pop()
            statement.append(token)
    return "".join(said)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="an f-string is several tokens there")
@pytest.mark.parametrize("folder", ["logs", "redaction", "classifier"])
def test_what_counts_of_our_own_code_is_what_pythons_tokenizer_calls_code(folder: str) -> None:
    sources = [file.read_text(encoding="utf-8") for file in (PACKAGE / folder).glob("*.py")]
    assert sources
    for source in sources:
        assert code_text(source) == told_by_pythons_tokenizer(source)
