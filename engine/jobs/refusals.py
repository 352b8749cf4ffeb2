"""Orders that are not taken, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.jobs.values import JobRefusedError
from engine.plan.show.words import plain, plural
from engine.recipe import is_repo

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.jobs.record import Record
    from engine.jobs.values import Limits, Order


def check(order: Order, token: str, records: Collection[Record], limits: Limits) -> None:
    """Refuse an order that cannot be carried out, or that is too much beside the jobs there are."""
    if not (order.owner and token):
        raise JobRefusedError("nobody is signed in; sign in, then publish")
    if not is_repo(order.target):
        raise JobRefusedError(f"{plain(order.target)!r} is no repo on the Hub; expected NAMESPACE/NAME")
    _check_size("recipe", order.recipe, limits.recipe)
    _check_size("lock", order.lock, limits.lock)
    _check_room(order, [record for record in records if not record.ended], limits)


def _check_size(what: str, text: str, limit: int) -> None:
    nbytes = len(text.encode())
    if nbytes > limit:
        raise JobRefusedError(
            f"the {what} has {nbytes:,} bytes; at most {limit:,} are taken here; publish it elsewhere"
        )


def _check_room(order: Order, unfinished: Collection[Record], limits: Limits) -> None:
    yours = [record for record in unfinished if record.facts.owner == order.owner]
    for record in yours:
        if record.facts.target.lower() == order.target.lower():
            raise JobRefusedError(
                f"your job for {record.facts.target} has not ended ({record.state}); wait until it has, or cancel it"
            )
    if len(yours) >= limits.per_owner:
        most = plural(limits.per_owner, "unfinished job")
        raise JobRefusedError(f"nobody may have more than {most} here; wait until one of yours has ended, or cancel it")
    if sum(record.state == "queued" for record in unfinished) >= limits.waiting:
        most = plural(limits.waiting, "job")
        raise JobRefusedError(
            f"{most} wait here already, as many as are taken; try again later, or run `mergesmith publish` elsewhere"
        )
