"""Rows on fields: what is found where there are some and where there are none, film put together, and deinterlacing.

Everything goes through the product's own analysis and plan of the default preset. The peer of deinterlacing is
ffmpeg's bwdif, which is told the order of the fields.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_chain import FAITHFUL, enhanced, opened
from benchmarks.quality_clips import REFERENCES, psnr_db
from benchmarks.quality_peers import run_peer
from benchmarks.quality_row import Row, Verdict, at_least, at_most, is_quick
from benchmarks.quality_woven import (
    FILM,
    SIXTY,
    Coding,
    Planes,
    codings,
    interlaced,
    load,
    pulled_down,
    weave,
    write,
)
from workers.errors import TaskFailedError
from workers.media.decode import VideoDecoder
from workers.media.field_match import FieldMatcher
from workers.media.field_scan import scan_fields
from workers.media.filters.formats import planes
from workers.media.probe import examine
from workers.media.quick_analysis import quick_analysis
from workers.protocol.analysis import ScanFinding, ScanKind
from workers.protocol.media import FieldOrder
from workers.protocol.settings import ChainSpeed, DeinterlaceOutput
from workers.protocol.steps import DeinterlaceStep

_GROUP: Final = "fields"
_MEDIA: Final = REFERENCES.parent
_WITH_FIELDS: Final = ("interlaced_", "telecine_")
_NO_FIELDS: Final = frozenset({ScanKind.PROGRESSIVE, ScanKind.UNKNOWN})
_PICTURES: Final = 24
_QUICK_PICTURES: Final = 12
_NOISE_SIGMA: Final = 20.0
_EDGE: Final = 2
"""Pictures at both ends of a clip that are not compared: they have neighbours on one side only."""

_RHYTHMS: Final = {"2:3": (2, 3), "2:3:3:2": (2, 3, 3, 2)}


def rows() -> list[Row]:
    """All rows of the group."""
    return [_false_positives(), _missed(), *_bob(), _film()]


def _order(*, top_first: bool) -> FieldOrder:
    return FieldOrder.TOP_FIRST if top_first else FieldOrder.BOTTOM_FIRST


def _scanned(path: Path) -> ScanFinding:
    return quick_analysis(opened(path)[0], threads=1).scan


def _false_positives() -> Row:
    """Every progressive file with a picture, as it is and with noise."""
    looked = 0
    wrong: list[str] = []
    for path in sorted(_MEDIA.glob("*/*")):
        if path.name.startswith(_WITH_FIELDS):
            continue
        try:
            if examine(path).info.main_video is None:
                continue
            found = _scanned(path)
        except TaskFailedError:
            continue  # broken on purpose
        looked += 1
        noisy = scan_fields([_noisy(path)], FieldOrder.TOP_FIRST, None)[0]
        wrong += [path.name] * (found.kind not in _NO_FIELDS) + [f"{path.name} noisy"] * (
            noisy.kind not in _NO_FIELDS
        )
    return Row(
        _GROUP,
        "progressive files taken for interlaced, as they are and with σ 20 added",
        "0",
        "",
        f"{len(wrong)} of {2 * looked} {' '.join(wrong)}".strip(),
        "",
        at_most(len(wrong), 0),
    )


def _noisy(path: Path) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(7)
    source = opened(path)[0]
    picture = source.picture
    found: list[NDArray[np.uint8]] = []
    with VideoDecoder(path, source.video.index, threads=1) as decoder:
        try:
            for frame in decoder.frames():
                luma = planes(frame, picture.form, picture.width_px, picture.height_px)[0][:, :1280]
                plain = luma.astype(np.float32) / (1 << (picture.form.bits - 8))
                spoilt = plain + random.normal(0, _NOISE_SIGMA, plain.shape)
                found.append(np.clip(np.rint(spoilt), 0, 255).astype(np.uint8))
                if len(found) == 10:
                    break
        except av.FFmpegError:
            pass  # what came before the damage counts
    return found


def _missed() -> Row:
    looked = 0
    missed: list[str] = []
    for name, file in SIXTY.items():
        pictures = load(file, _PICTURES)
        for coding in codings():
            if is_quick() and coding.codec != "mpeg2":
                continue
            found = _found(interlaced(pictures, top_first=coding.top_first), coding)
            looked += 1
            is_right = found.kind is ScanKind.INTERLACED
            if not (is_right and found.field_order is _order(top_first=coding.top_first)):
                missed.append(f"{name}, {coding}: {found.kind.value} {found.field_order.value}")
    return Row(
        _GROUP,
        "interlaced clips missed, or their order",
        "0 of 20",
        "",
        f"{len(missed)} of {looked} {'; '.join(missed)}".strip(),
        "",
        at_most(len(missed), 0),
    )


def _found(pictures: list[Planes], coding: Coding) -> ScanFinding:
    with TemporaryDirectory() as folder:
        return _scanned(write(pictures, coding, Path(folder)))


def _bob() -> Iterator[Row]:
    gains: dict[ChainSpeed, list[tuple[float, float, float]]] = {speed: [] for speed in ChainSpeed}
    peers: list[float] = []
    for file in SIXTY.values():
        pictures = load(file, _QUICK_PICTURES if is_quick() else _PICTURES)
        truth = [picture[0].astype(np.float32) for picture in pictures]
        kept = slice(_EDGE, len(truth) - _EDGE)
        with TemporaryDirectory() as folder:
            path = write(interlaced(pictures, top_first=True), Coding("ffv1", True, True), Path(folder))
            peer = run_peer(path, "bwdif=mode=send_field:parity=tff:deint=all", truth, bits=8)
            peers.append(psnr_db(truth[kept], peer.pictures[kept]))
            for speed in ChainSpeed:
                wanted = {"deinterlace_output": DeinterlaceOutput.FIELD, "speed": speed}
                made = enhanced(path, FAITHFUL.model_copy(update=wanted))
                assert any(isinstance(step, DeinterlaceStep) for step in made.plan.steps)
                ours = psnr_db(truth[kept], [p.astype(np.float32) for p in made.pictures[kept]])
                gains[speed].append((ours, ours - peers[-1], made.filter_cpu_s / peer.cpu_s))
    for speed, found in gains.items():
        gain = mean(entry[1] for entry in found)
        each = "/".join(f"{entry[0]:.1f}" for entry in found)
        is_default = speed is ChainSpeed.BALANCED
        yield Row(
            _GROUP,
            f"deinterlacing by fields, {speed.value}: mean over {', '.join(SIXTY)}",
            "≥ 1 dB over bwdif" if is_default else "",
            "1.5 dB" if is_default else "",
            f"{gain:+.2f} dB ({each}), {mean(entry[2] for entry in found):.1f} × its CPU",
            f"ffmpeg bwdif {'/'.join(f'{db:.1f}' for db in peers)}",
            at_least(gain, 1.0, 1.5) if is_default else Verdict.INFO,
        )


def _film() -> Row:
    pictures = load(FILM, _PICTURES)
    wanted = back = 0
    kinds: list[str] = []
    for name, rhythm in _RHYTHMS.items():
        for top_first in (True, False):
            coded = pulled_down(pictures, rhythm, top_first=top_first)
            found = _found(coded, Coding("ffv1", top_first, is_flagged=False))
            matcher = FieldMatcher(_order(top_first=top_first))
            for picture in coded:
                matcher.add(picture[0])
            table = matcher.finish()
            made = [weave(coded[t], coded[b]) for t, b in zip(table.top, table.bottom, strict=True)]
            wanted += len(pictures)
            right = found.kind is ScanKind.TELECINE and found.field_order is _order(top_first=top_first)
            if not right or len(made) != len(pictures):
                kinds.append(f"{name}: {found.kind.value}, {len(made)} pictures")
                continue
            back += sum(
                all(np.array_equal(one, two) for one, two in zip(a, b, strict=True))
                for a, b in zip(made, pictures, strict=True)
            )
    return Row(
        _GROUP,
        f"film pictures back bit for bit from {', '.join(_RHYTHMS)} pulldown, both orders",
        "all",
        "",
        f"{back} of {wanted} {'; '.join(kinds)}".strip(),
        "",
        at_least(back, wanted),
    )
