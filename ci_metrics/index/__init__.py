"""Documents (the contract) and the two indices that hold them: OpenSearch and the embedded one.

Belongs here: building documents from records, mappings, writing and reading them. Does not:
Dagster, GitHub, judging errors.
"""
