"""How long a counterexample is looked for: some dozens of examples in the tests, always the same;
`make fuzz` looks longer.

FUZZ_EXAMPLES: how many examples each property is tried on, new ones each time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_ASKED = os.environ.get("FUZZ_EXAMPLES")

settings.register_profile(
    "ours",
    max_examples=int(_ASKED or 40),
    derandomize=_ASKED is None,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("ours")
