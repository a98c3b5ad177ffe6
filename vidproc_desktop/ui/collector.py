"""Keeps Python's garbage collector and its other threads from stopping the window.

A full collection walks every object: with 10,000 rows that takes about 100 ms, and the window stands still. Rows are
immutable values without cycles, so reference counting frees them; what cycles there are (exceptions, finished tasks)
die young and are found by the collections of the two young generations, which stay short.
"""

import gc
import sys

YOUNG_OBJECTS = 5_000
"""Net allocations between two collections of the youngest generation: about a millisecond each."""
MIDDLE_EVERY = 20
FULL_EVERY = 1_000
"""In collections of the middle generation: hundreds of millions of allocations, that is practically never."""


def keep_collections_short() -> None:
    """Put everything loaded so far out of the collector's sight, and make full collections rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, MIDDLE_EVERY, FULL_EVERY)


SWITCH_INTERVAL_S = 0.0005


def favour_this_thread() -> None:
    """Let the window have the interpreter back soon after another thread took it.

    Most calls into Qt let go of the interpreter for a moment. When the thread that writes the library takes it then,
    the window waits for the switch interval, five milliseconds by default, many times in one repaint.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
