"""Cutting a stream into lines."""

from hypothesis import given
from hypothesis import strategies as st

from workers.protocol.codec import MAX_MESSAGE_BYTES
from workers.transport.stdio import LineAssembler


@given(st.lists(st.binary(max_size=20).filter(lambda part: b"\n" not in part)), st.integers(1, 7))
def test_lines_come_out_whole_however_they_come_in(lines: list[bytes], size: int) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    out: list[bytes] = []
    assembler = LineAssembler(out.append)
    for start in range(0, len(stream), size):
        assembler.feed(stream[start : start + size])
    assert out == [line.strip() for line in lines if line.strip()]


def test_a_line_over_the_limit_is_dropped_as_a_whole_and_the_next_one_is_read() -> None:
    out: list[bytes] = []
    assembler = LineAssembler(out.append)
    for _ in range(3):
        assembler.feed(b"x" * (MAX_MESSAGE_BYTES // 2))
    assembler.feed(b"\n" + b"y" * MAX_MESSAGE_BYTES + b"\nnext\n")
    assert out == [b"y" * MAX_MESSAGE_BYTES, b"next"]
