"""The `ci-metrics` command: names the subcommands and turns known errors into
one line and an exit code.

What belongs here: the table of subcommands. Does not: what they do (`commands/`). Exit codes: 0
done; 1 the work failed; 2 wrong usage or settings; 3 something was not to be had, the rest is done
(`upload`); 141 the reader of the output went away.
"""

from __future__ import annotations

import difflib
import gc
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from ci_metrics import __version__
from ci_metrics.commands.usage_errors import near_option, usage_error
from ci_metrics.errors import CiMetricsError, SettingsError

if TYPE_CHECKING:
    from cyclopts import App

PURPOSE = "Why does our CI fail, and what does that cost us?"

#: subcommand -> ("module:function", one line of help); loaded only when typed, so
#: that each starts fast.
COMMANDS = {
    "upload": (
        "ci_metrics.commands.upload:upload",
        "The main job: documents with verdicts, for the sample's two weeks or your repository.",
    ),
    "ui": ("ci_metrics.commands.ui:ui", "Dagster's UI on the data of this machine."),
    "doctor": ("ci_metrics.commands.doctor:doctor", "Is each connection there, and what is missing for what?"),
    "search": ("ci_metrics.commands.search:search", "Find failures by type, repository, branch, step, text or time."),
    "top": ("ci_metrics.commands.top:top", "What fails most: causes, jobs, workflows, repositories."),
    "explain": ("ci_metrics.commands.explain:explain", "One verdict, down to the log line."),
    "label": ("ci_metrics.commands.label:label", "Correct a verdict; it wins from then on."),
    "cause": ("ci_metrics.commands.cause:cause", "Resolve, ignore, assign a cause; or say that it is open again."),
    "report": ("ci_metrics.commands.report:report", "One HTML page: rates, causes, flaky jobs, cost."),
    "reclassify": ("ci_metrics.commands.history:reclassify", "Judge stored failures again; asks GitHub for nothing."),
    "stale": ("ci_metrics.commands.history:stale", "Which hours an older version judged."),
    "learn": ("ci_metrics.commands.learn:learn", "Let the embedded classifier learn from your own verdicts."),
    "health": ("ci_metrics.commands.health:health", "Is all that should be there, there? For people and monitors."),
    "metrics": ("ci_metrics.commands.metrics:metrics", "The same as figures for Prometheus."),
    "backup": ("ci_metrics.commands.backup:backup", "One archive of what cannot be made again."),
    "restore": ("ci_metrics.commands.backup:restore", "Put back what an archive holds."),
    "prune": ("ci_metrics.commands.prune:prune", "Delete what the retention settings do not keep."),
    "reindex": ("ci_metrics.commands.reindex:reindex", "Make the index again from the stored hours."),
    "extract": ("ci_metrics.commands.extract_files:extract", "The errors of log files."),
    "classify": ("ci_metrics.commands.classify_files:classify", "The verdicts on log files."),
    "evaluate": ("ci_metrics.commands.evaluate:evaluate", "Score extraction and verdicts on labelled logs."),
    "fixture": ("ci_metrics.commands.fixture:fixture", "Turn a log into a test case."),
    "warm": ("ci_metrics.commands.warm:warm", "Compile the expressions now, not in the first command."),
    "browse": ("ci_metrics.commands.browse:browse", "The embedded index in Datasette."),
    "dashboards": ("ci_metrics.commands.dashboards:dashboards", "OpenSearch Dashboards objects for import."),
    "pr-comment": ("ci_metrics.commands.pr_comment:pr_comment", "The comment on one pull request."),
    "mcp": ("ci_metrics.agents.command:mcp", "Answer coding agents: a server of the Model Context Protocol."),
    "sample": ("ci_metrics.sample.serve:serve", "Serve the sample GitHub."),
}


def build_app(names: Sequence[str] = tuple(COMMANDS)) -> App:
    """The command line with these subcommands; the help of each is its function's docstring."""
    from cyclopts import App  # takes 0.1 s, which the list of commands can do without

    app = App(name="ci-metrics", version=__version__, help=PURPOSE)
    for name in names:
        app.command(COMMANDS[name][0], name=name)
    return app


def overview() -> str:
    """What `ci-metrics --help` prints."""
    rows = [f"  {name:<12}{summary}" for name, (_, summary) in COMMANDS.items()]
    hint = "`ci-metrics COMMAND --help` tells a command's options."
    return "\n".join(["Usage: ci-metrics COMMAND", "", PURPOSE, "", *rows, "  --version   The version.", "", hint])


def unknown_command(name: str) -> str:
    """What is said of a command that does not exist; it names those spelt alike."""
    option = near_option(name, ["--help", "--version"]) if name.startswith("-") else ""
    alike = [option] if option else difflib.get_close_matches(name, COMMANDS, cutoff=0.7)
    hint = f"Did you mean {' or '.join(alike)}?" if alike else f"There are: {', '.join(COMMANDS)}."
    return f"“{name}” is no command. {hint}"


def run(arguments: Sequence[str]) -> object:
    """Run one subcommand and return what it returns; 2 for one that does not exist, or a command
    line that it does not take.
    """
    name = arguments[0] if arguments else "--help"
    if name in ("--help", "-h", "--version"):
        print(__version__ if name == "--version" else overview())
        return 0
    if name not in COMMANDS:
        print(f"ci-metrics: {unknown_command(name)}", file=sys.stderr)
        return 2
    # Modules are no garbage: to look for some among them, while they are loaded and once more when
    # the process ends, takes a third of a small command's time.
    gc.disable()
    try:
        app = build_app([name])
        import_module(COMMANDS[name][0].partition(":")[0])
    finally:
        gc.freeze()
        gc.enable()
    from cyclopts import CycloptsError

    try:
        return app(arguments, result_action="return_value", exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"ci-metrics: {usage_error(error, app[name])}", file=sys.stderr)
        return 2


def main() -> None:
    """Entry point: run a subcommand; a known error is one line on standard error."""
    try:
        result = run(sys.argv[1:])
        sys.stdout.flush()  # here, where a reader that went away is no traceback
    except SettingsError as error:
        print(f"ci-metrics: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except CiMetricsError as error:
        print(f"ci-metrics: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:  # whoever read the output has closed it, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None
    except OSError as error:  # what our own code has not put in words: a full disk, a folder without rights
        print(f"ci-metrics: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        raise SystemExit(1) from None
    raise SystemExit(result if isinstance(result, int) else 0)
