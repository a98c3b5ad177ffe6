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


MP4 = "mov,mp4,m4a,3gp,3g2,mj2"


def test_a_trimmed_film_lacks_nothing() -> None:
    stream = video(2000).model_copy(update={"is_trimmed": True})
    assert damage_notes(info(MP4, stream), stream, 1000, None) == []


def test_pictures_that_vanish_without_an_error_are_told() -> None:
    stream = video(None)
    (found,) = damage_notes(info(MP4, stream), stream, 1000, DecodeStatistics(packets=1000, frames=997))
    assert found.code is NoteCode.SOURCE_DAMAGED
    assert "3 of 1000 pictures" in found.text
    # Place-holders of packed pictures are packets without a picture.
    assert damage_notes(info("avi", stream), stream, 1000, DecodeStatistics(packets=1000, frames=997)) == []


def test_a_film_that_changes_its_pictures_is_told() -> None:
    stream = video(None)
    counted = DecodeStatistics(packets=1000, frames=1000, changed_frames=400)
    (found,) = damage_notes(info(MP4, stream), stream, 1000, counted)
    assert found.code is NoteCode.PICTURE_CHANGES
    assert "400 pictures" in found.text


@pytest.mark.parametrize(
    "facts, words",
    [
        ({"missing_bytes": 1, "size_bytes": 3}, "25% of the bytes"),
        ({"content_s": Fraction(2)}, "claims to last 4.0 s and ends after 2.0 s"),
        ({"missing_bytes": 1, "size_bytes": 1, "content_s": Fraction(2)}, "ends after 2.0 s"),
    ],
)
def test_a_file_that_was_cut_off_is_told_once(facts: dict[str, object], words: str) -> None:
    stream = video(None)
    (found,) = damage_notes(info("matroska,webm", stream).model_copy(update=facts), stream, 1000, None)
    assert found.code is NoteCode.SOURCE_TRUNCATED
    assert words in found.text


@pytest.mark.parametrize("content_s", [None, Fraction(4), Fraction(7, 2), Fraction(5)])
def test_a_second_less_is_no_loss(content_s: Fraction | None) -> None:
    stream = video(None)
    whole = info("matroska,webm", stream).model_copy(update={"content_s": content_s})
    assert damage_notes(whole, stream, 1000, None) == []
