"""A console logger that shows what the assets say, without Dagster's own events.

What belongs here: the logger definition. Does not: the messages (`run_messages.py`).
"""

import logging
import sys

import dagster as dg


class _OnlyWhatWasSaid(logging.Filter):
    """Drops Dagster's own events: what failed is said once, at the end, by the command."""

    def filter(self, record: logging.LogRecord) -> bool:
        meta = getattr(record, "dagster_meta", None) or {}
        skipped = record.getMessage().startswith(("Dependencies for step", "Execution of"))  # said once, at the end
        return not meta.get("dagster_event") and not skipped


class _JustTheMessage(logging.Formatter):
    """Prints the message as it was said, without Dagster's prefix."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", None) or {}
        return str(meta.get("orig_message") or record.getMessage())


@dg.logger(
    config_schema={"log_level": dg.Field(str, is_required=False, default_value="INFO")},
    description="What the assets say, one message a line, on standard output.",
)
def people_logger(init_context: dg.InitLoggerContext) -> logging.Logger:
    """The logger that `ci-metrics upload` uses."""
    logger = logging.Logger("ci_metrics.people", level=str(init_context.logger_config["log_level"]).upper())
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_OnlyWhatWasSaid())
    handler.setFormatter(_JustTheMessage())
    logger.addHandler(handler)
    return logger
