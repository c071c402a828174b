"""The `ci-metrics` command: names the subcommands and turns known errors into one line and an exit code.

What belongs here: the table of subcommands. Does not: what they do (`commands/`).
Exit codes: 0 done; 1 the work failed; 2 wrong usage or settings.
"""

from __future__ import annotations

import sys

from cyclopts import App

from ci_metrics import __version__
from ci_metrics.errors import CiMetricsError, SettingsError

#: subcommand -> "module:function", loaded only when typed, so that each starts fast.
COMMANDS = {
    "doctor": "ci_metrics.commands.doctor:doctor",
    "upload": "ci_metrics.commands.upload:upload",
    "ui": "ci_metrics.commands.ui:ui",
    "extract": "ci_metrics.commands.judge_files:extract",
    "fixture": "ci_metrics.commands.fixture:fixture",
    "classify": "ci_metrics.commands.classify_files:classify",
    "evaluate": "ci_metrics.commands.evaluate:evaluate",
    "sample": "ci_metrics.sample.serve:serve",
    "report": "ci_metrics.commands.report:report",
    "search": "ci_metrics.commands.search:search",
    "top": "ci_metrics.commands.top:top",
    "explain": "ci_metrics.commands.explain:explain",
    "label": "ci_metrics.commands.label:label",
    "reclassify": "ci_metrics.commands.history:reclassify",
    "stale": "ci_metrics.commands.history:stale",
    "dashboards": "ci_metrics.commands.dashboards:dashboards",
    "browse": "ci_metrics.commands.browse:browse",
    "pr-comment": "ci_metrics.commands.pr_comment:pr_comment",
}


def build_app() -> App:
    """The command line, with every subcommand registered by name."""
    app = App(name="ci-metrics", version=__version__, help="Why does our CI fail, and what does that cost us?")
    for name, target in COMMANDS.items():
        app.command(target, name=name)
    return app


def main() -> None:
    """Entry point: run a subcommand; a known error is one line on standard error."""
    try:
        result = build_app()(result_action="return_value")
    except SettingsError as error:
        print(f"ci-metrics: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except CiMetricsError as error:
        print(f"ci-metrics: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    raise SystemExit(result if isinstance(result, int) else 0)
