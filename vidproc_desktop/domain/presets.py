"""Presets: named settings, read from text. Pure; where the text lies is another's business."""

import tomllib
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from workers.protocol.settings import EnhancementSettings

DEFAULT_PRESET: Final = "balanced"
PRESET_NAMES: Final = ("light", "balanced", "strong", "tape", "film", "larger")
"""In the order in which they are offered."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One choice in the list."""

    name: str
    settings: EnhancementSettings


class PresetError(ValueError):
    """A preset's text is no preset."""


def parse_preset(name: str, text: str) -> Preset:
    """Read one preset file: exactly the fields of `EnhancementSettings`.

    Raises:
        PresetError: no TOML, an unknown field, or a value out of range.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PresetError(f"preset {name} is no TOML: {error}") from error
    unknown = set(table) - set(EnhancementSettings.model_fields)
    if unknown:
        raise PresetError(f"preset {name} has unknown fields: {', '.join(sorted(unknown))}")
    try:
        # pydantic widens an int to a float and reads an enum by its value; JSON would do the same.
        return Preset(name, EnhancementSettings.model_validate({"preset": name, **table}))
    except ValidationError as error:
        raise PresetError(f"preset {name}: {error}") from error
