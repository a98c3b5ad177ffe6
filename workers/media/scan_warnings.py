"""What a packet scan found wrong, in sentences a person understands."""

from dataclasses import dataclass
from fractions import Fraction

import av.container
from av.video.stream import VideoStream

from workers.media.packet_scan import FileScan, PacketScan
from workers.media.probe_streams import has_decoder
from workers.media.side_data import parse_display_matrix

_MICROSECOND = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class FileSize:
    """Bytes that are there, and bytes that the container announces beyond them."""

    held: int
    missing: int = 0


def describe_faults(
    container: av.container.InputContainer, scan: FileScan, size: FileSize
) -> tuple[str, ...]:
    """Warnings about the whole file first, then per video stream."""
    found = list(_file_faults(container, scan))
    if size.missing:
        found.insert(0, f"The file is cut short: {size.missing} of the bytes that it announces are missing.")
    for stream in container.streams.video:
        found.extend(_stream_faults(stream, scan.streams[stream.index], size.held))
    return tuple(found)


def _file_faults(container: av.container.InputContainer, scan: FileScan) -> list[str]:
    found = []
    if scan.error_count:
        found.append(f"{scan.error_count} errors while reading the file: {'; '.join(scan.errors)}.")
    if scan.gave_up:
        found.append("The rest of the file could not be read.")
    reached = reached_s(scan)
    claimed = container.duration * _MICROSECOND if container.duration else None
    if claimed is not None and reached is not None and is_cut_short(claimed, reached):
        found.append(
            f"The file claims to last {float(claimed):.1f} s but its content ends after {float(reached):.1f} s."
        )
    return found


def is_cut_short(claimed_s: Fraction, reached_s: Fraction) -> bool:
    """True when more than a second and more than a twentieth of the claimed time is missing."""
    missing = claimed_s - reached_s
    return missing > 1 and missing > claimed_s / 20


def reached_s(scan: FileScan) -> Fraction | None:
    """From the earliest packet of any stream to the latest end."""
    timed = [entry for entry in scan.streams.values() if entry.pts and entry.end is not None]
    if not timed or not all(entry.is_complete for entry in timed):
        return None
    start = min(entry.pts[0] * entry.time_base for entry in timed)
    return max((entry.end or 0) * entry.time_base for entry in timed) - min(start, Fraction(0))


def _stream_faults(stream: VideoStream, scan: PacketScan, size_bytes: int) -> list[str]:
    name = f"Video stream {stream.index}"
    found = []
    present = scan.count + scan.hidden
    if scan.is_complete and stream.frames > present and _index_runs_past_end(stream, size_bytes):
        found.append(
            f"The file is cut short: {name.lower()} announces {stream.frames} pictures, {present} of them are there."
        )
    elif scan.is_complete and stream.frames > present and _leaves_a_gap(stream, scan):
        found.append(f"{name} announces {stream.frames} pictures, {present} were found.")
    if scan.damaged:
        found.append(f"{name}: {scan.damaged} damaged packets.")
    if scan.without_timestamp:
        found.append(f"{name}: {scan.without_timestamp} packets without a timestamp.")
    if scan.out_of_order:
        found.append(f"{name}: {scan.out_of_order} packets out of order.")
    if not _is_upright_or_quarter_turned(stream):
        found.append(f"{name} asks to be turned by an angle that is no multiple of 90°; the nearest is used.")
    return found


def _is_upright_or_quarter_turned(stream: VideoStream) -> bool:
    if not has_decoder(stream):
        return True
    matrix = stream.codec_context.coded_side_data.get("display_matrix")
    return matrix is None or parse_display_matrix(matrix).is_exact


def _leaves_a_gap(stream: VideoStream, scan: PacketScan) -> bool:
    """Whether the pictures cover less time than announced; trimming by an edit list shortens both."""
    if stream.duration is None or scan.end is None or not scan.pts:
        return False
    return scan.end - scan.pts[0] < stream.duration * 0.95


def _index_runs_past_end(stream: VideoStream, size_bytes: int) -> bool:
    """Whether the container's index points at bytes that the file does not have."""
    return any(entry.pos + entry.size > size_bytes for entry in stream.index_entries)
