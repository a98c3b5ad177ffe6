"""Loads the presets that come with the program. Blocking file I/O: belongs on a thread, or before the loop."""

from importlib import resources

from vidproc_desktop.domain.presets import PRESET_NAMES, Preset, parse_preset


def load_presets() -> tuple[Preset, ...]:
    """Every preset, in the order in which they are offered.

    Raises:
        PresetError: a file is damaged: the installation is.
        FileNotFoundError: a file is missing.
    """
    folder = resources.files("resources") / "presets"
    return tuple(parse_preset(name, (folder / f"{name}.toml").read_text("utf-8")) for name in PRESET_NAMES)


def load_preset(name: str) -> Preset:
    """One preset by name.

    Raises:
        KeyError: there is none of this name.
    """
    return {preset.name: preset for preset in load_presets()}[name]
