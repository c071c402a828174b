"""The names of the tests that a log says failed.

Belongs here: which part of a line that names a failed test is the name, for each form of the
catalogue (role `test`). Does not: finding those lines (`scan.py`), JUnit XML
(`junit_report.py`).

A name is what stays the same from run to run: durations, line numbers and messages are left out.
Lines of steps that passed all the same are left out too: what may fail there did not fail the job.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from ci_metrics.catalogue import Catalogue, Role
from ci_metrics.catalogue.engine import without_relay
from ci_metrics.logs.candidates import Candidates
from ci_metrics.logs.lines import text_of
from ci_metrics.logs.scan import Hit
from ci_metrics.redaction import redact_lines

#: Tests of one log that are named, lines that are looked at for them, characters of a name.
MOST, MOST_LINES, MOST_CHARACTERS = 200, 5_000, 300

#: What a duration looks like behind a name.
_TIME = r"(?: *[\[(]?\d[\d.,]*\s?(?:ms|s|m|seconds?|secs?)\b.*)?$"

#: Forms that name a test beyond doubt. Each has one group, the name, or `name` and `of`: what the
#: test belongs to.
_SURE: tuple[str, ...] = (
    # pytest: its summary, its column of statuses, xdist
    r"(?:FAILED|ERROR|SUBFAIL\w*) (?:\[[^\]]{1,40}\] |\(.{1,80}?\) )?(?P<name>[^\s:]+::[^\s\[]+(?:\[.*?\])?)(?: - .*|\s*)$",
    r"(?:\[gw\d+\] (?:\[ *\d+%\] )?(?:FAILED|ERROR) )(?P<name>\S+\.py::\S.*?)\s*$",
    r"(?P<name>\S+\.py::[^\s\[]+(?:\[.*?\])?) (?:FAILED|ERROR)\b",
    # unittest
    r"(?:FAIL|ERROR): (?P<name>\w+) ?\((?P<of>[\w.]+)\)",
    # Go, gotestsum, Ginkgo
    r"\s*--- FAIL: (?P<name>\S+) \(",
    r"=== FAIL: \S+ (?P<name>[A-Z]\S*) \(",
    r"(?:• )?\[FAIL(?:ED)?\] (?:\[\d[\d.]* seconds?\] ?)?(?P<name>\S.*?)(?: \[It\].*)?$",
    # Jest, Vitest, Playwright, Bun, Karma
    r" *● (?P<name>.{1,200} › .*?)\s*$",
    r" *FAIL +(?:\|\S+\| +)?(?P<name>\S+\.(?:[cm]?[jt]sx?|vue|svelte|coffee) > .+?)(?: \d+m?s)?\s*$",
    r" *(?:\d+\) |✘ +\d+ )?(?P<of>\[[\w ()-]{2,40}\] › \S+?):\d+:\d+(?P<name> › .+?)[ ─]*(?:\(\d[\d.]*m?s\))?[ ─]*$",
    r" *\d+\) (?P<of>\S+\.(?:spec|test)\.\w+):\d+:\d+(?P<name> › .+?)[ ─]*$",
    r"\(fail\) (?P<name>\S.*?)(?: \[\d[\d.]*m?s\])?$",
    r"(?:Chrome|Firefox|Safari|PhantomJS|Edge|Chrome Headless|HeadlessChrome|jsdom)[^)]{0,60}\) (?P<name>.{1,300}) FAILED$",
    # Surefire and Failsafe, Gradle, sbt
    r"(?:\[ERROR\] )?(?P<name>[\w$.]+\.[\w$]+(?:\(.*?\))?(?:\[.*?\])?) +(?:-- )?Time elapsed: .*<<<",
    r"(?:\[ERROR\] )?(?P<name>[\w$]+(?:\[.*?\])?)\((?P<of>[\w.$]+)\) +(?:-- )?Time elapsed: .*<<<",
    r"(?P<name>[A-Za-z_][\w.$]* > .{1,200}) FAILED$",
    r"\[(?:info|error)\] - (?P<name>.+?) \*\*\* FAILED \*\*\*",
    r"==> X (?P<name>\S+)",
    r"(?:\[info\] )?- (?P<name>.+?) \*\*\* FAILED \*\*\*",
    # Cargo, nextest
    r"test (?P<name>\S.*?) \.\.\. (?:FAILED|failed)",
    r" *(?:FAIL|SIGABRT|SIGSEGV|SIGKILL|TIMEOUT) \[ *[\d.]+s\] (?:\( *\d+/\d+\) )?(?P<name>\S+ \S+)",
    # RSpec, Minitest, Cucumber, PHPUnit, Pest, phpt
    r"rspec (?P<of>\./\S+?)(?::\d+|\[[\d:]+\]) (?P<name># .+?)\s*$",
    r"cucumber (?P<of>\S+\.feature):\d+ (?P<name># .+?)\s*$",
    r"(?P<name>[A-Z]\S*#\S+) \[\S+:\d+\]:?",
    r"\d+\) (?P<name>[\w\\]+::\w+(?: with data set (?:#\d+|\".*?\"|@?\S+))?)",
    r" *FAILED +(?P<name>Tests\\\S+ > .+?)(?: {2,}\S.*)?$",
    r"FAIL .*\[(?P<name>.*\.phpt)\]",
    # VSTest, xUnit, Microsoft.Testing.Platform, Pester
    r" *Failed (?P<name>[\w.]+(?:\(.{0,160}\))?) \[",
    r" +(?P<name>\S.{0,200}?) \[FAIL\]",
    r"failed (?P<name>\S+.{0,160}?) \((?:\d+m )?(?:\d+s )?\d+ms\)",
    r" *\[-\] (?P<name>\S.*?)" + _TIME,
    # CTest, GoogleTest, automake, TAP, Bazel, Meson
    r" *\d+/\d+ +Test +#\d+: (?P<name>\S+) \.*\s*\*\*\*",
    r"\s*\d+ - (?P<name>\S+) \((?:Failed|SEGFAULT|Timeout|Subprocess aborted|ILLEGAL|Child aborted|OTHER_FAULT|Subprocess killed)",
    r"\[ +(?:FAILED|CRASHED) +\] (?P<name>[\w/]+\.[\w/]+)",
    r"FAIL: (?P<name>\S+)$",
    r"\s*not ok (?:\d+ )?(?:- )?(?P<name>[^#]*?[^#\s]) *(?:# (?!TODO|SKIP).*)?$",
    r"(?P<name>//\S+) +FAILED",
    r" *\d+/\d+ (?P<name>.{1,120}?) +(?:FAIL|ERROR) +\d",
    # ExUnit, testthat, Julia, clojure.test
    r" *\d+\) (?P<name>(?:test|doctest|property) .{1,200}) (?P<of>\([\w.]+\))",
    r"(?:── |-- )?(?:Failure|Error) \((?P<of>[^:()]+?)(?::\d+)*\)(?P<name>: .+?) *[─-]*$",
    r"(?P<name>\S.*?): Test Failed at ",
    r"(?:FAIL|ERROR) in \((?P<name>[^()\s]+)\)",
    # XCTest, Swift Testing, Flutter
    r"Test Case '(?P<name>-?\[?[^']+?\]?)' failed",
    r" *✗ (?P<name>\w+), ",
    r".*: error: (?P<name>-\[\S+ \S+\]) : ",
    r"✘ Test \"?(?P<name>[^\"]+?)\"? (?:failed after|recorded an issue)",
    r"\d\d:\d\d +\+\d+(?: ~\d+)? -[1-9]\d*: (?P<name>.+?) \[E\]",
)  # fmt: skip

#: Forms that name a test where nothing better does: without its file or class, or the file alone.
#: Crosses and numbers mark other things as well, so they count only where failed tests are counted.
_FAINT: tuple[str, ...] = (
    r"_{3,} (?:ERROR at (?:setup|teardown) of )?(?P<name>\S*[tT]est\S*(?:\[.*?\])?) _{3,}$",
    r"\[ERROR\] {2,3}(?P<name>[\w$]+(?:Test|IT|Tests|Spec)[\w$]*\.[\w$]+)(?::\d+| »)",
    r"---- (?P<name>.{1,200}) stdout ----",
    r"(?:bin/)?rails test (?P<name>\S+:\d+)",
    r"rspec (?P<name>\./\S+:\d+)",
    r" *FAIL +(?P<name>\S+\.(?:[cm]?[jt]sx?|vue|svelte|coffee))\b",
)
_MARKED: tuple[str, ...] = (
    r"\s*(?:✕|✖|✗|✘|×|❌|⨯) *(?P<name>[^\s\[\d].*?)" + _TIME,
    r" {2,8}\d{1,3}\) (?P<name>[^ \d\"\[].*?):?$",
)

#: How Mocha begins a failure, and lines over which it spreads a test's name at most.
_NUMBERED = re.compile(r" {2,8}\d{1,3}\) [^ \d\"\[]")
MOST_PARTS = 6
#: A form's own lines of sums, which name no test.
_NOT_A_NAME = re.compile(
    r"\d+ (?:tests?|failed|of \d+)\b|(?:tests?|suites?) failed|failing tests|Tests run:|exit code|$", re.IGNORECASE
)


def failed_tests(found: Candidates, catalogue: Catalogue) -> tuple[str, ...]:
    """The failed tests that a log names, each once, in its order: at most `MOST`, masked."""
    return _distinct(names_in(_lines(found, catalogue), counted=_counts(found, catalogue)))


def names_in(lines: Iterable[str], *, counted: bool = False) -> list[str]:
    """The names on these clean lines, surer ones alone where there are any. `counted`: the log
    counts failed tests.
    """
    lines = list(lines)
    for forms in (_SURE, _FAINT, _MARKED if counted else ()):
        if names := [name for line in lines if (name := _name(line, forms))]:
            return names
    return []


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Each once, masked; a test of Go's that failed because a test within it did is left out."""
    once = list(dict.fromkeys(names))
    parents = {name[:at] for name in once for at, char in enumerate(name) if char == "/" and "::" not in name}
    kept = [name for name in once if name not in parents][:MOST]
    return tuple(dict.fromkeys(name[:MOST_CHARACTERS] for name in redact_lines(kept)[0]))


