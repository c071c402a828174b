"""What would leave the machine for one failure, without sending it.

What belongs here: the rendering behind `ci-metrics classify --show-request`.
Does not: asking, printing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.llm.clients import client_to_show
from ci_metrics.models import Verdict
from ci_metrics.settings import Settings
from ci_metrics.verdicts.judge_request import JudgeRequest, prompt_about


def render_request(
    request: JudgeRequest,
    *,
    settings: Settings,
    taxonomy: Taxonomy,
    rules: Verdict,
    redact: Callable[[str], tuple[str, int]],
) -> dict[str, Any] | None:
    """The first request about this failure: `url` and JSON `body`, byte for byte as it would be
    sent; headers with the key are not part of it. None when nothing would be sent: there is no
    error in the log, or no cause of its own.
    """
    if request.error is None or request.extraction.state != "errors" or rules.state in ("no_error_found", "no_log"):
        return None
    safe = request.redacted(redact)
    prompt = prompt_about(safe, taxonomy, rules, safe.extraction)
    client = client_to_show(settings)
    try:
        return client.render(prompt)
    finally:
        client.close()
