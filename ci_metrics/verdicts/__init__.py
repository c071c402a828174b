"""What kind of error it is: prompt, model clients, reuse, budget, history.

Belongs here: decisions about extracted errors and the clients of the models that help. Does not:
Dagster, GitHub, reading logs.
"""
