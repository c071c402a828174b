"""JUnit XML: which tests ran, which failed, and what their failures say.

What belongs here: reading such a report safely, and as an extraction like a log's. Does not: names
in logs (`failed_tests.py`), where reports come from.

A report is somebody else's file: one that declares a document type is refused before it is read
(no report needs one), so that entities cannot make gigabytes of a few bytes or read a file of ours.
"""

from __future__ import annotations

import html
import io
import lzma
import re
import struct
import zipfile
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.parsers import expat

from ci_metrics.catalogue import Catalogue
from ci_metrics.errors import ContractError
from ci_metrics.logs.extract import DEFAULT_BUDGET, extract
from ci_metrics.logs.failed_tests import MOST, MOST_CHARACTERS
from ci_metrics.logs.findings import MOST_ERRORS
from ci_metrics.models import ExtractedError, Extraction
from ci_metrics.redaction import redact_lines

#: What became of a test.
CaseOutcome = Literal["passed", "failed", "skipped"]

#: What a report begins with, behind a declaration and comments, within so many bytes. What was read
#: is not read in another way: comment after comment would take twice the time each.
_ROOT = re.compile(
    rb"\s*+(?:\xef\xbb\xbf)?(?><\?[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*(?:\[.*?\])?>\s*)*+<testsuites?[\s>/]",
    re.DOTALL,
)
HEAD = 8_192
#: Of an archive of reports: files that are looked at, and bytes that they may unpack to.
MOST_FILES, MOST_BYTES = 500, 100_000_000
#: Elements of one report: each takes some 120 bytes, however short it is written.
MOST_ELEMENTS = 1_000_000
_TOKEN = re.compile(
    r"<!\[CDATA\[(?P<data>.*?)\]\]>|<!--.*?-->|<\?.*?\?>|<(?P<end>/?)(?P<tag>[\w:.-]+)(?P<more>(?:[^>\"']|\"[^\"]*\"|'[^']*')*)>|(?P<text>[^<]+)",
    re.DOTALL,
)
#: What `zipfile` raises of archives that are damaged, encrypted, or packed in a way it lacks.
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError
)  # fmt: skip
#: What a failure says below its message, which repeats it.
_TEXT = re.compile(r"\s*(?:<!\[CDATA\[\s*[^\s\]]|[^<\s])")
_MESSAGE = re.compile(r"\bmessage=(?:\"([^\"]*)\"|'([^']*)')")


@dataclass(frozen=True, slots=True)
class JUnitReport:
    """What a report says; names are `class.test`, each once, masked."""

    passed: int
    skipped: int
    failed: tuple[str, ...]


def is_junit(head: bytes) -> bool:
    """Whether a file that begins with these bytes is such a report."""
    return bool(_ROOT.match(head[:HEAD]))


def read_junit(data: bytes, name: str) -> JUnitReport:
    """The report. Raises ContractError that names the file when it is none, or is not
    safe to read.
    """
    root = _root(data, name)
    if root.tag not in ("testsuites", "testsuite"):
        raise ContractError(f"{name}: begins with <{str(root.tag)[:60]}>, not with <testsuites> or <testsuite>")
    try:
        results = list(_results(root))
    except RecursionError:
        raise ContractError(f"{name}: nests suites deeper than any test runner does") from None
    outcomes = Counter(outcome for _, outcome in results)
    failed = dict.fromkeys(each[:MOST_CHARACTERS] for each, outcome in results if outcome == "failed" and each)
    names = redact_lines(list(failed)[:MOST])[0]
    return JUnitReport(outcomes["passed"], outcomes["skipped"], tuple(dict.fromkeys(names)))


def reports_in(archive: bytes, name: str) -> list[JUnitReport]:
    """The reports among the files of a zip archive: at most `MOST_FILES`. One that cannot be read,
    as of a test process that died, does not keep the others. Raises ContractError when
    the archive cannot be read, unpacks to more than `MOST_BYTES`, or holds only such reports.
    """
    found: list[JUnitReport] = []
    refused: list[ContractError] = []
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            files = [each for each in opened.infolist() if each.filename.lower().endswith(".xml")]
            for each in files[:MOST_FILES]:
                with opened.open(each) as file:
                    data = file.read(left + 1)
                left -= len(data)
                if left < 0:
                    raise ContractError(f"{name}: unpacks to more than {MOST_BYTES // 1_000_000} MB of XML")
                if is_junit(data):
                    try:
                        found.append(read_junit(data, f"{name}: {each.filename}"))
                    except ContractError as error:
                        refused.append(error)
    except _UNREADABLE as error:
        raise ContractError(f"{name}: is no archive that can be read ({error})") from error
    if refused and not found:
        raise refused[0]
    return found


def extract_junit(data: bytes, name: str, catalogue: Catalogue, budget: int = DEFAULT_BUDGET) -> Extraction:
    """What a report says of its failures, as an extraction: lines are the file's own."""
    report = read_junit(data, name)
    lines, starts = _said(data.decode("utf-8", "replace"))
    if not report.failed:
        return Extraction(state="no_error_found", total_lines=len(lines), log_bytes=len(data))
    found = extract("\n".join(lines).encode(), budget=budget, catalogue=catalogue)
    errors = _one_each(found.errors, lines, starts, catalogue)
    return replace(found, errors=errors, failed_tests=report.failed, command="", log_bytes=len(data))


