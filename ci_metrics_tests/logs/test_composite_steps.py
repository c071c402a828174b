"""Which lines belong to which step where composite actions print headers of their own, with and
without the steps' times.

The logs are written by what the runner prints (actions/runner: `Handler.cs`, `ScriptHandler.cs`,
`CompositeActionHandler.cs`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from ci_metrics.catalogue import load_catalogue
from ci_metrics.logs import extract
from ci_metrics.logs.steps import Layout
from ci_metrics.logs.whole_log import read_log
from ci_metrics.models import Job
from ci_metrics_tests.builders import a_job, a_step

START = datetime(2026, 5, 4, 7, tzinfo=UTC)
PLAIN = "/usr/bin/bash -e {0}"
STRICT = "/usr/bin/bash --noprofile --norc -e -o pipefail {0}"
PWSH = "C:\\Program Files\\PowerShell\\7\\pwsh.EXE -command \". '{0}'\""
WINDOWS_BASH = "C:\\Program Files\\Git\\bin\\bash.EXE --noprofile --norc -e -o pipefail {0}"


def script(command: str, *output: str, shell: str = PLAIN, code: int = 0) -> list[str]:
    """What the runner prints of a script of one or more lines, and what that prints."""
    coloured = [f"\x1b[36;1m{line}\x1b[0m" for line in command.split("\n")]
    end = [f"##[error]Process completed with exit code {code}."] if code else []
    return [
        f"##[group]Run {command.splitlines()[0]}",
        *coloured,
        f"shell: {shell}",
        "env:",
        "  CI: 1",
        "##[endgroup]",
        *output,
        *end,
    ]


def inner(command: str, *output: str, code: int = 0) -> list[str]:
    """The same of a script in an action, which must name its shell."""
    return script(command, *output, shell=STRICT, code=code)


def action(ref: str, *output: str) -> list[str]:
    """What the runner prints of an action, and what that prints."""
    return [f"##[group]Run {ref}", "with:", "  shell: bash", "##[endgroup]", *output]


def local(path: str, *output: str, fetched: str = "") -> list[str]:
    """What the runner prints of an action in a folder of the repository."""
    download = [
        "Getting action download info",
        f"##[group]Download immutable action package '{fetched}'",
        "Version: 4.1.0",
        "Digest: sha256:0a1b",
        "Source commit SHA: 9f9f",
        "##[endgroup]",
    ]
    return ["Prepare all required actions", *(download if fetched else []), *action(path, *output)]


OF_THE_RUNNER = {
    "Set up job",
    "Set up runner",
    "Initialize containers",
    "Stop containers",
    "Complete runner",
    "Complete job",
}
SETUP = [
    "Current runner version: '2.330.0'",
    "##[group]Runner Image",
    "Image: ubuntu-24.04",
    "##[endgroup]",
    "Prepare workflow directory",
    "Prepare all required actions",
    "Getting action download info",
    "Download action repository 'actions/checkout@v4' (SHA:11bd)",
    "Complete job name: check",
]
CHECKOUT = action("actions/checkout@v4", "Syncing repository: o/r", "##[group]Fetching", "##[endgroup]", "9f9f init")
POST = ["Post job cleanup."]
END = ["Cleaning up orphan processes"]


@dataclass(frozen=True)
class Case:
    """A job: its steps as GitHub lists them, and what each printed."""

    what: str
    steps: list[tuple[str, str]]  # name, conclusion; numbered from 1
    printed: dict[str, list[str]]  # by the step's name
    failed: str
    cause: str  # what the first error's headline holds

    @property
    def log(self) -> tuple[bytes, dict[str, tuple[int, int]], dict[str, tuple[int, int]]]:
        """The log; first and last second and first and last line of each step."""
        lines: list[str] = []
        seconds, spans = {}, {}
        for number, (name, texts) in enumerate(self.printed.items()):
            spans[name] = (len(lines) + 1, len(lines) + len(texts))
            seconds[name] = (number * 10, number * 10 + 7)
            for i, text in enumerate(texts):
                at = START + timedelta(seconds=number * 10 + 7 * i / len(texts))
                lines.append(f"{at:%Y-%m-%dT%H:%M:%S.%f}0Z {text}\n")
        return "".join(lines).encode(), seconds, spans

    def job(self, *, times: bool) -> Job:
        """The job as the API gives it."""
        seconds = self.log[1]
        steps = []
        for number, (name, conclusion) in enumerate(self.steps, start=1):
            first, last = seconds.get(name, (0, 0))
            begin, end = (START + timedelta(seconds=at) for at in (first, last))
            known = times and name in seconds
            at = {"started_at": begin, "completed_at": end} if known else {"started_at": None, "completed_at": None}
            steps.append(a_step(number, conclusion, name=name, **at))
        return a_job(created_at=None, started_at=None, completed_at=None, steps=tuple(steps))


ERROR = "src/cart.c:31:9: error: use of undeclared identifier 'totl'"
TYPES = "src/cart.ts(14,3): error TS2304: Cannot find name 'totl'."

CASES = [
    Case(
        "an action of three scripts fails in its second, and the report that always runs uploads",
        [
            ("Set up job", "success"),
            ("Run actions/checkout@v4", "success"),
            ("Lint", "success"),
            ("Compile all", "failure"),
            ("Deploy", "skipped"),
            ("Keep the logs", "success"),
            ("Post Run actions/checkout@v4", "success"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Run actions/checkout@v4": CHECKOUT,
            "Lint": script("make lint", "all is well"),
            "Compile all": [
                *action("acme/build@v3"),
                *inner("./configure", "checking for gcc"),
                *inner("make -j4", "cc -c src/cart.c", ERROR, code=2),
            ],
            "Keep the logs": action("actions/upload-artifact@v4", "Artifact logs was uploaded"),
            "Post Run actions/checkout@v4": POST,
            "Complete job": END,
        },
        "Compile all",
        "undeclared identifier",
    ),
    Case(
        "a step runs what an action's own step ran before it",
        [
            ("Set up job", "success"),
            ("Prepare", "success"),
            ("Lint", "failure"),
            ("Test", "skipped"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Prepare": [
                *action("acme/prepare@v1"),
                *inner("npm ci", "added 9 packages"),
                *inner("npm run lint -- --quiet", "0 problems"),
            ],
            "Lint": script("npm run lint -- --types", TYPES, code=1),
            "Complete job": END,
        },
        "Lint",
        "TS2304",
    ),
    Case(
        "an action of the repository uses another one, and its last script fails",
        [
            ("Set up job", "success"),
            ("Run actions/checkout@v4", "success"),
            ("Run ./.github/actions/ci", "failure"),
            ("Tell the team", "success"),
            ("Post Run ./.github/actions/ci", "success"),
            ("Post Run actions/checkout@v4", "success"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Run actions/checkout@v4": CHECKOUT,
            "Run ./.github/actions/ci": [
                *local("./.github/actions/ci", fetched="actions/setup-node@v4"),
                *local("./.github/actions/setup"),
                *action(
                    "actions/setup-node@v4",
                    "Found in cache",
                    "##[group]Environment details",
                    "node: v22",
                    "##[endgroup]",
                ),
                *inner("npm ci", "added 9 packages"),
                *inner("npx tsc -p .", TYPES, code=2),
            ],
            "Tell the team": action("acme/notify@v2", "sent"),
            "Post Run ./.github/actions/ci": [*POST, *POST, *POST, "Cache hit, not saving"],
            "Post Run actions/checkout@v4": [*POST, "[command]/usr/bin/git version"],
            "Complete job": END,
        },
        "Run ./.github/actions/ci",
        "TS2304",
    ),
    Case(
        "an action in a container fails",
        [
            ("Set up job", "success"),
            ("Build acme/spell@v1", "success"),
            ("Pull ghcr.io/acme/lint:2", "success"),
            ("Run actions/checkout@v4", "success"),
            ("Spell", "success"),
            ("Run docker://ghcr.io/acme/lint:2", "failure"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Build acme/spell@v1": [
                "##[group]Build container for action use: '/home/runner/work/_actions/acme/spell/v1/Dockerfile'.",
                '##[command]/usr/bin/docker build -t 7d:1 -f "/home/runner/work/_actions/acme/spell/v1/Dockerfile" .',
                "#1 DONE 0.1s",
                "##[endgroup]",
            ],
            "Pull ghcr.io/acme/lint:2": [
                "##[group]Pull down action image 'ghcr.io/acme/lint:2'",
                "##[command]/usr/bin/docker pull ghcr.io/acme/lint:2",
                "2: Pulling from acme/lint",
                "##[endgroup]",
            ],
            "Run actions/checkout@v4": CHECKOUT,
            "Spell": action("acme/spell@v1", "##[command]/usr/bin/docker run --name spell_1 --rm 7d:1", "no mistakes"),
            "Run docker://ghcr.io/acme/lint:2": action(
                "docker://ghcr.io/acme/lint:2",
                "##[command]/usr/bin/docker run --name lint_1 --rm ghcr.io/acme/lint:2",
                ERROR,
            ),
            "Complete job": END,
        },
        "Run docker://ghcr.io/acme/lint:2",
        "undeclared identifier",
    ),
    Case(
        "in a reusable workflow whose scripts all name their shell, the step behind an action fails",
        [
            ("Set up job", "success"),
            ("Fetch", "success"),
            ("Install uv", "success"),
            ("Types", "failure"),
            ("Unit tests", "skipped"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": [
                *SETUP[:-1],
                "Uses: o/r/.github/workflows/check.yml@refs/heads/main (9f9f)",
                "##[group] Inputs",
                "  level: 2",
                "##[endgroup]",
                "Complete job name: call / check",
            ],
            "Fetch": CHECKOUT,
            "Install uv": [
                *action("acme/setup-uv@v2"),
                *inner("curl -LsSf https://example.org/uv.sh | sh", "installed"),
                *inner("uv python install", "done"),
            ],
            "Types": inner(
                "uv run mypy src", 'src/cart.py:3: error: Name "totl" is not defined  [name-defined]', code=1
            ),
            "Complete job": END,
        },
        "Types",
        "not defined",
    ),
    Case(
        "on Windows an action's scripts run in bash and the failing step in the default shell",
        [
            ("Set up job", "success"),
            ("Run actions/checkout@v4", "success"),
            ("Install the tools", "success"),
            ("Build", "failure"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Run actions/checkout@v4": CHECKOUT,
            "Install the tools": [
                *action("acme/install-action@v2"),
                *script('bash "${GITHUB_ACTION_PATH:?}/main.sh"', "info: installing", shell=WINDOWS_BASH),
            ],
            "Build": script(
                "msbuild cart.sln",
                "src\\cart.c(31,9): error C2065: 'totl': undeclared identifier [cart.vcxproj]",
                shell=PWSH,
                code=1,
            ),
            "Complete job": END,
        },
        "Build",
        "C2065",
    ),
    Case(
        "an action of the repository is not there, so its step has no header",
        [
            ("Set up job", "success"),
            ("Greet", "success"),
            ("Run ./.github/actions/ci", "failure"),
            ("Publish", "skipped"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Greet": script("echo hello", "hello"),
            "Run ./.github/actions/ci": [
                "##[error]Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '/home/runner/work/r/r/.github/actions/ci'. "
                "Did you forget to run actions/checkout before running your local action?"
            ],
            "Complete job": END,
        },
        "Run ./.github/actions/ci",
        "action.yml",
    ),
    Case(
        "a step that may fail fails before the action that must not",
        [
            ("Set up job", "success"),
            ("Audit", "success"),
            ("Build and test", "failure"),
            ("Upload", "skipped"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Audit": script("npm audit", "3 vulnerabilities found", code=1),
            "Build and test": [
                *action("acme/node@v1"),
                *inner("npm ci", "added 9 packages"),
                *inner("npm run build", TYPES, code=2),
                *inner("rm -rf tmp", ""),
            ],
            "Complete job": END,
        },
        "Build and test",
        "TS2304",
    ),
    Case(
        "a script groups its output under titles that look like headers",
        [
            ("Set up job", "success"),
            ("Run actions/checkout@v4", "success"),
            ("Checks", "failure"),
            ("Docs", "skipped"),
            ("Report", "success"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Run actions/checkout@v4": CHECKOUT,
            "Checks": script(
                "./checks.sh",
                "##[group]Run formatter",
                "fine",
                "##[endgroup]",
                "##[group]Run compiler",
                ERROR,
                "##[endgroup]",
                code=1,
            ),
            "Report": script("./report.sh", "1 failed"),
            "Complete job": END,
        },
        "Checks",
        "undeclared identifier",
    ),
    Case(
        "the runner marks the steps of an action, also those it skips",
        [
            ("Set up job", "success"),
            ("Tools", "success"),
            ("Compile", "failure"),
            ("Post Tools", "success"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Tools": [
                *action("acme/tools@v4"),
                "##[start-action display=Cache;id=__1.cache]",
                "##[end-action id=__1.cache;outcome=skipped;conclusion=skipped;duration_ms=0]",
                "##[start-action display=Get;id=__1.__run]",
                *inner("curl -O https://example.org/cc", "100"),
                "##[end-action id=__1.__run;outcome=success;conclusion=success;duration_ms=12]",
                "##[start-action display=Unpack;id=__1.__run_2]",
                *inner("tar xf cc", "x"),
                "##[end-action id=__1.__run_2;outcome=success;conclusion=success;duration_ms=12]",
            ],
            "Compile": inner("cc -c src/cart.c", ERROR, code=1),
            "Post Tools": [
                *POST,
                "##[start-action display=Cache;id=__1.cache]",
                *POST,
                "##[end-action id=__1.cache;outcome=success;conclusion=success;duration_ms=9]",
            ],
            "Complete job": END,
        },
        "Compile",
        "undeclared identifier",
    ),
    Case(
        "hooks of a self-hosted runner stand around the steps",
        [
            ("Set up job", "success"),
            ("Set up runner", "success"),
            ("Checkout", "success"),
            ("Build", "failure"),
            ("Post Checkout", "success"),
            ("Complete runner", "success"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Set up runner": [
                "A job started hook has been configured by the self-hosted runner administrator",
                "##[group]Run '/opt/begin.sh'",
                f"shell: {STRICT}",
                "##[endgroup]",
                "ready",
            ],
            "Checkout": CHECKOUT,
            "Build": [
                *local("./.github/actions/build"),
                *inner("./keys.sh", ""),
                *inner("./build.sh", ERROR, code=1),
                *inner("./drop-keys.sh", ""),
            ],
            "Post Checkout": POST,
            "Complete runner": [
                "A job completed hook has been configured by the self-hosted runner administrator",
                "##[group]Run '/opt/end.sh'",
                f"shell: {STRICT}",
                "##[endgroup]",
            ],
            "Complete job": END,
        },
        "Build",
        "undeclared identifier",
    ),
    Case(
        "a step that always runs fails after the one that the job failed of",
        [
            ("Set up job", "success"),
            ("Run actions/checkout@v4", "success"),
            ("Check the types", "failure"),
            ("Test", "skipped"),
            ("Summary", "failure"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Run actions/checkout@v4": CHECKOUT,
            "Check the types": [
                *action("acme/tsc@v1"),
                *inner("npm ci", "added 9 packages"),
                *inner("npx tsc", TYPES, code=2),
            ],
            "Summary": [
                *action("acme/summary@v2"),
                *inner(
                    "python summary.py", "FileNotFoundError: [Errno 2] No such file or directory: 'junit.xml'", code=1
                ),
            ],
            "Complete job": END,
        },
        "Check the types",
        "TS2304",
    ),
    Case(
        "services do not start",
        [
            ("Set up job", "success"),
            ("Initialize containers", "failure"),
            ("Test", "skipped"),
            ("Stop containers", "success"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Initialize containers": [
                "##[group]Checking docker version",
                "##[command]/usr/bin/docker version --format '{{.Server.APIVersion}}'",
                "'1.44'",
                "##[endgroup]",
                "##[group]Starting db service container",
                "##[command]/usr/bin/docker pull postgres:99",
                "Error response from daemon: manifest for postgres:99 not found: manifest unknown: manifest unknown",
                "##[error]Docker pull failed with exit code 1",
            ],
            "Stop containers": ["Print service container logs: db", "##[command]/usr/bin/docker logs --details"],
            "Complete job": END,
        },
        "Initialize containers",
        "manifest",
    ),
    Case(
        "a job is cancelled within an action",
        [
            ("Set up job", "success"),
            ("Run actions/checkout@v4", "success"),
            ("End to end", "cancelled"),
            ("Deploy", "skipped"),
            ("Keep the logs", "success"),
            ("Complete job", "success"),
        ],
        {
            "Set up job": SETUP,
            "Run actions/checkout@v4": CHECKOUT,
            "End to end": [
                *action("acme/e2e@v1"),
                *inner("npm ci", "added 9 packages"),
                *inner(
                    "npx e2e",
                    "Error: Timed out waiting 60000ms from config.webServer.",
                    "##[error]The operation was canceled.",
                ),
            ],
            "Keep the logs": action("actions/upload-artifact@v4", "Artifact logs was uploaded"),
            "Complete job": END,
        },
        "End to end",
        "Timed out",
    ),
]


@pytest.mark.parametrize("times", [True, False], ids=["with times", "without times"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_each_step_begins_where_it_did(case: Case, times: bool) -> None:
    log, _, spans = case.log
    layout = read_log(log, load_catalogue()).structure.laid_out(case.job(times=times).steps)
    lines = {found.step.name: log.count(b"\n", 0, found.start) + 1 for found in layout.ranges}
    assert lines == {name: first for name, (first, _) in spans.items()}


@pytest.mark.parametrize("times", [True, False], ids=["with times", "without times"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_the_cause_stands_in_the_step_that_github_says_failed(case: Case, times: bool) -> None:
    log, _, spans = case.log
    found = extract(log, job=case.job(times=times))
    assert found.failed_step == case.failed
    assert found.failed_span == spans[case.failed]
    assert found.errors[0].step == case.failed
    assert case.cause in found.errors[0].headline


def columned(case: Case, *, known: bool) -> bytes:
    """The case's log as `gh run view --log` prints it; unless `known`,
    without knowing the steps.
    """
    log, _, spans = case.log
    lines = log.decode().splitlines(keepends=True)
    names = [name for name, (first, last) in spans.items() for _ in range(first, last + 1)]
    return "".join(
        f"check\t{name if known else 'UNKNOWN STEP'}\t{line}" for name, line in zip(names, lines, strict=True)
    ).encode()


@pytest.mark.parametrize("known", [True, False], ids=["with their names", "unknown"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_columns_that_name_steps_are_believed_and_others_do_no_harm(case: Case, known: bool) -> None:
    found = extract(columned(case, known=known), job=case.job(times=False))
    assert found.failed_span == case.log[2][case.failed]
    assert case.cause in found.errors[0].headline


@pytest.mark.parametrize(
    "case", [case for case in CASES if "##[error]" in "".join(case.printed[case.failed])], ids=lambda case: case.what
)
def test_without_the_job_the_columns_tell_which_step_failed(case: Case) -> None:
    found = extract(columned(case, known=True))
    assert found.errors[0].step == case.failed
    assert case.cause in found.errors[0].headline


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_names_that_say_nothing_do_not_lose_the_cause(case: Case) -> None:
    job = case.job(times=False)
    steps = tuple(
        step
        if step.name in OF_THE_RUNNER
        else replace(step, name=f"{'Post ' if step.name.startswith('Post ') else ''}Nr. {step.number}")
        for step in job.steps
    )
    found = extract(case.log[0], job=replace(job, steps=steps))
    assert case.cause in found.errors[0].headline


@pytest.mark.parametrize("lost", [range(0, 27), range(20, 27)], ids=["its head", "what stands between"])
def test_a_log_that_lost_the_failed_steps_header_still_tells_the_cause(lost: range) -> None:
    lines = CASES[0].log[0].splitlines(keepends=True)
    kept = b"".join(line for number, line in enumerate(lines) if number not in lost)
    found = extract(kept, job=CASES[0].job(times=False))
    assert "undeclared identifier" in found.errors[0].headline


@pytest.mark.parametrize("case", [CASES[0], CASES[2]], ids=lambda case: case.what)
def test_debug_logging_names_the_steps_of_the_workflow_and_of_actions(case: Case) -> None:
    def told(name: str) -> list[str]:
        return [
            f"##[debug]Evaluating condition for step: '{name}'",
            "##[debug]Evaluating: success()",
            f"##[debug]Starting: {name}",
        ]

    printed: dict[str, list[str]] = {}
    last = ""
    for name, conclusion in case.steps:
        if conclusion == "skipped":
            printed[last] += told(name)[:2]
            continue
        lines, last = case.printed[name], name
        inner_steps = [i for i, line in enumerate(lines) if i and line.startswith("##[group]Run ")]
        parts = [lines[a:b] for a, b in pairwise([0, *inner_steps, len(lines)])]
        aside = name in OF_THE_RUNNER
        printed[name] = [
            *([] if aside else told(name)),
            *parts[0],
            *(line for part in parts[1:] for line in [*told("run"), *part]),
        ]
    debugged = replace(case, printed=printed)
    log, _, spans = debugged.log
    found = extract(log, job=debugged.job(times=False))
    assert found.failed_span is not None
    assert abs(found.failed_span[1] - spans[case.failed][1]) <= 2  # what is said of a skipped step belongs to none
    assert found.failed_span[0] == spans[case.failed][0]
    assert case.cause in found.errors[0].headline


def layout_of(lines: list[str], *steps: tuple[str, str]) -> tuple[dict[str, str], Layout]:
    """A job's steps laid over these lines, without times: the header of each, and the layout."""
    log = b"".join(f"2026-05-04T07:00:00.0000000Z {line}\n".encode() for line in [*SETUP, *lines, *END])
    listed = [("Set up job", "success"), *steps, ("Complete job", "success")]
    layout = read_log(log, load_catalogue()).structure.laid_out(Case("", listed, {}, "", "").job(times=False).steps)
    first = {found.step.name: log[found.start :].split(b"\n")[0][29:].decode() for found in layout.ranges}
    return {name: first[name].removeprefix("##[group]Run ") for name, _ in steps if name in first}, layout


