"""The subcommands of `ci-metrics`, one module per group; loaded only when typed.

Belongs here: reading arguments, calling a core, printing. Does not: decisions that could be
tested without a terminal.
"""
