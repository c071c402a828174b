"""The GitHub REST client: requests, paging, conditional requests, rate limits, log download, JSON into records.

Belongs here: everything that speaks HTTP to GitHub. Does not: Dagster, files of the project, the text of a log, documents.
"""
