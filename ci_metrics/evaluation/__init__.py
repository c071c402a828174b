"""How good extraction and verdicts are on labelled logs.

Belongs here: reading labelled logs, for measuring and for learning, and the measures. Does not:
asking the extractor and the classifier, printing (`commands/evaluate.py`), learning (`tools`).
"""
