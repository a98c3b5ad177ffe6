"""Probing real media against the catalogue that came with it."""

import csv
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from workers.errors import TaskFailedError
from workers.media.display import turn
from workers.media.probe import Examination, displayed_size, examine, examine_samples, summarise
from workers.protocol.media import FieldOrder, HdrKind, MediaInfo, VideoStreamInfo
from workers.protocol.states import ErrorCode

REFUSED = {
    "androidx/mp4_sample_ac3.mp4": ErrorCode.NO_VIDEO_STREAM,
    "derived/truncated_60pct_missing_moov_nasa.mp4": ErrorCode.NOT_A_VIDEO,
    "androidx/mp4_sample_malformed_free_box.mp4": ErrorCode.NOT_A_VIDEO,
}

FRAME_COUNTS = {
    # The catalogue stops counting at 250 and counts what a decoder gave, not what is there.
    "androidx/mp4_sample_with_invalid_nalu.mp4": 30,
    "derived/truncated_60pct_faststart_nasa.mp4": 203,
    "intel/bottle-detection.mp4": 1189,
    "gopro/max-heromode.mp4": 315,
    "torchcodec/nasa_13013.mp4": 325,
}

RATES = {
    # The catalogue repeats headers that give a time base for a rate, or the nominal rate of a file with gaps.
    "androidx/flv_sample.flv": Fraction(30),
    "androidx/mkv_sample_with_ssa_subtitles.mkv": Fraction(30),
    "androidx/avi_sample.avi": Fraction(95 * 24000, 97 * 1001),
    "derived/bitflip_200_nasa.mp4": Fraction(118 * 12800, 68352),
    "reference/ref_hdr10_pq_640x360_28f.mkv": Fraction(27),
}

VARIABLE = {
    "androidx/avi_sample.avi",
    "androidx/mp4_portrait_4k60.mp4",
    "derived/bitflip_200_nasa.mp4",
    "reference/ref_hdr10_pq_640x360_28f.mkv",
}

DURATIONS_S = {
    # Container durations; the catalogue has the end of the last stream on the clock, subtitles included.
    "androidx/mp4_bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4": 4.0,
    "derived/bitflip_200_nasa.mp4": 13.08,
    "torchcodec/nasa_13013.mp4": 13.056,
}


@dataclass(frozen=True)
class Row:
    """One line of the catalogue."""

    file: str
    facts: dict[str, str]

    @property
    def notes(self) -> str:
        return self.facts["notes"] or ""


@cache
def catalogue(folder: Path) -> dict[str, Row]:
    with (folder / "CATALOGUE.tsv").open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["file"]: Row(row["file"], row) for row in rows}


@cache
def examined(path: Path) -> Examination:
    return examine(path)


@pytest.fixture
def rows(shared_media: Path) -> list[tuple[Row, MediaInfo, VideoStreamInfo]]:
    """Every accepted file with what the probe says of it."""
    found = []
    for name, row in catalogue(shared_media).items():
        if name not in REFUSED:
            info = examined(shared_media / name).info
            assert info.main_video is not None
            found.append((row, info, info.main_video))
    return found


def differences(pairs: Mapping[str, tuple[object, object]]) -> dict[str, tuple[object, object]]:
    return {name: (found, wanted) for name, (found, wanted) in pairs.items() if found != wanted}


type Rows = list[tuple[Row, MediaInfo, VideoStreamInfo]]


def test_every_file_of_the_catalogue_is_covered(shared_media: Path) -> None:
    on_disk = {
        path.relative_to(shared_media).as_posix()
        for path in shared_media.rglob("*")
        if path.is_file() and path.name not in {"CATALOGUE.tsv", "README.md"}
    }
    assert on_disk == set(catalogue(shared_media))


def test_refused_files_say_why(shared_media: Path) -> None:
    codes = {}
    for name in REFUSED:
        with pytest.raises(TaskFailedError) as refusal:
            examine(shared_media / name)
        codes[name] = refusal.value.code
        assert Path(name).name in refusal.value.message
    assert codes == REFUSED


def test_container_codec_size_and_pixel_format(rows: Rows) -> None:
    pairs = {
        row.file: (
            (
                info.format_name,
                main.codec,
                f"{main.width_px}x{main.height_px}",
                main.pixel_format,
                info.size_bytes,
            ),
            (*(row.facts[key] for key in ("container", "vcodec", "WxH", "pix_fmt")), int(row.facts["size"])),
        )
        for row, info, main in rows
    }
    assert differences(pairs) == {}


def test_frame_counts(rows: Rows) -> None:
    pairs: dict[str, tuple[object, object]] = {
        row.file: (main.frame_count, FRAME_COUNTS.get(row.file, int(row.facts["frames_decoded"])))
        for row, _, main in rows
    }
    assert differences(pairs) == {}


