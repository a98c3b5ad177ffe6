"""Facts and packet scans survive their file bit for bit; anything else is refused."""

from array import array
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.media.examination_file import ExaminationFileError, from_bytes, to_bytes
from workers.media.packet_scan import PacketScan
from workers.media.probe import Examination
from workers.protocol.media import Chapter, MediaInfo, Tag, VideoStreamInfo

TICKS = st.lists(st.integers(-(2**62), 2**62), max_size=30)


def scan_of(index: int, pts: list[int], keyframes: list[int], time_base: Fraction) -> PacketScan:
    return PacketScan(
        stream_index=index,
        time_base=time_base,
        pts=array("q", sorted(pts)),
        keyframe_pts=array("q", sorted(keyframes)),
        count=len(pts),
        hidden=1,
        without_timestamp=2,
        out_of_order=3,
        damaged=4,
        size_bytes=5,
        end=max(pts, default=None),
        last_duration=6,
        is_variable=True,
    )


def examination_of(*scans: PacketScan) -> Examination:
    video = VideoStreamInfo(
        index=0,
        codec="h264",
        width_px=64,
        height_px=48,
        sample_aspect_ratio=Fraction(64, 45),
        pixel_format="yuv420p",
        bit_depth=8,
        average_rate=Fraction(30000, 1001),
        base_rate=None,
        is_variable_rate=False,
        frame_count=3,
    )
    info = MediaInfo(
        format_name="mov,mp4",
        size_bytes=1000,
        duration_s=Fraction(1, 3),
        start_s=Fraction(-1, 7),
        bit_rate=None,
        tags=(Tag(key="título", value="“é”\n"),),
        video=(video,),
        chapters=(Chapter(start_s=Fraction(0), end_s=Fraction(1)),),
    )
    return Examination(info, {scan.stream_index: scan for scan in scans})


FOUND = examination_of(
    scan_of(0, [0, 40, 80], [0], Fraction(1, 1000)), scan_of(2, [], [], Fraction(1, 90000))
)


@given(TICKS, TICKS, st.fractions(min_value=Fraction(1, 10**9), max_value=10))
def test_what_is_read_is_what_was_written(pts: list[int], keyframes: list[int], time_base: Fraction) -> None:
    found = examination_of(
        scan_of(0, pts, keyframes, time_base), scan_of(3, keyframes, pts, Fraction(1, 48000))
    )
    again = from_bytes(to_bytes(found))
    assert again.info == found.info
    assert dict(again.scans) == dict(found.scans)
    assert to_bytes(again) == to_bytes(found)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"VPTABLES1\n{}\n",
        to_bytes(FOUND)[:-1],
        to_bytes(FOUND) + b"\0",
        to_bytes(FOUND).replace(b'"streams"', b'"strings"'),
        to_bytes(FOUND).replace(b'"pts": 3', b'"pts": 9'),
        to_bytes(FOUND).replace(b'"count": 3', b'"amount": 3'),
        b"VPSCAN1\n[1]\n",
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ExaminationFileError):
        from_bytes(data)
