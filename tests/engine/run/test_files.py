"""Positions in files, and what a full disk says."""

from __future__ import annotations

import errno
import os

import pytest

from engine.errors import MergeError
from engine.run.files import disk_errors, read_at, reserve, write_at


@pytest.fixture
def file(tmp_path):
    number = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    yield number
    os.close(number)


def test_reserved_room_reads_as_zeros(file):
    reserve(file, 10)
    out = bytearray(b"x" * 10)
    read_at(file, 0, memoryview(out))
    assert bytes(out) == bytes(10)


def test_no_room_is_room_too(file):
    reserve(file, 0)
    assert os.fstat(file).st_size == 0


def test_where_the_system_cannot_reserve_the_length_is_set(file, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    reserve(file, 7)
    assert os.fstat(file).st_size == 7


def test_writes_and_reads_at_positions(file):
    write_at(file, 3, b"abc")
    write_at(file, 0, memoryview(b"xyz"))
    out = bytearray(4)
    read_at(file, 1, memoryview(out))
    assert bytes(out) == b"yzab"


def test_goes_on_after_half_a_write_and_half_a_read(file, monkeypatch):
    pwrite, preadv = os.pwrite, os.preadv
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:2], offset))
    monkeypatch.setattr(os, "preadv", lambda fd, views, offset: preadv(fd, [views[0][:3]], offset))
    write_at(file, 0, b"abcdefg")
    out = bytearray(7)
    read_at(file, 0, memoryview(out))
    assert bytes(out) == b"abcdefg"


def test_a_file_that_ends_too_early_is_an_error(file):
    write_at(file, 0, b"abc")
    with pytest.raises(EOFError, match="the file ends at byte 3, 2 too early"):
        read_at(file, 1, memoryview(bytearray(4)))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_says_what_to_do(tmp_path, number):
    with pytest.raises(MergeError) as caught, disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == (
        f"the disk that holds {tmp_path} is full; free some space there and run again, "
        "or ask for smaller shards with --max-shard-size"
    )


def test_other_errors_pass(tmp_path):
    with pytest.raises(PermissionError), disk_errors(tmp_path):
        raise PermissionError(errno.EACCES, "no")
