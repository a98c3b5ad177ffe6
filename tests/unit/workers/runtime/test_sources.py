"""File URIs and paths, on both kinds of systems."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.errors import TaskFailedError
from workers.protocol.states import ErrorCode
from workers.runtime.sources import native_path, native_uri

_posix_names = st.binary(min_size=1, max_size=40).filter(lambda name: b"\x00" not in name)
_windows_names = st.text(
    st.characters(exclude_characters='\x00\\/:*?"<>|', exclude_categories=["Cs"]),
    min_size=1,
    max_size=30,
)


@given(_posix_names)
def test_any_bytes_survive_the_way_there_and_back(name: bytes) -> None:
    path = os.fsdecode(b"/" + name)
    uri = native_uri(path, windows=False)
    uri.encode("ascii")
    assert native_path(uri, windows=False) == path


@given(_windows_names)
def test_windows_drives_and_shares_survive(name: str) -> None:
    for path in (f"C:\\videos\\{name}", f"\\\\server\\share\\{name}"):
        assert native_path(native_uri(path, windows=True), windows=True) == path


def test_known_spellings() -> None:
    assert native_path("file:///home/a%20b/%C3%A9.mp4", windows=False) == "/home/a b/é.mp4"
    assert native_path("file://localhost/x", windows=False) == "/x"
    assert native_path("file:///C:/a%20b/c.mp4", windows=True) == "C:\\a b\\c.mp4"
    assert native_path("file://server/share/c.mp4", windows=True) == "\\\\server\\share\\c.mp4"
    assert native_uri("C:\\a b", windows=True) == "file:///C:/a%20b"


@pytest.mark.parametrize(
    "uri",
    [
        "http://host/a.mp4",
        "https://host/a.mp4",
        "/home/a.mp4",
        "file:relative.mp4",
        "file://server/share/a.mp4",
        "file:///a%00b",
        "file:///a?b",
        "file:///a#b",
        "file://[broken/a",
    ],
)
def test_what_is_no_file_of_this_computer_is_refused(uri: str) -> None:
    with pytest.raises(TaskFailedError) as failure:
        native_path(uri, windows=False)
    assert failure.value.code is ErrorCode.PATH_NOT_ALLOWED


def test_a_windows_path_needs_a_drive() -> None:
    with pytest.raises(TaskFailedError):
        native_path("file:///videos/a.mp4", windows=True)
    with pytest.raises(ValueError, match="absolute"):
        native_uri("videos\\a.mp4", windows=True)
