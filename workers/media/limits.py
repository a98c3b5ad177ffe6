"""How much one file may ask of the machine. Values only; who enforces them says so at its place."""

from typing import Final

MAX_SIDE_PX: Final = 16_384
"""Longest side of a picture: 16K video is 15 360 px wide; H.264 level 6.2 ends below this."""

MAX_PIXELS: Final = 1 << 27
"""Pixels of one picture (16K UHD has 133 million): one 8-bit 4:2:0 frame is then 192 MiB."""

MAX_STREAMS: Final = 256
"""Streams of one container; broadcast multiplexes carry some dozens."""

MAX_CHAPTERS: Final = 2_000

MAX_TAG_CHARS: Final = 2_048
"""Length of one tag's value; longer ones (lyrics, XMP packets) are cut with an ellipsis."""

MAX_TAG_CHARS_PER_FILE: Final = 200_000
"""All tags of one file together, so that what is known about a file fits one message of 1 MB."""

OPEN_TIMEOUT_S: Final = 60.0
"""Waiting for the header: a share that went away must not hold a worker for ever."""

READ_TIMEOUT_S: Final = 60.0
"""Waiting for one packet."""

QUICK_SCAN_MAX_BYTES: Final = 256 << 20
"""Files up to this size are scanned packet by packet even for a quick look: a second or two from a disk."""

MAX_CONSECUTIVE_DEMUX_ERRORS: Final = 32
"""Errors in a row, with no packet between them, after which a demuxer is taken to be stuck."""
