"""The poster: one frame of the enhanced picture as a small JPEG."""

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np

_POSITION: Final = Fraction(1, 10)
_LONG_SIDE_PX: Final = 640
_QUALITY: Final = 88


def write_poster(video: Path, poster: Path) -> bool:
    """Write the frame at a tenth of the length, at most 640 px wide or high; False when none can be decoded."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        wanted = int((stream.duration or 0) * _POSITION) + (stream.start_time or 0)
        container.seek(wanted, stream=stream)
        chosen = None
        for frame in container.decode(stream):
            chosen = frame
            if frame.pts is not None and frame.pts + frame.duration > wanted:
                break
        if chosen is None:
            return False
        factor = min(1.0, _LONG_SIDE_PX / max(chosen.width, chosen.height))
        size = (max(1, round(chosen.width * factor)), max(1, round(chosen.height * factor)))
        picture = chosen.to_ndarray(format="bgr24")
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        return False
    poster.write_bytes(np.asarray(encoded).tobytes())
    return True
