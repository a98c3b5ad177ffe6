"""The description of a high dynamic range in the words of two encoders. Pure: values in, strings out.

x265 counts as HEVC's messages do (ITU-T H.265 D.3.28: chromaticity in steps of 0.00002, luminance in steps of
0.0001 cd/m²), SVT-AV1 takes plain decimals and counts by itself (AV1 specification 6.7.4).
"""

from fractions import Fraction

from workers.protocol.media import ContentLight, MasteringDisplay

_CHROMATICITY_STEP = Fraction(1, 50_000)
_LUMINANCE_STEP = Fraction(1, 10_000)


def is_complete(display: MasteringDisplay) -> bool:
    """True when nothing is missing: a part of it alone can be written in neither codec."""
    return (
        _points(display) is not None
        and display.min_luminance is not None
        and display.max_luminance is not None
    )


def x265_mastering(display: MasteringDisplay) -> str | None:
    """For `master-display`; None where chromaticities or luminances are missing: half of it cannot be said."""
    points = _points(display)
    if points is None or display.min_luminance is None or display.max_luminance is None:
        return None
    named = "".join(
        f"{name}({round(x / _CHROMATICITY_STEP)},{round(y / _CHROMATICITY_STEP)})"
        for name, (x, y) in points.items()
    )
    brightest, darkest = (
        round(value / _LUMINANCE_STEP) for value in (display.max_luminance, display.min_luminance)
    )
    return f"{named}L({brightest},{darkest})"


def svt_mastering(display: MasteringDisplay) -> str | None:
    """For `mastering-display`; None where something is missing."""
    points = _points(display)
    if points is None or display.min_luminance is None or display.max_luminance is None:
        return None
    named = "".join(f"{name}({float(x):.5f},{float(y):.5f})" for name, (x, y) in points.items())
    return f"{named}L({float(display.max_luminance):.4f},{float(display.min_luminance):.4f})"


def content_light(light: ContentLight) -> str:
    """For `max-cll` and `content-light`: the brightest pixel, and the brightest picture's mean, in cd/m²."""
    return f"{light.max_content},{light.max_frame_average}"


def _points(display: MasteringDisplay) -> dict[str, tuple[Fraction, Fraction]] | None:
    points = {"G": display.green, "B": display.blue, "R": display.red, "WP": display.white_point}
    known = {name: point for name, point in points.items() if point is not None}
    return known if len(known) == len(points) else None
