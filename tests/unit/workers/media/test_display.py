import numpy as np
import pytest

from workers.media.display import fit_within, yuv_to_rgb


def pixel(luma: float, blue: float, red: float) -> np.ndarray:
    return np.array([[[luma * 256, blue * 256, red * 256]]]).astype(np.uint16)


@pytest.mark.parametrize(
    "yuv, matrix, full, rgb",
    [
        # The primaries in 8-bit Y'CbCr, ITU-R BT.709-6 and BT.601-7.
        ((63, 102, 240), "bt709", False, (255, 0, 0)),
        ((173, 42, 26), "bt709", False, (0, 255, 0)),
        ((81, 90, 240), "smpte170m", False, (255, 0, 0)),
        ((41, 240, 110), "smpte170m", False, (0, 0, 255)),
        ((16, 128, 128), "bt709", False, (0, 0, 0)),
        ((235, 128, 128), "bt2020nc", False, (255, 255, 255)),
        ((255, 128, 128), "bt709", True, (255, 255, 255)),
        ((0, 128, 128), "bt709", True, (0, 0, 0)),
    ],
)
def test_yuv_to_rgb(yuv: tuple[int, int, int], matrix: str, full: bool, rgb: tuple[int, int, int]) -> None:
    found = yuv_to_rgb(pixel(*yuv), matrix=matrix, is_full_range=full)[0, 0] * 255
    assert np.abs(found - rgb).max() < 2


@pytest.mark.parametrize(
    "size, fitted",
    [
        ((1920.0, 1080.0), (320, 180)),
        ((1080.0, 1920.0), (180, 320)),
        ((100.0, 50.0), (100, 50)),
        ((9000.0, 1.0), (320, 1)),
    ],
)
def test_pictures_are_made_smaller_and_never_larger(
    size: tuple[float, float], fitted: tuple[int, int]
) -> None:
    assert fit_within(*size, 320) == fitted
