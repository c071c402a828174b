"""The program that recorded the sample's logs: small projects that really fail (or
pass), and what runs them.

What belongs here: recipes (data), running one in a scratch folder, scrubbing what it printed,
finding the marked lines. Does not: the day the logs are put into (`ci_metrics.sample.scenario`),
GitHub's log format, serving anything. Run it with `python -m tools.record`; docs/sample.md says
what it needs.
"""
