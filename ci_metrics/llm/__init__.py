"""A language model as a judge: the prompt, the answer's schema and quotes, the
clients, prices, batches.

Belongs here: one question to a model and one answer from it, however it travels. Does not: when a
model is asked, what a verdict costs an hour, which verdict is kept (`verdicts/`).
"""
