"""OpenSearch Dashboards: the report's charts as saved objects that can be imported.

Belongs here: the objects and the importable file made from them (`ci-metrics.ndjson`).
Does not: the HTML report.
"""