A, B = action("acme/a@v1"), action("acme/b@v1")
MARK = "##[start-action display=x;id=__1.x]"
MINE = {"First": "acme/a@v1", "Second": "two", "Third": "acme/b@v1"}
EVIDENCE: dict[str, tuple[list[str], dict[str, str]]] = {
    "only a workflow's step may leave out the shell": ([*A, *script("two"), *B, *inner("three")], MINE),
    "only an action's step is marked": ([*A, *inner("two"), *B, MARK, *inner("three")], MINE),
    "only an action's step knows the action's folder": ([*A, *inner("two"), *B, *inner("$GITHUB_ACTION_PATH/three")], MINE),
    "nothing comes between an action and its first step": ([*A, *inner("1"), *B, "output", *inner("two")],
        {"First": "acme/a@v1", "Second": "acme/b@v1", "Third": "two"}),
    "what directly follows an action is its step": ([*A, "output", *B, *inner("1"), *inner("two", "output"), *inner("three")],
        {"First": "acme/a@v1", "Second": "acme/b@v1", "Third": "three"}),
    "a step is called what it runs": ([*A, *inner("npm ci"), *inner("npm test"), *inner("npm run x")],
        {"First": "acme/a@v1", "Run npm test": "npm test", "Third": "npm run x"}),
    "a name is no other action's": ([*A, *inner("1"), *B, *inner("2"), *action("acme/c@v1"), *inner("3")],
        {"First": "acme/a@v1", "Run acme/b@v1": "acme/b@v1", "Third": "acme/c@v1"}),
    "a name shares words with what is run": (
        [*A, *inner("1"), *action("acme/lint@v1"), *inner("2"), *action("acme/setup@v1"), *inner("3")],
        {"First": "acme/a@v1", "Linting": "acme/lint@v1"}),
    "whichever comes last": (
        [*A, *inner("1"), *action("acme/setup@v1"), *inner("2"), *action("acme/lint@v1"), *inner("3")],
        {"First": "acme/a@v1", "Linting": "acme/lint@v1"}),
    "a short word is no other's beginning": (
        [*A, *inner("1"), *action("acme/go@v1"), *inner("2"), *action("acme/google@v1"), *inner("3")],
        {"First": "acme/a@v1", "Go": "acme/go@v1"}),
    "nor its end": (
        [*A, *inner("1"), *action("acme/google@v1"), *inner("2"), *action("acme/go@v1"), *inner("3")],
        {"First": "acme/a@v1", "Go": "acme/go@v1"}),
    "an action of GitHub's own runs no other": ([*action("actions/cache@v4"), *inner("two"), *B, *inner("three")],
        {"First": "actions/cache@v4", "Second": "two", "Third": "acme/b@v1"}),
    "a command in a name is run by no other": ([*A, *inner("1"), *inner("2"), *inner("./x --all")],
        {"First": "acme/a@v1", "Run ./x --all": "./x --all"}),
    "a program's group begins no step": ([*script("one", "##[group]Run two", "##[endgroup]"), *script("two")],
        {"First": "one", "Second": "two"}),
    "a hook belongs to the runner's step": (["##[group]Run '/opt/x.sh'", f"shell: {STRICT}", "##[endgroup]", *A],
        {"Set up runner": "'/opt/x.sh'", "Second": "acme/a@v1"}),
    "the steps of an action clean up one by one": ([*A, "output", *POST, *POST, "output", *POST, "output", *POST],
        {"First": "acme/a@v1", "Post First": "Post job cleanup.", "Post Third": "Post job cleanup."}),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), EVIDENCE.values(), ids=EVIDENCE.keys())
