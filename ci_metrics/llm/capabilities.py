"""What an endpoint can do is learnt from what it refuses: which output mode it takes, which optional parameters.

What belongs here: remembering refusals per model, deciding what to leave out next. Does not: building requests.
Endpoints differ (gateways, older models, local servers), and a list of who can do what would be wrong within a month.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Literal

#: How an endpoint is made to answer in the schema, best first; what it refuses is not tried again.
OutputMode = Literal["schema", "tool", "text"]
OUTPUT_MODES: tuple[OutputMode, ...] = ("schema", "tool", "text")

# Words by which an endpoint names, in its refusal, the way of output it does not know.
_MODE_WORDS: dict[OutputMode, tuple[str, ...]] = {
    "schema": ("output_config", "output_format", "response_format", "json_schema", "structured output", "schema"),
    "tool": ("tool_choice", "tools", "tool use", "function"),
    "text": (),
}


class Capabilities:
    """What is left to use with each model, after its refusals. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._modes: dict[str, OutputMode] = {}
        self._without: dict[str, frozenset[str]] = {}

    def mode(self, model: str) -> OutputMode:
        """The best way of output that this model has not refused."""
        with self._lock:
            return self._modes.get(model, OUTPUT_MODES[0])

    def without(self, model: str) -> frozenset[str]:
        """The optional parameters that this model refused."""
        with self._lock:
            return self._without.get(model, frozenset())

    def learn(
        self, model: str, refusal: str, *, mode: OutputMode, sent: Sequence[str], words: Mapping[str, Sequence[str]]
    ) -> bool:
        """Note what the text of a 400 or 422 refuses; whether asking differently makes sense.

        `mode` is the one that was refused, `sent` the optional parameters that were in the request, `words` by which
        each is recognised.
        """
        text = refusal.lower()
        with self._lock:
            for parameter in sent:
                known = self._without.get(model, frozenset())
                if parameter not in known and any(word in text for word in words[parameter]):
                    self._without[model] = known | {parameter}
                    return True
            if any(word in text for word in _MODE_WORDS[mode]):
                following = OUTPUT_MODES[OUTPUT_MODES.index(mode) + 1]
                if OUTPUT_MODES.index(self._modes.get(model, mode)) <= OUTPUT_MODES.index(mode):
                    self._modes[model] = following
                return True
        return False
