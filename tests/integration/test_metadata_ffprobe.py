"""Every fact of ffprobe has its place in our document or a reason, and what ffmpeg prints about real files agrees."""

import re
import subprocess
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import imageio_ffmpeg
import pytest
from pydantic import BaseModel

from workers.errors import TaskFailedError
from workers.media.probe import probe
from workers.protocol.media import MediaInfo, StreamInfo
from workers.protocol.pictures import MetadataDocument

FIELDS = {
    "format": "filename nb_streams nb_programs nb_stream_groups format_name format_long_name start_time duration size "
    "bit_rate probe_score tags",
    "stream": "index codec_name codec_long_name profile codec_type codec_tag_string codec_tag mime_codec_string width "
    "height coded_width coded_height closed_captions film_grain has_b_frames sample_aspect_ratio display_aspect_ratio "
    "pix_fmt level color_range color_space color_transfer color_primaries chroma_location field_order refs "
    "view_ids_available view_pos_available is_avc nal_length_size id r_frame_rate avg_frame_rate time_base start_pts "
    "start_time duration_ts duration bit_rate max_bit_rate bits_per_raw_sample nb_frames nb_read_frames "
    "nb_read_packets extradata_size disposition tags side_data_list sample_fmt sample_rate channels channel_layout "
    "bits_per_sample initial_padding",
    "chapter": "id time_base start start_time end end_time tags",
    "program": "program_id program_num nb_streams pmt_pid pcr_pid tags",
}
"""What FFmpeg 9's ffprobe prints, section by section."""


def rows(section: str) -> list[tuple[str, str, str]]:
    page = files("workers").joinpath("..", "docs", "ffprobe.md").read_text(encoding="utf-8")
    text = page.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `(\w+)` \| (.+?) \| (.*?) ?\|$", text, flags=re.MULTILINE)


def field_type(path: str) -> Any:
    """The type at a path below `media`, through lists and optional values.

    Raises:
        KeyError: there is no such field.
    """
    if path == "file_name":
        return MetadataDocument.model_fields[path].annotation
    found: Any = MediaInfo
    for name in path.split("."):
        found = model_in(found).model_fields[name].annotation
    return found


def model_in(annotation: Any) -> type[BaseModel]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        try:
            return model_in(argument)
        except TypeError:
            continue
    raise TypeError(f"no model in {annotation}")


@pytest.mark.parametrize("section", FIELDS)
def test_every_field_of_ffprobe_has_a_place_or_a_reason(section: str) -> None:
    table = rows(section)
    assert [name for name, _, _ in table] == FIELDS[section].split()
    for name, places, remark in table:
        if places == "-":
            assert len(remark) > 10, f"{name} has neither a place nor a reason"
            continue
        for path in re.findall(r"`([\w.]+)`", places):
            field_type(path)


def test_what_is_shared_by_all_streams_is_said_of_all() -> None:
    shared = {
        path.split(".")[1]
        for _, places, _ in rows("stream")
        for path in re.findall(r"`(video\.\w+)`", places)
    }
    assert len(shared & set(StreamInfo.model_fields)) >= 15


def printed(path: Path) -> str:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    run = subprocess.run(
        [program, "-hide_banner", "-i", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )
    return run.stderr


def seconds(text: str) -> float:
    hours, minutes, rest = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def differences(path: Path, info: MediaInfo) -> list[str]:
    """Where ffmpeg's own words about a file and our facts part."""
    text = printed(path)
    found: list[str] = []

    def compare(what: str, theirs: object, ours: object) -> None:
        if theirs != ours:
            found.append(f"{path.name}, {what}: ffmpeg {theirs}, ours {ours}")

    head = re.search(r"Duration: ([\d:.]+), start: (-?[\d.]+)", text)
    if head is not None:
        compare("duration", True, abs(seconds(head[1]) - float(info.duration_s or 0)) < 0.02)
        compare("start", True, abs(float(head[2]) - float(info.start_s or 0)) < 0.001)
    compare("container", True, f"Input #0, {info.format_name}, from" in text)
    lines = dict(
        re.findall(
            r"^ +Stream #0:(\d+).*?: ((?:Video|Audio|Subtitle|Data|Attachment|Unknown): .*)$",
            text,
            re.MULTILINE,
        )
    )
    streams = (*info.video, *info.audio, *info.subtitles, *info.others)
    compare("streams", sorted(map(int, lines)), sorted(stream.index for stream in streams))
    for video in info.video:
        line = lines[str(video.index)]
        compare("picture codec", True, re.match(rf"Video: {video.codec}\b", line) is not None)
        compare("size", True, f" {video.width_px}x{video.height_px}" in line)
        compare("samples", True, f", {video.pixel_format}" in line)
        rate = re.search(r"([\d.]+)(k?) fps", line)
        if rate is not None and not rate[2] and video.declared_average_rate is not None:
            compare("rate", True, abs(float(rate[1]) - float(video.declared_average_rate)) < 0.01)
        aspect = re.search(r"SAR (\d+):(\d+)", line)
        if aspect is not None:
            # ffmpeg prints a nearby fraction with smaller numbers.
            compare(
                "aspect",
                True,
                abs(Fraction(int(aspect[1]), int(aspect[2])) - video.sample_aspect_ratio) < 1e-4,
            )
        for name in (video.colour.matrix, video.colour.primaries, video.colour.transfer):
            compare(f"colour {name}", True, name is None or name in line)
    for audio in info.audio:
        line = lines[str(audio.index)]
        if audio.codec is None:
            continue
        compare("sound codec", True, re.match(rf"Audio: {audio.codec}\b", line) is not None)
        compare("sound", True, f", {audio.sample_rate_hz} Hz, {audio.layout}, {audio.sample_format}" in line)
    chapters = re.findall(r"Chapter #0:\d+: start ([\d.]+), end ([\d.]+)", text)
    compare(
        "chapters",
        [(float(start), float(end)) for start, end in chapters],
        [(round(float(entry.start_s), 6), round(float(entry.end_s), 6)) for entry in info.chapters],
    )
    return found


@pytest.mark.skipif(
    "v9." not in imageio_ffmpeg.get_ffmpeg_exe(), reason="the words of another version of ffmpeg differ"
)
def test_what_ffmpeg_prints_about_real_files_agrees(shared_media: Path) -> None:
    found: list[str] = []
    checked = 0
    for path in sorted(shared_media.glob("*/*")):
        try:
            info = probe(path)
        except TaskFailedError:
            continue
        checked += 1
        found += differences(path, info)
    assert found == []
    assert checked > 40
