"""What coding agents are told, over the Model Context Protocol.

Belongs here: the questions they may ask, the bounded replies, the server. Does not: finding things
out (`history/`, `report/`), looking jobs up (`commands/job_lookup.py`), what people are shown.
"""
