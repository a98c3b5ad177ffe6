"""Giving memory that was freed back to the system: what one stage needed is not missing in the next one.

The C library keeps freed memory between blocks that are still in use. After the quick analysis that was 40 MB at
1080 lines and 137 MB at 2160 (measured), and decoding and encoding came on top of it. Knows nothing of pictures.
"""

import ctypes
import sys
from typing import Final

ALLOCATOR_ENVIRONMENT: Final = {
    "MALLOC_MMAP_THRESHOLD_": "400000",
    "MALLOC_TRIM_THRESHOLD_": "1000000",
    "MALLOC_ARENA_MAX": "2",
}
"""For processes that work on pictures: the GNU C library gives back every freed picture at once instead of keeping it
for later. Filtering a noisy clip of 1080 lines took 40 MB less, in the same processor time."""


def return_freed_memory() -> None:
    """Do it now; takes milliseconds. Systems that have no such call do it by themselves or not at all."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # not in every C library for Linux
    if trim is not None:
        trim(0)
