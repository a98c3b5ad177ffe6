"""The thread limit of a job for the library that keeps it process-wide: OpenCV. Others are told at each call."""

import cv2

_AS_MANY_AS_CORES = -1


def limit_threads(threads: int) -> None:
    """Hold OpenCV to so many threads from now on; 0: one for each core."""
    cv2.setNumThreads(threads or _AS_MANY_AS_CORES)
