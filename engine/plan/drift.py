"""What became of the parents since they were locked: reported, never blocking, unless they can no longer be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.hub_errors import ModelMissing, RevisionMissing
from engine.plan.show.words import short

if TYPE_CHECKING:
    from engine.checkpoints.checkpoint import Pin
    from engine.hub_client import Hub


@dataclass(frozen=True)
class Drift:
    """A parent that changed; ``what`` says how. With ``gone`` its locked commit can no longer be merged."""

    ref: str
    what: str
    gone: bool = False


def drift_of(hub: Hub, pin: Pin) -> Drift | None:
    """Compare a locked parent on the Hub with what the Hub has now; None where it is as it was.

    ``HubError`` where the Hub does not answer.
    """
    repo = str(pin.repo)
    try:
        now = hub.model(repo, pin.revision)
    except ModelMissing:
        return Drift(pin.ref, "it is gone, or private now; what is locked can no longer be merged", gone=True)
    except RevisionMissing:
        return Drift(pin.ref, f"its revision `{pin.revision}` is gone", gone=_is_gone(hub, pin))
    if now.commit != pin.commit and _is_gone(hub, pin):
        return Drift(pin.ref, f"its locked commit is gone; the head is {short(now.commit)} now", gone=True)
    if now.gated and not pin.gated:
        return Drift(pin.ref, "access is given on request only now")
    if now.commit == pin.commit:
        return None
    title = hub.title(repo, now.commit)
    return Drift(pin.ref, f"it moved from {short(pin.commit)} to {short(now.commit)}" + (f": {title}" if title else ""))


def _is_gone(hub: Hub, pin: Pin) -> bool:
    try:
        hub.model(str(pin.repo), pin.commit)
    except RevisionMissing:
        return True
    return False