def _lines(found: Candidates, catalogue: Catalogue) -> Iterator[str]:
    """The lines on which a message of role `test` stands, but those of steps that passed."""
    tests = _numbers(catalogue, "test")
    passed = _in_a_passed_step(found)
    left = MOST_LINES
    for block in found.reading.blocks:
        for hit in block.hits:
            if not tests.isdisjoint(hit.ids) and not passed(block.offset + hit.start):
                left -= 1
                if left < 0:
                    return
                yield _with_rest(block.data, hit)


def _with_rest(data: bytes, hit: Hit) -> str:
    """A line; Mocha's numbered one with those below it, on which the test's name goes on."""
    text = text_of(data[hit.start : hit.end])
    if not _NUMBERED.match(text):
        return text
    parts, at = [text], hit.end + 1
    while not parts[-1].endswith(":") and len(parts) < MOST_PARTS:
        end = data.find(b"\n", at)
        line = text_of(data[at : end if end >= 0 else len(data)])
        if end < 0 or not line.startswith(" " * 6):
            return text
        parts.append(line.strip())
        at = end + 1
    return " › ".join(parts)


@lru_cache(maxsize=8)
def _numbers(catalogue: Catalogue, *roles: Role, family: str = "") -> frozenset[int]:
    return frozenset(
        number
        for number, message in enumerate(catalogue.messages)
        if message.role in roles and family in ("", message.family)
    )


