"""The poster: one frame of the enhanced picture as a small JPEG."""

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

POSITION: Final = Fraction(1, 10)
"""Of the length: far enough in that titles have faded in."""

_LONG_SIDE_PX: Final = 640
_QUALITY: Final = 88


def picture_for_poster(video: Path) -> VideoFrame | None:
    """The picture at a tenth of the length of a file; None when none can be decoded."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        wanted = int((stream.duration or 0) * POSITION) + (stream.start_time or 0)
        container.seek(wanted, stream=stream)
        chosen = None
        for frame in container.decode(stream):
            chosen = frame
            if frame.pts is not None and frame.pts + frame.duration > wanted:
                break
        return chosen


def write_poster(picture: VideoFrame, poster: Path) -> bool:
    """Write a picture as JPEG, at most 640 px wide or high; False when it cannot be coded."""
    factor = min(1.0, _LONG_SIDE_PX / max(picture.width, picture.height))
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    small = cv2.resize(picture.to_ndarray(format="bgr24"), size, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        return False
    poster.write_bytes(np.asarray(encoded).tobytes())
    return True
