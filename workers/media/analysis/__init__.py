"""What a file's pictures are like, measured on samples. It knows arrays, not files or decoders."""

from workers.media.analysis.measure import analyse
from workers.media.analysis.pictures import Detail, SamplePicture, SampleRun

__all__ = ["Detail", "SamplePicture", "SampleRun", "analyse"]
