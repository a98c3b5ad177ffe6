"""The values that cross between the desktop and the workers, and nothing else.

Pure: no I/O, no asyncio, no media library. Both halves import it; it imports neither.
"""
