import pytest

from workers.media.limits import MAX_TAG_CHARS, MAX_TAG_CHARS_PER_FILE
from workers.media.probe_streams import TagReader, clean_text, decide_field_order, hdr_kind
from workers.protocol.media import FieldOrder, HdrKind


@pytest.mark.parametrize(
    "text, cleaned",
    [
        ("Capítulo dos", "Capítulo dos"),
        (b"Stra\xdfe".decode("utf-8", "surrogateescape"), "Straße"),
        ("\x1fMainconcept\x00", "Mainconcept"),
        ("two\nlines\t.", "two\nlines\t."),
    ],
)
def test_text_of_a_tag_can_be_written_as_json(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned
    clean_text(text).encode()


def test_tags_keep_their_order_and_long_ones_are_cut() -> None:
    tags = TagReader().read({"b": "1", "a": "x" * 5000})
    assert [tag.key for tag in tags] == ["b", "a"]
    assert len(tags[1].value) == MAX_TAG_CHARS
    assert tags[1].value.endswith("…")


def test_tags_of_a_file_are_bounded_together() -> None:
    reader = TagReader()
    kept = [tag for _ in range(256) for tag in reader.read({str(n): "y" * 9000 for n in range(50)})]
    assert sum(len(tag.key) + len(tag.value) for tag in kept) <= MAX_TAG_CHARS_PER_FILE
    assert len(kept) > 50


@pytest.mark.parametrize(
    "declared, flags, decided",
    [
        (FieldOrder.TOP_FIRST, (), FieldOrder.TOP_FIRST),
        (FieldOrder.UNKNOWN, (False, False), FieldOrder.PROGRESSIVE),
        (FieldOrder.TOP_FIRST, (False, False), FieldOrder.PROGRESSIVE),
        (FieldOrder.BOTTOM_FIRST, (True, True), FieldOrder.BOTTOM_FIRST),
        (FieldOrder.TOP_FIRST, (True, False), FieldOrder.MIXED),
        (FieldOrder.PROGRESSIVE, (True, True), FieldOrder.UNKNOWN),
    ],
)
def test_field_order(declared: FieldOrder, flags: tuple[bool, ...], decided: FieldOrder) -> None:
    assert decide_field_order(declared, flags) is decided


@pytest.mark.parametrize(
    "transfer, static, dolby, kind",
    [
        ("smpte2084", True, False, HdrKind.HDR10),
        ("smpte2084", False, False, HdrKind.PQ),
        ("arib-std-b67", False, False, HdrKind.HLG),
        ("arib-std-b67", False, True, HdrKind.DOLBY_VISION),
        ("bt709", True, False, HdrKind.SDR),
        (None, False, False, HdrKind.SDR),
    ],
)
def test_hdr_kind(transfer: str | None, static: bool, dolby: bool, kind: HdrKind) -> None:
    assert hdr_kind(transfer, has_static_metadata=static, has_dolby_vision=dolby) is kind
