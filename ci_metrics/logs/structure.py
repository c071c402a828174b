"""What a log's own structure says: where steps begin, where they failed,
whether the whole went well.

Belongs here: hits with a structural role in, segments, headers and the log's own verdict
out. Does not: reading a header (`step_headers.py`), GitHub's list of steps (`steps.py`), what
lines are worth (`scored_lines.py`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ci_metrics.catalogue import Catalogue
from ci_metrics.logs.cleanup_steps import looks_after
from ci_metrics.logs.lines import step_column, text_of, without_stamp
from ci_metrics.logs.scan import STRUCTURAL, Block, Hit
from ci_metrics.logs.step_headers import Header, read_header
from ci_metrics.logs.steps import Layout, laid_out
from ci_metrics.models import Step

_KINDS = {
    "github-step-start": "run",
    "github-container-start": "container",
    "github-post-start": "post",
    "github-orphans": "orphans",
    "github-setup-start": "setup",
    "github-debug-start": "debug",
}
#: The message of the lines that GitHub's runner marks as errors.
MARK = "github-error-line"
#: The message of the lines with which other services end a command that failed: in a log of
#: GitHub's, a program's output.
SERVICES_END = "ci-command-failed"
#: A step that dies before its header leaves only this: its action is not there, or an expression of
#: its cannot be evaluated.
_EARLY = re.compile(
    rb"##\[error\](?:Can't find 'action\.yml'|The template is not valid|Error: The template is not valid)"
)
#: A line with which a Jenkins pipeline begins a script, and one with which GitLab's
#: runner begins a job's own.
_SCRIPT_STEP = re.compile(rb"\[Pipeline\] (?:sh|bat|powershell|pwsh)\b")
_SCRIPT_SECTION = re.compile(rb"section_start:\d+:(?:step|build)_script\b")
#: How GitLab's runner ends a job whose script failed; Azure Pipelines begins a task.
_SCRIPT_FAILED = b"ERROR: Job failed: "
_TASK = b"##[section]Starting: "

#: Headers in a row that may begin inside the one before: steps whose ends the log does not show are
#: some dozens, more is a program that prints headers, and to read on from each of them takes long.
_MOST_INSIDE = 500


@dataclass(slots=True)
class Structure:
    """Segments of a log: a segment runs from one start to the next."""

    catalogue: Catalogue
    starts: list[int] = field(default_factory=lambda: [0])  # offsets in the log
    headers: list[Header] = field(default_factory=list)  # GitHub's, in order
    names: dict[int, str] = field(
        default_factory=dict
    )  # of steps, by the offset of their start, as far as the log tells
    ends: list[int] = field(default_factory=list)  # offsets of lines that say a command failed
    marks: list[int] = field(default_factory=list)  # offsets of lines that GitHub's runner marked as errors
    after: int | None = None  # offset where a service's own phases after the failure begin
    verdict: str = ""  # the log's own: "pass", "fail" or ""
    good: int = -1  # offset at which a tool says for the last time that all went well
    cut: bool = False  # a cap of the download cut it, and left its mark
    whole: bool = False  # it begins as GitHub's complete logs of jobs, and of steps, do
    framed: set[str] = field(default_factory=set)  # ids of the messages whose tools mark each test's output
    scripts: list[int] = field(
        default_factory=list
    )  # offsets of the scripts that a Jenkins pipeline or a job of GitLab's runs, before what runs in any case
    post_actions: bool = False  # a Jenkins pipeline's have begun
    script_failed: bool = False  # the log says that one of these scripts did
    columns: bool = False  # each line names its step, as `gh run view --log` prints it
    job_name: int | None = None  # offset of the line on which GitHub's runner names the job
    walls: set[int] = field(
        default_factory=set
    )  # offsets of all lines that begin a step or a composite action's: nothing that belongs together crosses one
    _script_end: int | None = None  # offset at which what runs after a script of GitLab's begins
    _behind: int = -1  # offset behind the last header's own lines, -1 where that is not known
    _inside: int = 0  # headers in a row that began before the one before them had ended
    _scripts: bool = False  # a header of a script was seen, with its shell

    @property
    def github(self) -> bool:
        """Whether GitHub's runner wrote this log."""
        return self.whole or bool(self.headers) or bool(self.marks)

    def segment(self, at: int) -> int:
        """The number of the segment that holds offset `at`."""
        return bisect_right(self.starts, at) - 1

    def marked(self) -> set[int]:
        """Segments that say themselves that they, or something in them, failed."""
        return {self.segment(at) for at in (*self.ends, *self.marks)}

    def failing(self) -> set[int]:
        """Segments that say themselves that they failed; of several of GitHub's steps only the
        one that the job failed of.

        Once a step has failed, GitHub skips what follows: the steps marked before it were
        allowed to fail. Only what runs in any case comes after it, which mostly tells of it,
        looks after it or cleans up.
        """
        found = self.marked()
        if self.script_failed and self.scripts and not self.headers:
            return {self.segment(self.scripts[-1])}  # what follows is skipped, but for post actions
        if len(found) < 2 or not self.headers:
            return found
        headers = {header.at: header for header in self.headers}
        ended = {self.segment(at) for at in self.ends}
        work: list[int] = []
        for segment in sorted(found):
            header = headers.get(self.starts[segment])
            aside = header is None or header.kind in ("post", "orphans", "setup")
            # A script's marks alone say little: a linter marks lines, and the script
            # ends well all the same.
            only_marks = segment not in ended and header is not None and header.script
            if (
                not aside
                and not only_marks
                and not looks_after(self.names.get(self.starts[segment], ""), column=self.columns)
            ):
                work.append(segment)
        return {max(work)} if work else {min(ended or found)}

    def name(self, at: int) -> str | None:
        """The step that holds offset `at`, as far as the log tells."""
        return self.names.get(self.starts[self.segment(at)])

    def read(self, block: Block) -> None:
        """Take in the next block."""
        if block.good >= 0:
            self.good = block.offset + block.good
        for hit in block.hits:
            for name, role in _said(self.catalogue, hit.ids):
                self._take(block, hit, name, role)

    def _take(self, block: Block, hit: Hit, name: str, role: str) -> None:
        at = block.offset + hit.start
        match role:
            case "step-start":
                self._start(block, hit, at, name)
            case "step-end" if name != SERVICES_END or not (self.headers or self.whole):
                self._end(at, block.data[hit.start : hit.end])
            case "log-pass" | "log-fail":
                self.verdict = role.removeprefix("log-")
                self.script_failed |= name == "ci-jenkins-script"
            case "after" if self.ends and self.after is None:
                self.after = at
            case "whole":
                self.whole = True
                if b"Complete job name" in block.data[hit.start : hit.end]:
                    self.job_name = at
            case "cut":
                self.cut = True
            case "framed":
                self.framed.add(name)
            case "mark":
                raw = block.data[hit.start : hit.end]
                if self.headers and _EARLY.match(without_stamp(raw)):
                    self._header(block, hit, "early")
                self.marks.append(at)

    def _end(self, at: int, raw: bytes) -> None:
        """Take in a line that says that a command failed; GitLab says so after what runs in any
        case: the script ended before.
        """
        if self.scripts and _SCRIPT_FAILED in raw:
            stop = at if self._script_end is None else self._script_end
            self.script_failed = True
            self.scripts.append(self.starts[self.segment(stop - 1)])  # the last of its commands
            self.ends.append(stop)
        if at not in self.ends:
            self.ends.append(at)

    def _pipeline(self, raw: bytes, at: int) -> None:
        """Take in a line with which a Jenkins pipeline begins a step or a block."""
        if b"Post Actions)" in raw:
            self.post_actions = True
        elif not self.post_actions and _SCRIPT_STEP.search(raw):
            self.scripts.append(at)

    def _start(self, block: Block, hit: Hit, at: int, name: str) -> None:
        kind = _KINDS.get(name)
        if kind is not None:
            self._header(block, hit, kind)
            return
        if self.headers:
            return  # what another service prints between its commands is a program's output here
        self._wall(at, opens=True)
        raw = block.data[hit.start : hit.end]
        if name == "ci-jenkins-stage":
            self._pipeline(raw, at)
        elif _SCRIPT_SECTION.search(raw):
            self.scripts.append(at)
        elif name == "ci-section-start" and self.scripts and self._script_end is None:
            self._script_end = at
        elif _TASK in raw:
            self.names[at] = text_of(raw[raw.index(_TASK) + len(_TASK) :])

    def _wall(self, at: int, *, opens: bool) -> None:
        """Take in where a step, or one inside a step, begins; `opens`: a segment begins with it."""
        if at:
            self.walls.add(at)
            if opens and at != self.starts[-1]:
                self.starts.append(at)

    def _header(self, block: Block, hit: Hit, kind: str) -> None:
        """Take in a header of GitHub's."""
        inside = self._behind < 0 or self._behind > block.offset + hit.start
        self._inside = self._inside + 1 if inside else 0
        deep = self._inside > _MOST_INSIDE
        header, self._behind = read_header(block, hit, kind, behind=self._behind, deep=deep)
        if header.echoed and self._scripts:
            self.headers.append(header)  # a program's own group, unless a step of this name begins here
            return
        self._scripts |= header.script
        at = header.at
        if at == 0 and kind == "run":  # the log of one step, whole: had it failed, the runner would say so at its end
            self.whole = True
        self._wall(block.offset + hit.start, opens=False)
        same = header.column is not None and bool(self.headers) and self.headers[-1].column == header.column
        self._wall(at, opens=not same)
        if name := _name_of(kind, header.text):
            self.names[at] = name
        if (column := step_column(block.data[hit.start : hit.end])) is not None:
            self.names[at] = column[1]
            self.columns = True
        self.headers.append(header)

    def laid_out(self, steps: Sequence[Step]) -> Layout:
        """The steps of a job laid over its log, with the log's own marks of
        failure; see `steps.laid_out`.
        """
        segments = self.failing()
        told = self.starts[max(segments)] if segments else None
        return laid_out(self.headers, steps, marks=[*self.ends, *self.marks], told=told)

    def failing_of(self, layout: Layout, size: int) -> set[int]:
        """The segments that failed: of the step that GitHub names, as one segment, else
        what the log itself marks.

        A place that is in doubt and holds no mark of a failure, while another
        segment does, is not believed.
        """
        span = layout.span(size + 1)
        if span is None:
            return self.failing()
        start, stop = span
        inside = any(start <= at < stop for at in (*self.ends, *self.marks))
        if not layout.sure and not inside and (told := self.failing()):
            return told
        kept = {at for at in self.starts if at < start or at > stop} | {0, start, stop}
        self.starts = sorted(kept - {size + 1})
        return {self.segment(start)}


def _name_of(kind: str, text: str) -> str:
    """The name of the step that a header of this kind begins, as far as it tells."""
    match kind:
        case "run":
            return "Run " + text
        case "orphans":
            return "Complete job"
        case "setup":
            return "Set up job"
        case "container" | "debug":
            return text
    return ""


@lru_cache(maxsize=1 << 14)  # lines of one kind have the same messages
def _said(catalogue: Catalogue, ids: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """What a line with the messages `ids` says of structure: their (id, role)."""
    messages = (catalogue.messages[number] for number in ids)
    return tuple((m.id, "mark" if m.id == MARK else m.role) for m in messages if m.role in STRUCTURAL or m.id == MARK)
