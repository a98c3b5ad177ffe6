"""The page that documents the metadata JSON lists exactly the fields and types of the model."""

import re
import types
import typing
from enum import StrEnum
from fractions import Fraction
from importlib.resources import files
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from workers.protocol import media, pictures
from workers.protocol.model import WireModel

_PRIMITIVES: dict[Any, str] = {
    Fraction: "rational",
    int: "integer",
    str: "text",
    float: "number",
    bool: "true/false",
}


def type_name(annotation: Any, metadata: list[Any] | None = None) -> str:
    """A type as the page writes it."""
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return type_name(get_args(annotation)[0])
    if origin in {types.UnionType, typing.Union}:
        inner = [argument for argument in get_args(annotation) if argument is not type(None)]
        return " or ".join(type_name(argument) for argument in inner) + "?"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if origin is tuple:
        parts = get_args(annotation)
        return f"[{', '.join('…' if part is Ellipsis else type_name(part) for part in parts)}]"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{value}`" for value in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return _PRIMITIVES[annotation]


def own_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields that the model adds to its parent."""
    parent = model.__mro__[1]
    inherited = (
        set(parent.model_fields) if issubclass(parent, BaseModel) and parent is not WireModel else set()
    )
    return {name: field for name, field in model.model_fields.items() if name not in inherited}


def _models_of_the_document() -> list[type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}

    def visit(annotation: Any) -> None:
        for argument in get_args(annotation):
            visit(argument)
        if (
            isinstance(annotation, type)
            and issubclass(annotation, BaseModel)
            and annotation.__name__ not in found
        ):
            found[annotation.__name__] = annotation
            parent = annotation.__mro__[1]
            if parent is not WireModel:
                visit(parent)
            for field in annotation.model_fields.values():
                visit(field.annotation)

    visit(pictures.MetadataDocument)
    return list(found.values())


def _page() -> str:
    root = files("workers").joinpath("..", "docs", "metadata.md")
    return root.read_text(encoding="utf-8")


def _rows(section: str) -> list[tuple[str, str, str]]:
    return re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", section, flags=re.MULTILINE)


def test_every_model_has_a_section_and_no_section_is_left_over() -> None:
    assert sorted(re.findall(r"^## (\w+)$", _page(), flags=re.MULTILINE)) == sorted(
        model.__name__ for model in _models_of_the_document()
    )


@pytest.mark.parametrize("model", _models_of_the_document(), ids=lambda model: model.__name__)
def test_section_lists_the_fields_of_the_model(model: type[BaseModel]) -> None:
    section = re.split(
        r"^## ", _page().split(f"\n## {model.__name__}\n", 1)[1], maxsplit=1, flags=re.MULTILINE
    )[0]
    rows = _rows(section)
    assert [(name, kind) for name, kind, _ in rows] == [
        (name, type_name(field.annotation)) for name, field in own_fields(model).items()
    ]
    assert all(meaning.strip() for _, _, meaning in rows)


def test_streams_inherit_what_the_page_says_they_inherit() -> None:
    for model in (
        media.VideoStreamInfo,
        media.AudioStreamInfo,
        media.SubtitleStreamInfo,
        media.OtherStreamInfo,
    ):
        assert issubclass(model, media.StreamInfo)
