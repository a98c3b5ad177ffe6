"""Names of results: unique in their folder on every file system, and never longer than a directory entry. Pure."""

import unicodedata
from collections.abc import Callable
from typing import Final

MAX_NAME_BYTES: Final = 255
"""NAME_MAX of ext4, XFS, Btrfs and APFS; NTFS counts 255 UTF-16 units, which UTF-8 never undercuts."""
RESULT_SUFFIXES: Final = (
    ".mp4",
    ".report.json",
    ".poster.jpg",
    ".metadata.json",
    ".contact.jpg",
    ".thumb.jpg",
)
_ROOM_BYTES: Final = max(len(suffix) for suffix in RESULT_SUFFIXES)
_CONTROLS: Final = str.maketrans(
    dict.fromkeys(
        map(
            chr,
            (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
        ),
        "\N{REPLACEMENT CHARACTER}",
    )
)
"""C0, DEL and C1, the two separators, and the embeddings, overrides and isolates of the bidirectional algorithm
(UAX #9), whose marks (LRM, RLM) and joiners stay: languages need them."""
_FORBIDDEN: Final = str.maketrans(dict.fromkeys('<>:"/\\|?*', "_") | dict.fromkeys(_CONTROLS, "_"))
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
)
"""Device names that Windows refuses whatever the suffix."""


def displayable(name: str) -> str:
    """The name with � for whatever is no text, so that it can be drawn, stored, sent and printed.

    That is: bytes that are no UTF-8, and control characters. Those could move a terminal's cursor, forge a line of a
    log, or turn the direction of reading so that a name seems to end in another suffix.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").translate(_CONTROLS)


def stem_of(file_name: str) -> str:
    """A result's stem from a source's file name: a valid name on Linux, macOS and Windows.

    The last suffix goes; a name that is nothing but a suffix (`.mp4`) keeps its text.
    """
    name = file_name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").translate(_FORBIDDEN)
    head, dot, _ = name.rpartition(".")
    stem = head if dot and head.strip(". ") else name
    stem = stem.strip(" ").rstrip(". ")
    if stem.partition(".")[0].casefold() in _RESERVED:
        stem = f"_{stem}"
    return shorten(stem or "video", MAX_NAME_BYTES - _ROOM_BYTES)


def shorten(text: str, limit_bytes: int) -> str:
    """The longest beginning of at most `limit_bytes` in UTF-8, never cutting into a character or its accents."""
    if len(text.encode()) <= limit_bytes:
        return text
    cut = text.encode()[:limit_bytes].decode("utf-8", "ignore")
    following = text[len(cut) :]
    if following and unicodedata.combining(following[0]):
        while cut and unicodedata.combining(cut[-1]):
            cut = cut[:-1]
        cut = cut[:-1]
    return cut.rstrip(" .") or text[:1]


def fold(stem: str) -> str:
    """What two stems have in common when a file system without case or normalisation takes them for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold())


def folded_stem_of_result(file_name: str) -> str | None:
    """The folded stem when an existing file could be a result of ours, else None."""
    for suffix in RESULT_SUFFIXES:
        if file_name.casefold().endswith(suffix):
            return fold(displayable(file_name[: -len(suffix)]))
    return None


def unique_stem(file_name: str, is_taken: Callable[[str], bool]) -> str:
    """The first of `clip`, `clip (2)`, `clip (3)` and so on that nobody has.

    Args:
        file_name: the source's name.
        is_taken: told a folded stem (`fold`), True when a row or a file has it.
    """
    stem = stem_of(file_name)
    candidate, number = stem, 1
    while is_taken(fold(candidate)):
        number += 1
        ending = f" ({number})"
        candidate = shorten(stem, MAX_NAME_BYTES - _ROOM_BYTES - len(ending)) + ending
    return candidate
