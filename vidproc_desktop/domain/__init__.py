"""Values and decisions of the desktop. No Qt, no I/O, no asyncio, no clock: time comes in as an argument."""
