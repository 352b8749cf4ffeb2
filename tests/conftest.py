"""Fixtures for all tests: no test reaches a network, and the Hub's client talks to an embedded Hub only."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from engine import devhub as embedded

_home = tempfile.TemporaryDirectory(prefix="mergesmith-tests-")
# The client reads these once, when it is imported. Nothing listens on port 9, so a forgotten endpoint fails fast.
os.environ.update(
    HF_ENDPOINT="http://127.0.0.1:9",
    HF_HOME=_home.name,
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_XET="1",
)
for _name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_OIDC_RESOURCE"):
    os.environ.pop(_name, None)

from huggingface_hub import HfApi  # noqa: E402  only now: see above

USERS = {"alice": "hf_alice_token", "bob": "hf_bob_token"}


# A shell starts its background jobs with SIGINT ignored, and so would we start what the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# A loaded machine is no failure, and a test that passes today passes tomorrow.
hypothesis.settings.register_profile(
    "calm", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("calm")


def pytest_configure(config: pytest.Config) -> None:
    # The client (2.4.0) sends files by an argument that its HTTP library has renamed.
    config.addinivalue_line("filterwarnings", "ignore:Use 'content=<...>':DeprecationWarning")


def pytest_unconfigure() -> None:
    _home.cleanup()


@pytest.fixture
def devhub(tmp_path: Path) -> Iterator[embedded.Server]:
    """An empty embedded Hub with the users alice and bob."""
    with embedded.serve(tmp_path / "devhub", users=USERS) as server:
        yield server


@pytest.fixture
def devhub_api(devhub: embedded.Server) -> Callable[[str | None], HfApi]:
    """The Hub's own client for a user of the embedded Hub; None is nobody."""
    return lambda user: HfApi(endpoint=devhub.endpoint, token=USERS[user] if user else False)
