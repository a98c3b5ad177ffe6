"""File names of one file's results: siblings of one stem, counted up when taken, short enough for the disk. Pure.

And of what lies in a parts' folder until the results are there.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

from workers.protocol.segments import segment_part
from workers.protocol.transfers import SEGMENT_PLAN

MAX_CANDIDATES: Final = 1000
DEFAULT_NAME_LIMIT_BYTES: Final = 255

VIDEO_SUFFIX: Final = ".mp4"
REPORT_SUFFIX: Final = ".report.json"
POSTER_SUFFIX: Final = ".poster.jpg"
METADATA_SUFFIX: Final = ".metadata.json"
CONTACT_SUFFIX: Final = ".contact.jpg"
THUMBNAIL_SUFFIX: Final = ".thumb.jpg"
LONGEST_SUFFIX_BYTES: Final = max(
    len(suffix.encode())
    for suffix in (
        VIDEO_SUFFIX, REPORT_SUFFIX, POSTER_SUFFIX, METADATA_SUFFIX, CONTACT_SUFFIX, THUMBNAIL_SUFFIX
    )
)  # fmt: skip

SEGMENT_PLAN_NAME: Final = SEGMENT_PLAN
SIDE_FILES_NAME: Final = "side-files.json"
_DIGEST_CHARACTERS: Final = 12
"""Of the checksum in a segment's name: enough to tell the few versions of one segment apart."""


def segment_record_name(number: int) -> str:
    """`segment-00003.json`."""
    return f"{segment_part(number)}.json"


def segment_video_name(number: int, sha256: str, suffix: str) -> str:
    """`segment-00003-0123456789ab.mp4`: named by its bytes, so that two makers never write the same name."""
    return f"{segment_part(number)}-{sha256[:_DIGEST_CHARACTERS]}{suffix}"


def fit_stem(stem: str, limit_bytes: int) -> str:
    """The longest beginning of `stem` of at most `limit_bytes` in UTF-8 that ends between two characters.

    A combining mark or a joined emoji is not torn from what it belongs to.

    Raises:
        ValueError: not even the first character fits.
    """
    if len(stem.encode("utf-8", "surrogatepass")) <= limit_bytes:
        return stem
    cut = len(stem)
    used = 0
    for index, character in enumerate(stem):
        used += len(character.encode("utf-8", "surrogatepass"))
        if used > limit_bytes:
            cut = index
            break
    whole = cut
    while whole > 0 and _belongs_to_previous(stem, whole):
        whole -= 1
    fitted = stem[: whole or cut].rstrip(" ")
    if not fitted:
        raise ValueError(f"no character of the name fits into {limit_bytes} bytes")
    return fitted


def _belongs_to_previous(text: str, index: int) -> bool:
    """True when the character at `index` is drawn together with the one before it."""
    joiner = "\u200d"
    character = text[index]
    return (
        unicodedata.combining(character) != 0
        or character == joiner
        or text[index - 1] == joiner
        or unicodedata.category(character) in {"Mn", "Me"}
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def candidate_stems(stem: str, limit_bytes: int = DEFAULT_NAME_LIMIT_BYTES) -> Iterator[str]:
    """`clip`, `clip (2)`, `clip (3)` …, each short enough for every sibling's suffix.

    Raises:
        ValueError: the disk's limit leaves no room for a name.
    """
    for number in range(1, MAX_CANDIDATES + 1):
        counter = "" if number == 1 else f" ({number})"
        yield fit_stem(stem, limit_bytes - LONGEST_SUFFIX_BYTES - len(counter)) + counter
