"""The source as analysis and production need it: its clock, and what its decoded pictures are like. No I/O."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median_low
from typing import Final

from workers.media.colour_names import MATRICES, PRIMARIES, TRANSFERS
from workers.media.encode import OUTPUT_PIXEL_FORMAT, code_point
from workers.media.filters.formats import PlanarFormat, planar_format
from workers.media.filters.graph import SourcePicture
from workers.media.packet_scan import PacketScan
from workers.media.timestamps import TrackClock, track_clock
from workers.protocol.media import MediaInfo, VideoStreamInfo

_DEFAULT_RATE: Final = Fraction(25)
_HDR_TRANSFERS: Final = frozenset({"smpte2084", "arib-std-b67"})


@dataclass(frozen=True, slots=True)
class Material:
    """The source as the production needs it."""

    path: Path
    video: VideoStreamInfo
    scan: PacketScan
    clock: TrackClock
    picture: SourcePicture
    nominal_s: Fraction

    @property
    def average_rate(self) -> Fraction:
        """Pictures per second, bounded so that an encoder can work with it."""
        rate = self.scan.measured_rate or 1 / self.nominal_s
        return min(Fraction(1000), max(Fraction(1), rate)).limit_denominator(100_000)


def material(path: Path, info: MediaInfo, video: VideoStreamInfo, scan: PacketScan) -> Material:
    """Decide on the clock and on what decoded pictures are like."""
    starts = [entry.start_s for entry in (video, *info.audio) if entry.start_s is not None]
    first_s = scan.pts[0] * scan.time_base if scan.pts else Fraction(0)
    start_s = min([first_s, *starts])
    steps = [
        later - earlier for earlier, later in zip(scan.pts, scan.pts[1:], strict=False) if later > earlier
    ]
    longest_s = max(steps, default=0) * scan.time_base
    usual_s = median_low(steps) * scan.time_base if steps else 1 / (video.average_rate or _DEFAULT_RATE)
    return Material(
        path=path,
        video=video,
        scan=scan,
        clock=track_clock(scan.time_base, start_s, longest_s),
        picture=source_picture(video),
        nominal_s=usual_s,
    )


def source_picture(video: VideoStreamInfo) -> SourcePicture:
    """Every unknown of the source's colour decided as `workers.media.plan.output_colour` does."""
    form = planar_format(video.pixel_format or OUTPUT_PIXEL_FORMAT)
    colour = video.colour
    is_hd = video.height_px >= 720 or video.width_px >= 1280
    default = 1 if is_hd else 6

    def code(names: dict[int, str], name: str | None) -> int:
        number = code_point(names, name) if name is not None else 2
        return default if number == 2 else number

    is_full = colour.range == "pc" or (colour.range is None and _is_full_by_nature(video, form))
    is_hdr = colour.transfer in _HDR_TRANSFERS
    location = {"left": 0, "center": 1, "topleft": 2, "top": 3, "bottomleft": 4, "bottom": 5}
    return SourcePicture(
        form=form,
        width_px=video.width_px,
        height_px=video.height_px,
        matrix=9 if is_hdr and colour.matrix is None else code(MATRICES, colour.matrix) or default,
        transfer=code(TRANSFERS, colour.transfer),
        primaries=9 if is_hdr and colour.primaries is None else code(PRIMARIES, colour.primaries),
        is_full_range=is_full,
        chroma_location=location.get(colour.chroma_location or "left", 0),
    )


def _is_full_by_nature(video: VideoStreamInfo, form: PlanarFormat) -> bool:
    """JPEG's pixel formats, RGB and gray have no other range in libav."""
    return (video.pixel_format or "").startswith("yuvj") or form.family != "yuv"
