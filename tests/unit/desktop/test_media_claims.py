"""Addresses that allow one thing each: whatever is changed about one makes it worth nothing."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidproc_desktop.server.claims import Purpose, ReadClaims, RefusedAddress, WriteClaims, sign, verify
from vidproc_desktop.server.ranges import UnusableRange, read_range, written_block
from workers.protocol.transfers import digest_header

SECRET = bytes(range(32))
READ = ReadClaims(path="/films/ä.mkv", size_bytes=10, mtime_ns=5, expires_at=1000.0)
WRITE = WriteClaims(folder="/out/.vidproc/incoming-1", name="report.json", limit_bytes=10, expires_at=1000.0)
_ALPHABET = string.ascii_letters + string.digits + "-_.="


def test_what_was_signed_is_what_is_read() -> None:
    assert verify(sign(READ, SECRET), ReadClaims, SECRET, 999.9) == READ
    assert verify(sign(WRITE, SECRET), WriteClaims, SECRET, 0) == WRITE


@given(position=st.integers(0, 10_000), character=st.sampled_from(_ALPHABET))
def test_one_other_character_and_it_is_refused(position: int, character: str) -> None:
    token = sign(READ, SECRET)
    place = position % len(token)
    changed = token[:place] + character + token[place + 1 :]
    if changed != token:
        with pytest.raises(RefusedAddress):
            verify(changed, ReadClaims, SECRET, 0)


@given(text=st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(RefusedAddress):
        verify(text, ReadClaims, SECRET, 0)


@given(now=st.floats(1000, 1e12))
def test_it_expires_to_the_moment(now: float) -> None:
    with pytest.raises(RefusedAddress, match="expired"):
        verify(sign(READ, SECRET), ReadClaims, SECRET, now)


def test_one_purpose_is_not_another() -> None:
    with pytest.raises(RefusedAddress):
        verify(sign(READ, SECRET), WriteClaims, SECRET, 0)
    with pytest.raises(RefusedAddress):
        verify(sign(WRITE, SECRET), ReadClaims, SECRET, 0)
    assert {READ.purpose, WRITE.purpose} == set(Purpose)


@given(secret=st.binary(min_size=32, max_size=32).filter(lambda other: other != SECRET))
def test_another_secret_signs_for_somebody_else(secret: bytes) -> None:
    with pytest.raises(RefusedAddress):
        verify(sign(READ, secret), ReadClaims, SECRET, 0)


@given(size=st.integers(1, 10**12), first=st.integers(0, 10**12), count=st.integers(1, 10**9))
def test_a_range_never_leaves_the_file(size: int, first: int, count: int) -> None:
    header = f"bytes={first}-{first + count - 1}"
    if first >= size:
        with pytest.raises(UnusableRange):
            read_range(header, size)
    else:
        assert read_range(header, size) == range(first, min(first + count, size))


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "items=0-1", "bytes=" + "9" * 40 + "-"],
)
def test_what_is_no_single_range_is_ignored(header: str | None) -> None:
    assert read_range(header, 100) is None


def test_a_block_says_where_it_belongs() -> None:
    digest = digest_header("ab" * 32)
    whole = written_block(None, "10", digest)
    assert (whole.first, whole.total_bytes, whole.is_last, whole.sha256) == (0, 10, True, "ab" * 32)
    part = written_block("bytes 10-19/40", "10", None)
    assert (part.first, part.size_bytes, part.total_bytes, part.is_last) == (10, 10, 40, False)


@pytest.mark.parametrize(
    "content_range, length, digest",
    [
        (None, None, "sha-256=:AAAA:"),
        (None, "-1", None),
        (None, "10", None),
        (None, "10", "sha-256=:AAAA:"),
        (None, "10", "md5=:AAAA:"),
        ("bytes 0-9/*", "10", None),
        ("bytes 0-9/9", "10", None),
        ("bytes 5-9/40", "10", None),
    ],
)
def test_a_block_that_contradicts_itself(
    content_range: str | None, length: str | None, digest: str | None
) -> None:
    with pytest.raises(ValueError, match=r"."):
        written_block(content_range, length, digest)