def test_rates(rows: Rows) -> None:
    pairs: dict[str, tuple[object, object]] = {}
    for row, _, main in rows:
        rate = main.average_rate
        assert rate is not None
        if row.file in RATES:
            pairs[row.file] = (rate, RATES[row.file])
        else:
            # The catalogue rounds to three digits; the common rates must be exact.
            pairs[row.file] = (abs(float(rate) - float(row.facts["fps"])) < 0.002, True)
        if row.facts["fps"] in {"29.97", "59.94", "23.976"} and row.file not in RATES:
            assert rate.denominator == 1001, row.file
    assert differences(pairs) == {}
    assert {row.file for row, _, main in rows if main.is_variable_rate} == VARIABLE


def test_durations(rows: Rows) -> None:
    for row, info, _ in rows:
        assert info.duration_s is not None
        wanted = DURATIONS_S.get(row.file, float(row.facts["duration"]))
        assert float(info.duration_s) == pytest.approx(wanted, abs=0.05), row.file


def test_rotation_aspect_and_chapters(rows: Rows) -> None:
    pairs: dict[str, tuple[object, object]] = {}
    for row, info, main in rows:
        turn = re.search(r"rotation (-?\d+)", row.notes)
        aspect = re.search(r"SAR (\d+):(\d+)", row.notes)
        chapters = re.search(r"(\d+) chapters", row.notes)
        pairs[row.file] = (
            (main.rotation_deg, main.sample_aspect_ratio, len(info.chapters)),
            (
                # The catalogue counts counter-clockwise.
                -int(turn[1]) % 360 if turn else 0,
                Fraction(int(aspect[1]), int(aspect[2])) if aspect else Fraction(1),
                int(chapters[1]) if chapters else 0,
            ),
        )
    assert differences(pairs) == {}
    assert [row.file for row, _, main in rows if main.is_mirrored] == [
        "androidx/mp4_sample_rotate_and_reflect.mp4"
    ]


def test_audio_and_subtitle_tracks(rows: Rows) -> None:
    pairs: dict[str, tuple[object, object]] = {}
    for row, info, _ in rows:
        listed = [] if row.facts["audio"] == "-" else row.facts["audio"].split(";")
        subtitles = re.search(r"subs ([\w,]+)", row.notes)
        pairs[row.file] = (
            (
                [f"{track.codec or '?'} {track.channels}ch {track.sample_rate_hz}" for track in info.audio],
                {track.codec for track in info.subtitles},
            ),
            (listed, set(subtitles[1].split(",")) if subtitles else set()),
        )
    assert differences(pairs) == {}


def test_text_and_picture_subtitles_are_told_apart(shared_media: Path) -> None:
    def kinds(name: str) -> list[tuple[str | None, bool, str | None]]:
        return [(s.codec, s.is_text, s.language) for s in examined(shared_media / name).info.subtitles]

    assert kinds("androidx/mkv_sample_with_pgs_subtitles.mkv") == [("hdmv_pgs_subtitle", False, "eng")]
    assert kinds("androidx/mkv_sample_with_vobsub.mkv") == [("dvd_subtitle", False, "eng")]
    assert kinds("derived/multi_audio_subs_chapters.mkv") == [("subrip", True, "eng"), ("ass", True, "deu")]


def test_tracks_keep_language_title_layout_and_flags(shared_media: Path) -> None:
    info = examined(shared_media / "derived/multi_audio_subs_chapters.mkv").info
    assert [(track.language, track.layout, track.title) for track in info.audio] == [
        ("eng", "stereo", None),
        ("deu", "stereo", None),
        ("fra", "stereo", "Commentaire"),
    ]
    assert [chapter.title for chapter in info.chapters] == ["Opening", "Capítulo dos"]
    assert (info.chapters[1].start_s, info.chapters[1].end_s) == (Fraction(4), Fraction(8))
    assert info.subtitles[1].is_forced
    assert "forced" in info.subtitles[1].dispositions


def test_hdr(rows: Rows, shared_media: Path) -> None:
    kinds = {row.file: main.hdr.kind for row, _, main in rows if main.hdr.kind is not HdrKind.SDR}
    assert kinds == {
        "androidx/mp4_dolbyVision-hdr.MOV": HdrKind.DOLBY_VISION,
        "androidx/mp4_sample_with_colr_mdcv_and_clli.mp4": HdrKind.HDR10,
        "androidx/mp4_hdr10-av1.mp4": HdrKind.PQ,
        "reference/ref_hdr10_pq_640x360_28f.mkv": HdrKind.PQ,
    }
    phone = examined(shared_media / "androidx/mp4_dolbyVision-hdr.MOV").info.main_video
    assert phone is not None
    assert (phone.hdr.dolby_vision_profile, phone.colour.transfer, phone.bit_depth) == (8, "arib-std-b67", 10)
    graded = examined(shared_media / "androidx/mp4_sample_with_colr_mdcv_and_clli.mp4").info.main_video
    assert graded is not None
    assert graded.hdr.content_light is not None
    assert (graded.hdr.content_light.max_content, graded.hdr.content_light.max_frame_average) == (1100, 180)
    assert graded.hdr.mastering_display is not None
    assert graded.hdr.mastering_display.max_luminance == 1000
    assert graded.hdr.mastering_display.min_luminance == 0
    assert (graded.colour.primaries, graded.colour.matrix, graded.colour.range) == (
        "bt2020",
        "bt2020nc",
        "tv",
    )


