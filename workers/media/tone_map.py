"""HDR signals to what an SDR screen shows, for thumbnails and statistics. Pure functions on arrays.

Good enough to look at, not a mastering tool: the enhancement has its own.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

type Pixels = npt.NDArray[np.float32]
"""Shape (…, 3), red, green, blue."""

REFERENCE_WHITE_NITS: Final = 203.0
"""Graphics white in HDR, ITU-R BT.2408-7, table 1."""

_PEAK_NITS: Final = 1000.0
"""What is mapped to the screen's white: the usual mastering peak."""

_BT2020_TO_BT709: Final = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], dtype=np.float32
)
"""ITU-R BT.2087-0, annex 2 inverted; linear light."""

_BT2020_LUMA: Final = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)


def pq_to_nits(signal: Pixels) -> Pixels:
    """SMPTE ST 2084 EOTF: a signal of 0 to 1 becomes 0 to 10 000 cd/m²."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = np.clip(signal, 0, 1) ** np.float32(1 / m2)
    nits: Pixels = (10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)).astype(np.float32)
    return nits


def hlg_to_nits(signal: Pixels) -> Pixels:
    """ITU-R BT.2100 HLG: inverse OETF, then the OOTF of a 1000 cd/m² screen (system gamma 1.2)."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    clipped = np.clip(signal, 0, 1)
    scene = np.where(clipped <= 0.5, clipped**2 / 3, (np.exp((clipped - c) / a) + b) / 12)
    luminance = np.maximum(scene @ _BT2020_LUMA, 1e-6)[..., np.newaxis]
    return (_PEAK_NITS * scene * luminance**0.2).astype(np.float32)


def nits_to_display(nits: Pixels) -> Pixels:
    """BT.2020 light in cd/m² to a BT.709 sRGB signal of 0 to 1.

    Luminance is compressed with the extended Reinhard curve (Reinhard et al. 2002, eq. 4), colours keep their hue
    by scaling all three channels alike.
    """
    linear = nits / REFERENCE_WHITE_NITS
    luminance = np.maximum(linear @ _BT2020_LUMA, 1e-6)[..., np.newaxis]
    peak = _PEAK_NITS / REFERENCE_WHITE_NITS
    compressed = luminance * (1 + luminance / peak**2) / (1 + luminance)
    return linear_to_srgb(np.clip((linear * (compressed / luminance)) @ _BT2020_TO_BT709.T, 0, 1))


def linear_to_srgb(linear: Pixels) -> Pixels:
    """IEC 61966-2-1 encoding of linear light 0 to 1."""
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    ).astype(np.float32)


def srgb_to_linear(signal: Pixels) -> Pixels:
    """IEC 61966-2-1 decoding to linear light 0 to 1."""
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4).astype(np.float32)