def _counts(found: Candidates, catalogue: Catalogue) -> bool:
    """Whether the log counts failed tests, or announces their list."""
    counts = _numbers(catalogue, "count", "title", family="tests")
    return any(not counts.isdisjoint(hit.ids) for block in found.reading.blocks for hit in block.hits)


def _in_a_passed_step(found: Candidates) -> Callable[[int], bool]:
    def passed(at: int) -> bool:
        for each in reversed(found.ranges):
            if each.start <= at:
                return each.step.conclusion == "success"
        return False

    return passed


@lru_cache(maxsize=4)
def _compiled(forms: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(form) for form in forms)


def _name(line: str, forms: tuple[str, ...]) -> str:
    texts = {line.removeprefix("##[error]"), without_relay(line)}
    for form in _compiled(forms):
        for text in texts:
            if said := form.match(text):
                return _whole(said.groupdict())
    return ""


def _whole(groups: dict[str, str | None]) -> str:
    name, of = (groups["name"] or "").strip(), (groups.get("of") or "").strip()
    if _NOT_A_NAME.match(name):
        return ""
    if not of:
        return name
    if re.fullmatch(r"[\w$]+(?:\[.*\])?", name):  # a method of a class
        return of if of.endswith(f".{name}") else f"{of}.{name}"
    return f"{name} {of}" if of.startswith("(") else f"{of}{'' if name.startswith(':') else ' '}{name}"
