"""A durable queue of publishes, for a web page with several users; each publish is a process of its own."""

from engine.jobs.jobs import Jobs
from engine.jobs.values import Job, JobRefusedError, Limits, Order, Progress, Queue, State

__all__ = ["Job", "JobRefusedError", "Jobs", "Limits", "Order", "Progress", "Queue", "State"]
