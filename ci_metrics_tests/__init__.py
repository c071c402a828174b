"""The tests: they mirror `ci_metrics/`, run on real parts, and say the promise in their name."""
