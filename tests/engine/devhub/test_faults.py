from __future__ import annotations

import time

import pytest
from huggingface_hub.utils import get_session, httpx

from engine.devhub import Exchange, Fault, Server
from engine.devhub.faults import Wire


@pytest.fixture
def url(devhub: Server) -> str:
    devhub.store.create_repo("alice/m", "alice")
    devhub.store.commit_files("alice/m", {"a.txt": b"0123456789", "b.bin": b"x" * 3_000_000}, "add")
    return f"{devhub.endpoint}/alice/m/resolve/main/a.txt"


def test_the_log_says_what_was_asked_and_sent(devhub: Server, url: str) -> None:
    devhub.clear_log()
    headers = {"Authorization": f"Bearer {devhub.token('bob')}", "Range": "bytes=2-4"}
    get_session().get(url, headers=headers)
    get_session().post(f"{devhub.endpoint}/api/validate-yaml", content=b'{"content": "x"}')
    assert devhub.log == (
        Exchange("GET", "resolve", "/alice/m/resolve/main/a.txt", "bytes=2-4", "bob", 0, 206, 3),
        Exchange("POST", "validate-yaml", "/api/validate-yaml", None, None, 16, 200, 88),
    )


def test_a_status_so_many_times(devhub: Server, url: str) -> None:
    devhub.inject("resolve", status=503, headers={"Retry-After": "7"}, times=2)
    answers = [get_session().get(url) for _ in range(3)]
    assert [a.status_code for a in answers] == [503, 503, 200]
    assert [a.headers.get("Retry-After") for a in answers] == ["7", "7", None]


def test_the_first_ones_may_go_well(devhub: Server, url: str) -> None:
    devhub.inject("*", status=500, skip=2)
    assert [get_session().get(url).status_code for _ in range(4)] == [200, 200, 500, 200]


def test_only_what_matches(devhub: Server, url: str) -> None:
    devhub.inject("re*", path="*.bin", method="HEAD", status=500)
    assert get_session().get(url).status_code == 200
    assert get_session().get(url.replace("a.txt", "b.bin"), follow_redirects=True).status_code == 200
    assert get_session().head(url).status_code == 200
    assert get_session().head(url.replace("a.txt", "b.bin")).status_code == 500


def test_a_body_that_is_cut_short(devhub: Server, url: str) -> None:
    devhub.inject("contents", truncate=2_000_000)
    got = bytearray()

    def take() -> None:
        with get_session().stream("GET", url.replace("a.txt", "b.bin"), follow_redirects=True) as answer:
            assert answer.headers["Content-Length"] == "3000000"
            for chunk in answer.iter_raw():
                got.extend(chunk)

    with pytest.raises(httpx.TransportError):
        take()
    assert bytes(got) == b"x" * 2_000_000
    assert devhub.log[-1].sent == 2_000_000


def test_a_connection_that_is_dropped_before_or_after_the_work(devhub: Server) -> None:
    headers = {"Authorization": f"Bearer {devhub.token('alice')}"}
    for drop, expected in (("before", False), ("after", True)):
        devhub.inject("create-repo", drop=drop)
        with pytest.raises(httpx.TransportError):
            get_session().post(f"{devhub.endpoint}/api/repos/create", json={"name": drop}, headers=headers)
        assert (devhub.store.repo(f"alice/{drop}") is not None) is expected
        assert devhub.log[-1].status == 0


def test_a_delay(devhub: Server, url: str) -> None:
    devhub.inject("resolve", delay=0.3)
    begin = time.monotonic()
    assert get_session().get(url).content == b"0123456789"
    assert time.monotonic() - begin >= 0.3


def test_faults_can_be_taken_back(devhub: Server, url: str) -> None:
    devhub.inject("resolve", status=500, times=1000)
    devhub.clear_faults()
    assert get_session().get(url).status_code == 200


def test_a_note_about_a_request_that_was_forgotten_is_lost() -> None:
    wire = Wire()
    old = wire.start(Exchange("GET", "a", "/", None))
    wire.clear_log()
    new = wire.start(Exchange("GET", "b", "/", None))
    wire.note(old, Exchange("GET", "a", "/", None, status=200))
    assert (old, new, [e.route for e in wire.log]) == (1, 2, ["b"])


def test_the_oldest_fault_that_is_not_used_up_happens() -> None:
    wire = Wire()
    wire.inject(Fault("a", status=1))
    wire.inject(Fault("*", status=2, times=2))
    taken = [wire.take_fault("GET", route, "/") for route in ("a", "a", "b", "a")]
    assert [fault and fault.status for fault in taken] == [1, 2, 2, None]