def test_scan_type_and_range(rows: Rows) -> None:
    interlaced = {row.file for row, _, main in rows if main.field_order is FieldOrder.TOP_FIRST}
    assert interlaced == {row.file for row, _, _ in rows if "interlaced tff" in row.notes.split("; ")}
    assert all(main.field_order in {FieldOrder.PROGRESSIVE, FieldOrder.TOP_FIRST} for row, _, main in rows)
    full = {row.file for row, _, main in rows if main.colour.range == "pc"}
    assert full == {row.file for row, _, _ in rows if row.facts["pix_fmt"].startswith("yuvj")}


def test_damaged_files_are_warned_about_and_sound_ones_are_not(rows: Rows) -> None:
    assert {row.file: info.warnings for row, info, _ in rows if info.warnings} == {
        "derived/truncated_60pct_faststart_nasa.mp4": (
            "The file is cut short: 96595 of the bytes that it announces are missing.",
            "The file claims to last 13.1 s but its content ends after 8.1 s.",
            "The file is cut short: video stream 0 announces 325 pictures, 203 of them are there.",
            "Video stream 0: 1 damaged packets.",
        ),
        "derived/bitflip_200_nasa.mp4": ("Video stream 0 announces 325 pictures, 119 were found.",),
    }


def test_scan_hides_what_an_edit_list_hides(shared_media: Path) -> None:
    scan = examined(shared_media / "androidx/mp4_dolbyVision-hdr.MOV").main_scan
    assert (scan.count, scan.hidden, list(scan.pts)) == (4, 1, [0, 20, 40, 60])
    assert set(scan.keyframe_pts) <= set(scan.pts)


def test_timestamps_stay_where_the_file_has_them(shared_media: Path) -> None:
    scan = examined(shared_media / "derived/nonzero_start_100000s.ts").main_scan
    assert scan.pts[0] == 410065408
    assert scan.time_base == Fraction(1, 90000)
    assert scan.span_s == 3


def test_every_description_is_small_enough_to_travel_and_comes_back_equal(rows: Rows) -> None:
    for row, info, _ in rows:
        text = info.model_dump_json()
        assert len(text) < 100_000, row.file
        assert MediaInfo.model_validate_json(text) == info, row.file


def test_summary_shows_the_displayed_size(rows: Rows, shared_media: Path) -> None:
    sizes = {row.file: (summarise(info).width_px, summarise(info).height_px) for row, info, _ in rows}
    assert sizes["androidx/mp4_portrait_4k60.mp4"] == (2160, 3840)
    assert sizes["derived/telecine_23_sintel_480i_anamorphic.mpg"] == (853, 480)
    assert sizes["decord/video_270.mov"] == (320, 568)
    assert sizes["androidx/mp4_bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4"] == (1137, 640)
    summary = summarise(examined(shared_media / "derived/multi_audio_subs_chapters.mkv").info)
    assert (summary.audio_tracks, summary.frame_count, summary.frames_per_s) == (3, 194, 24.0)


def test_samples_of_a_file_agree_with_the_whole(rows: Rows, shared_media: Path) -> None:
    pairs: dict[str, tuple[object, object]] = {}
    for row, info, main in rows:
        sampled = examine_samples(shared_media / row.file).info
        quick = sampled.main_video
        assert quick is not None
        assert any("not counted" in warning for warning in sampled.warnings)
        pairs[row.file] = (
            (quick.codec, displayed_size(quick), quick.rotation_deg, len(sampled.audio), sampled.duration_s),
            (main.codec, displayed_size(main), main.rotation_deg, len(info.audio), info.duration_s),
        )
        declared = main.declared_frame_count
        assert (
            quick.frame_count == declared
            or abs(quick.frame_count - main.frame_count) <= 0.15 * main.frame_count + 4
        ), row.file
    assert differences(pairs) == {}


@pytest.mark.parametrize(
    "name",
    [
        "androidx/mp4_sample_rotate_and_reflect.mp4",
        "androidx/mp4_portrait_4k60.mp4",
        "decord/video_0.mov",
        "decord/video_180.mov",
        "decord/video_270.mov",
    ],
)
def test_orientation_agrees_with_what_ffmpeg_shows(shared_media: Path, name: str) -> None:
    main = examined(shared_media / name).info.main_video
    assert main is not None
    with av.open(str(shared_media / name)) as container:
        coded = next(container.decode(video=0)).to_ndarray(format="gray")
    ours = turn(np.repeat(coded[..., np.newaxis], 3, axis=2), main.rotation_deg, is_mirrored=main.is_mirrored)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(shared_media / name)]
    command += ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    shown = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    assert (np.frombuffer(shown, np.uint8).reshape(ours.shape[:2]) == ours[..., 0]).all()
