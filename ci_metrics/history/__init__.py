"""What past documents prove: attempts, groups, flakiness, lost time, figures, search,
time ranges, people's labels.

Belongs here: questions to an index, their answers as records, and the decisions made from them.
Does not: pages, texts, tables for people (`report/`), Dagster.
"""
