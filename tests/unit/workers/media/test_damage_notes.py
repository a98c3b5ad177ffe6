from fractions import Fraction

import pytest

from workers.media.decode import DecodeStatistics
from workers.media.notes import damage_notes
from workers.protocol.media import ColourInfo, FieldOrder, MediaInfo, VideoStreamInfo
from workers.protocol.report import NoteCode


def video(declared: int | None) -> VideoStreamInfo:
    return VideoStreamInfo(
        index=0,
        codec="h264",
        profile="High",
        width_px=64,
        height_px=48,
        sample_aspect_ratio=Fraction(1),
        pixel_format="yuv420p",
        bit_depth=8,
        average_rate=Fraction(25),
        base_rate=Fraction(25),
        is_variable_rate=False,
        frame_count=100,
        declared_frame_count=declared,
        field_order=FieldOrder.PROGRESSIVE,
        colour=ColourInfo(),
    )


def info(format_name: str, stream: VideoStreamInfo) -> MediaInfo:
    return MediaInfo(
        format_name=format_name,
        size_bytes=1,
        duration_s=Fraction(4),
        start_s=Fraction(0),
        bit_rate=1,
        video=(stream,),
    )


@pytest.mark.parametrize(
    "format_name, declared, told",
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", 1001, True),
        ("mov,mp4,m4a,3gp,3g2,mj2", 1000, False),
        ("mov,mp4,m4a,3gp,3g2,mj2", None, False),
        ("avi", 1020, False),  # place-holders of packed pictures
        ("avi", 1021, True),
    ],
)
@pytest.mark.parametrize("decoded", [DecodeStatistics(packets=1000, frames=1000), None])
def test_every_missing_picture_is_told(
    format_name: str, declared: int | None, told: bool, decoded: DecodeStatistics | None
) -> None:
    stream = video(declared)
    notes = damage_notes(info(format_name, stream), stream, 1000, decoded)
    assert [entry.code for entry in notes] == [NoteCode.SOURCE_TRUNCATED] * told
    assert all(f"announces {declared} pictures and 1000 of them are there" in entry.text for entry in notes)
