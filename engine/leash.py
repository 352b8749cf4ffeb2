"""The command line on a leash: it ends when whoever holds the other end of its standard input does.

A killed parent closes its files, whatever killed it, so that nothing of it goes on that nobody sees.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import NoReturn

from engine.interrupts import deferred, take_over

GRACE = 1.0
"""Seconds that an interrupted command has to leave by itself."""
INTERRUPTED = 130


def main() -> None:
    """Run the command line until it is done, or standard input ends; exits with its status."""
    try:
        # Whoever started us may have had interruptions ignored, and that is inherited.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        take_over()
        with deferred():
            threading.Thread(target=_watch, args=(sys.stdin.fileno(),), daemon=True).start()
            from engine import cli  # noqa: PLC0415 - it takes a moment, in which the leash is to hold already
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    cli.main()


def _watch(file: int) -> NoReturn:
    while os.read(file, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE)
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
