"""``make space``: the page on this machine, with an embedded Hub that has tiny models, and two people to sign in as."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine import devhub
from engine.demo import parents
from engine.devhub.grants import App
from space.main import PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME = Path("space-output")
PEOPLE = ("alice", "bob")
CLIENT = "mergesmith"
SCOPES = "openid profile contribute-repos gated-repos write-discussions"


def variables(endpoint: str, client: str, secret: str, port: int, home: Path) -> dict[str, str]:
    """Say what a Space finds in its environment, with the embedded Hub in the place of the real one."""
    return {
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "MERGESMITH_HOME": str(home),
        "PORT": str(port),
        "SYSTEM": "spaces",
        "SPACE_ID": "demo/mergesmith",
        "OAUTH_CLIENT_ID": client,
        "OAUTH_CLIENT_SECRET": secret,
        "OAUTH_SCOPES": SCOPES,
        "OPENID_PROVIDER_URL": endpoint,
    }


def callback(port: int) -> tuple[str, ...]:
    """Addresses that people are sent back to after they signed in."""
    return tuple(f"http://{host}:{port}/login/callback" for host in ("127.0.0.1", "localhost"))


def run(home: Path, port: int, environment: Mapping[str, str]) -> int:
    """Serve until interrupted; returns the page's exit status."""
    secret = secrets.token_hex(16)
    app = App("mergesmith", secret, callback(port))
    users = {name: f"hf_{secrets.token_hex(17)}" for name in (parents.OWNER, *PEOPLE)}
    with devhub.serve(home / "hub", users=users, apps={CLIENT: app}) as server:
        parents.upload(server.store)
        sys.stdout.write(f"The form: http://127.0.0.1:{port}    The Hub: {server.endpoint}    Ctrl-C stops both.\n")
        sys.stdout.flush()
        child = {**environment, **variables(server.endpoint, CLIENT, secret, port, home.absolute())}
        try:
            return subprocess.run([sys.executable, "-P", "-m", "space.main"], env=child, check=False).returncode
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(run(HOME, int(os.environ.get("PORT") or PORT), dict(os.environ)))