def _one_each(
    errors: Sequence[ExtractedError], lines: Sequence[str], starts: Sequence[int], catalogue: Catalogue
) -> tuple[ExtractedError, ...]:
    """`errors`, of which none holds what several tests say: that many a report puts on lines next
    to each other.
    """
    made: dict[str, ExtractedError] = {}
    for error in errors:
        tests = sorted({bisect_right(starts, line.number) for line in error.lines if line.text.strip()})
        parts = [error]
        if len(tests) > 1 and error.line is not None:
            own = bisect_right(starts, error.line)
            tests.sort(key=lambda test: test != own)
            sure = round(error.confidence / len(tests), 3)
            parts = [
                replace(each, confidence=sure)
                for test in tests[: MOST_ERRORS - len(made)]
                for each in extract(_alone(lines, starts, test), catalogue=catalogue).errors[:1]
            ]
        for part in parts:
            known = made.get(part.fingerprint)
            made[part.fingerprint] = part if known is None else replace(known, repeats=known.repeats + part.repeats)
    return tuple(made.values())


def _alone(lines: Sequence[str], starts: Sequence[int], test: int) -> bytes:
    """What one test says, on its own lines."""
    first = max(starts[test - 1], 1) if test else 1
    last = starts[test] - 1 if test < len(starts) else len(lines)
    return ("\n" * (first - 1) + "\n".join(lines[first - 1 : last])).encode()


def failure_lines(text: str) -> list[str]:
    """Of each line of a well-formed report what failures and errors say on it: as many lines, but
    where several say something on one, each has a line of its own.
    """
    return _said(text)[0]


def _said(text: str) -> tuple[list[str], list[int]]:
    """These lines, and the numbers of those on which a failure or an error begins."""
    out: list[str] = []
    starts: list[int] = []
    inside = 0
    number, spoken = 1, False  # of the line, and whether something was said on it
    for token in _TOKEN.finditer(text):
        said = ""
        if token["tag"] in ("failure", "error"):
            if not token["end"]:
                if spoken:
                    out.append("\n")
                    number += 1
                starts.append(number)
            inside = 0 if token["end"] or token["more"].rstrip().endswith("/") else 1
            message = None if token["end"] else _MESSAGE.search(token["more"])
            said = (
                html.unescape(message[1] or message[2] or "") if message and not _TEXT.match(text, token.end()) else ""
            )
            said = " ".join(said.split()) + "\n" * token[0].count("\n")
        elif inside and token["data"] is not None:
            said = token["data"]
        elif inside and token["text"] is not None:
            said = re.sub(r"&(?:#10|#xa|#13|#xd);", " ", token["text"], flags=re.IGNORECASE)
            said = html.unescape(said)
        else:
            said = "\n" * token[0].count("\n")
        out.append(said)
        _, _, last = said.rpartition("\n")
        spoken = bool(last.strip()) or (spoken and len(last) == len(said))
        number += said.count("\n")
    return [line.strip() if line.isspace() else line.rstrip() for line in "".join(out).split("\n")], starts


def _root(data: bytes, name: str) -> Element:
    """The root of a document without a document type, and of bounded size."""
    elements = 0

    def refuse(*_: object) -> None:
        raise ContractError(f"{name}: declares a document type, which no JUnit report needs: it is not read")

    def count(*_: object) -> None:
        nonlocal elements
        elements += 1
        if elements > MOST_ELEMENTS:
            raise ContractError(f"{name}: has more than {MOST_ELEMENTS:,} elements, more than are read of a report")

    first = expat.ParserCreate()
    first.StartDoctypeDeclHandler = refuse
    first.StartElementHandler = count
    try:
        first.Parse(data, True)
        return fromstring(data)
    except (expat.ExpatError, ParseError, ValueError, LookupError) as error:
        raise ContractError(f"{name}: is not well-formed XML ({error}). Give a whole JUnit report") from error


def _results(root: Element) -> Iterator[tuple[str, CaseOutcome]]:
    """Each test's name and what became of it; the library gives those of suites within suites."""
    # Only a report is worth the time that this takes.
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    def cases(found: Iterable[object]) -> Iterator[TestCase]:
        for each in found:
            if isinstance(each, TestCase):
                yield each
            elif isinstance(each, TestSuite):
                yield from cases(each)

    for case in cases(JUnitXml.fromroot(cast(Any, root))):
        kinds = {type(result) for result in case.result}
        outcome: CaseOutcome = "failed" if kinds & {Failure, Error} else "skipped" if Skipped in kinds else "passed"
        yield _name(case.classname, case.name), outcome


def _name(owner: object, name: object) -> str:
    whose, own = (" ".join(str(each or "").split()) for each in (owner, name))
    return own if not whose or own.startswith(whose) else f"{whose}.{own}"
