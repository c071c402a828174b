"""What a line looks like, whatever tool printed it: a level word, a place in a file, a quoted
value, a count, a table row.

Belongs here: the forms of lines and finding them, all in one scan. Does not: messages of tools
(`catalogue/`), what a shape is worth (`ranking.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import hyperscan
import numpy as np
from numpy.typing import NDArray

from ci_metrics.catalogue.engine import REMEMBERED, alternatives, capped, translated
from ci_metrics.expressions import databases

#: Name -> form, in the catalogue's dialect; matched against clean lines, in any case of letters
#: where marked by `(?i)`.
SHAPES: dict[str, str] = {
    "level-error": r"(?i)^\W{0,6}(?:\[?\w{0,12}[\s:|-]{0,2})?\[?\b(?:error|fatal|critical|severe|panic|exception)\b",
    "error-start": r"^ {0,8}(?:E {2,})?(?:[\w./@-]{1,40}: )?(?:[Ff]atal |FATAL |[Uu]nhandled |[Uu]ncaught )?(?:error|Error|ERROR|fatal|FATAL|panic|ERR!)(?: ?\[[^\]]{1,20}\])?: ",
    "error-code": r"\b(?:error|warning) ?(?:\[?[A-Z]{1,6}\d{2,5}\]?)\b|\bE\d{3,4}\b|\b[A-Z]{2,6}\d{3,5}:|\bTS\d{4}\b",
    "place": r"[\w./\\-]+\.\w{1,5}(?::\d+|\(\d+)",
    "place-start": r"^ {0,8}(?:/?[\w.@\\-]+/)*[\w.@\\-]+\.\w{1,6}(?::\d+|\(\d+)",
    "path-only": r"^ *(?:\./|/|[A-Z]:\\)?(?:[\w.@-]+[/\\])+[\w.@-]+\.\w{1,5} *$",
    "quoted": r"'[^']{1,80}'|\"[^\"]{1,80}\"|`[^`]{1,80}`|‘[^’]{1,80}’",
    "exception": r"\b(?:[\w$]+\.)*[A-Z]\w*(?:Error|Exception|Failure|Fault|Panic)\b",
    "exception-start": r"^\W{0,4}(?:E {1,6})?(?:Caused by: |Uncaught |Unhandled )?(?:[\w$]+[.:]{1,2})*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)\b:? ",
    "exception-bare": r"^\W{0,4}(?:E {1,6})?(?:[\w$]+\.)*[A-Z]\w*(?:Error|Exception)\W{0,3}$",
    "count": r"(?i)\b\d+ (?:\w+ ){0,2}(?:failed|failures?|failing|errors?|problems?|warnings?|issues?|tests?|passed|passing|skipped|examples?|violations?|offenses?|vulnerabilities)\b",
    "tally": r"(?i)\b(?:tests?|suites?|failures?|errors?|failed|passed|total)\s{0,3}[:=]\s{0,8}\d+",
    "exit": r"(?i)exit(?:ed|s)?(?: with)?(?: an?)?(?: error)?(?: non-?zero)?(?: status| code)|exit code|returned non-zero|status code \d|\bcode \d{1,3}\.? *$|error \d{1,3}\W*$|elifecycle|did not complete successfully|failed with (?:exit|error)",
    "stack": r"^\s*(?:at [\w$<./]|File \"|\d+: 0x|#\d+ |--> |\.\.\. \d|\S+\.go:\d+ \+0x|goroutine |frame #|from .{1,200}:\d+:in )",
    "trace-title": r"(?i)traceback|stack ?trace|backtrace|call stack",
    "title": r"^[\W_]*[A-Z][A-Za-z -]{2,40}[\W_]*$",
    "rule-line": r"^[\s=_*#~.+|─━═▔▁-]{4,}$",
    "decorated": r"^.*[=_*#~─━═-]{4}",  # without a start it takes 0.15 s to compile
    "table": r"\|.{0,200}\||│.{0,200}│|\S\s{3,}\S+\s{3,}\S",
    "level-below": r"(?i)^\W{0,4}(?:\d[\d:.,TZ/ -]*)?\W{0,3}(?:info|debug|trace|notice|verbose|warn(?:ing)?|note|hint|help|log)\b|##\[(?:warning|notice|debug|command|group|endgroup|section)\]|npm (?:warn|notice)",
    "warning": r"(?i)##\[warning\]|\bwarn(?:ing)?s?\b|deprecat",
    "echo": r"^\s*(?:\+{1,3} |\$ |> |PS |##\[command\]|\[command\]|##\[group\]|shell: |env:|with:|\w+: \$\{\{)",
    "pass-word": r"(?i)\b(?:pass(?:ed|es|ing)?|ok|success(?:ful(?:ly)?)?|succeeded|done|completed?)\b|[✓✔√✅]",
    "fail-word": r"(?i)\bfail(?:ed|ure|ures|s|ing)?\b|not ok\b|[✗✘✕❌✖⨯]|×",
    "negation": r"(?i)\b(?:cannot|can't|could not|couldn't|unable|not found|no such|missing|undefined|unknown|unexpected|invalid|denied|refused|unresolved|not (?:defined|exist|allowed|supported|permitted|satisfied|available|an? )|does not|doesn't|did not|must|should|unsupported|mismatch|conflict|forbidden|unauthorized|illegal|required|failed to)\b",
    "limit-word": r"(?i)timed?[ -]?out|deadline exceeded|exceeded|cancell?ed|killed|out of memory|no space",
    "url": r"https?://",
    "url-only": r"(?i)^\W*(?:see |at |more info\w*:? ?|visit |read |docs?:? )?\S{0,3}https?://\S+\W*$",
    "retry-word": r"(?i)\bretry|\battempt|will try|trying|falling back|ignor|skipp",
    "advice": r"(?i)complete log|full log|debug log|log of this run|logs? can be found|for more (?:info|detail)|more information|run with|rerun|re-run|use --|try running|please (?:see|read|run|check|report)|to fix|hint|documentation|learn more",
    "caret": r"^\s*(?:\d+\s*)?[|>:]*\s*[\^~]+[\s^~\w-]*$",
    "source": r"^\s*(?:>?\s*\d+\s*[|│:]\s|\d+\s{2,}\S)|^ *[|│] ",
    "compared": r"(?i)^\W*(?:expected|received|actual|got|want(?:ed)?|left|right)\b",
    "assertion": r"(?i)^\W*assert\w*\b|\bexpect\(|assert(?:ion)?\b|!==|not equal|to (?:be|equal|match|have)\b",
    "json": r"^\s*[{\"\[]|^\s*\"[\w-]+\":|[,{]$",
    "key-value": r"^\s*[\w.-]{1,30}\s*[:=]\s*\S",
    "sentence": r"^\W*[A-Z][a-z]+(?: [\w'`\"./-]+){3,}",
    "clock": r"\d{4}[-/]\d\d[-/]\d\d|\b\d\d:\d\d:\d\d",
    "reason": r"(?i)caused by|reason:|because|due to|\bcause\b",
    "test-name": r"^\s*(?:FAILED|FAIL|ERROR|--- FAIL:|not ok|●|✕|✗|✖|×|_{3,}|\[  FAILED  \]|\d+\)) ?\S+",
    "bullet": r"^\s*(?:[-*•·●○]|\d+[.)])\s",
    "ends-with-colon": r":\s*$",
    "marked": r"##\[error\]",
    "exit-mark": r"##\[error\](?:Process completed with exit code|The operation was cancel|The process .* failed with exit code)",
    "code-ish": r"(?:[;{}]|\)\s*\{|=>|\);)\s*$|^\s*(?:return|if|for|while|def|func|function|const|let|var|import|raise|throw|assert) \b|^\s*(?:public|private|static|final) ",
    "package-version": r"[\w@/.-]+@[\^~]?\d+\.\d+|[\w.-]+==\d+\.\d+|\b[\w.-]+:[\w.-]+:\d+\.\d+",
    "http-status": r"\b(?:HTTP|status|code|response)[ :=/(]{1,4}[45]\d\d\b|\b[45]\d\d (?:[A-Z][a-z]+ )?(?:Error|Not Found|Forbidden|Unauthorized|Bad Gateway|Service Unavailable|Too Many|Internal Server|Conflict|Unprocessable)",
    "blank": r"^\s*$",
    "indented": r"^(?: |\t)",
    "indented-far": r"^(?: {4}|\t)",
    "shouted": r"^[^a-z]*[A-Z][^a-z]*[A-Z][^a-z]*[A-Z][^a-z]*$",
    "no-words": r"^[^A-Za-z]*(?:[A-Za-z]{1,2}[^A-Za-z]+)*[A-Za-z]{0,2}[^A-Za-z]*$",
    "all-went-well": r"(?i)\b0 (?:errors?|failed|failures?|failing)\b|no (?:errors|issues|problems) found",
}  # fmt: skip
NAMES = tuple(SHAPES)
_BLANK = NAMES.index("blank")


@cache
def _engine() -> Any:
    expressions, ids, flags = [], [], []
    for number, form in enumerate(SHAPES.values()):
        for each in alternatives(form.removeprefix("(?i)")):
            expressions.append(translated(each, "^", "$", "", r"\b").encode())
            ids.append(number)
            caseless = hyperscan.HS_FLAG_CASELESS if form.startswith("(?i)") else 0
            # Characters beyond ASCII stand in classes: the engine reads UTF-8 here.
            flags.append(hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_SINGLEMATCH | caseless)
    return databases.compiled(expressions, ids, flags)


def shapes_of(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which of `NAMES` (columns) each of these clean lines (rows) has."""
    return np.frombuffer(b"".join(map(_row, texts)), bool).reshape(len(texts), len(NAMES))


@lru_cache(maxsize=REMEMBERED)
def _row(text: str) -> bytes:
    """A byte for each of `NAMES`: whether this clean line has it."""
    row = bytearray(len(NAMES))
    if text.strip():

        def note(number: int, *_: object) -> None:
            row[number] = 1

        databases.scan(_engine(), capped(text).encode("utf-8", "replace"), note)
    else:
        row[_BLANK] = 1  # the engine takes no empty text
    return bytes(row)
