"""The messages that tools print into CI logs, as data, and the engine that finds them.

Belongs here: what a message looks like, what part of a failure it is (its role), which category it
speaks for, how to say so, and examples. Does not: what a message means for one failure
(`classifier/`), which line heads an error (`logs/`).
"""

from ci_metrics.catalogue.active_catalogue import catalogue_in_force
from ci_metrics.catalogue.messages import Catalogue, Message, Role, load_catalogue

__all__ = ["Catalogue", "Message", "Role", "catalogue_in_force", "load_catalogue"]