def test_one_sign_alone_tells_a_workflows_step_from_an_actions(lines: list[str], expected: dict[str, str]) -> None:
    found, layout = layout_of(lines, *((name, "success") for name in expected))
    assert found == expected
    assert len(layout.ranges) == len(expected) + 2


def test_a_place_is_sure_where_something_tells_it_and_in_doubt_where_nothing_does() -> None:
    lines = [*A, *inner("one", "1"), *B, *inner("two", "2", code=1)]
    assert layout_of(lines, ("Run acme/a@v1", "success"), ("Run acme/b@v1", "failure"))[1].sure
    assert not layout_of(lines, ("First", "success"), ("Second", "success"), ("Third", "failure"))[1].sure


def test_a_place_in_doubt_without_a_mark_of_failure_gives_way_to_the_one_that_the_log_marks() -> None:
    lines = [*A, *inner("1", "x"), *inner("2", "x", code=1), *B, *inner("3", "x"), *inner("4", "x")]
    found, layout = layout_of(lines, ("First", "success"), ("Second", "failure"), ("Third", "success"))
    assert not layout.sure
    assert found["Second"] == "2"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_every_header_of_the_runner_is_a_wall_and_no_group_of_a_program_is(case: Case) -> None:
    log = case.log[0]
    walls = read_log(log, load_catalogue()).structure.walls
    lines = log.splitlines(keepends=True)
    found = {line for i, line in enumerate(lines) if sum(map(len, lines[:i])) in walls and b"##[group]Run " in line}
    assert found == {
        line for line, below in pairwise(lines)
        if b"##[group]Run " in line and below[29:].startswith((b"with:", b"shell:", b"\x1b[36"))
    }  # fmt: skip
