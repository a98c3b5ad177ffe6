"""The frozen base of every value that travels, and the scalar types they share."""

from fractions import Fraction
from typing import Annotated, NewType

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

FileId = NewType("FileId", str)
ClientId = NewType("ClientId", str)
WorkerId = NewType("WorkerId", str)


class WireModel(BaseModel):
    """Immutable, refuses NaN and infinity, ignores unknown fields so that a newer peer can add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, ser_json_bytes="base64")


def _to_fraction(value: object) -> Fraction:
    """Accept `"30000/1001"`, an int, or a Fraction; a float would hide a rounding and is refused."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        # pydantic turns a ValueError, and only that, into a validation error
        raise ValueError("a rational is an integer or 'numerator/denominator'")  # noqa: TRY004
    try:
        return Fraction(value)
    except ZeroDivisionError as error:
        raise ValueError("a rational needs a denominator other than zero") from error


Rational = Annotated[
    Fraction,
    BeforeValidator(_to_fraction),
    PlainSerializer(lambda value: f"{value.numerator}/{value.denominator}", return_type=str),
]
"""An exact rate or time; on the wire the string `numerator/denominator`."""

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
"""An id that is safe as a routing key, a queue name and a file name."""

Percent = Annotated[float, Field(ge=0, le=100)]

Text = Annotated[str, Field(max_length=4096)]
"""Free text for people, bounded so that no message outgrows a line."""

Uri = Annotated[str, Field(min_length=1, max_length=8192)]
"""`file:` (percent-encoded absolute path) or `http(s):`."""
