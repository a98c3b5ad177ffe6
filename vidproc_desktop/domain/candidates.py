"""Which files of a dropped folder are worth a look. Pure; a file dropped by itself is always looked at."""

from typing import Final

_NOT_MEDIA: Final = frozenset((
    "aac", "ac3", "ass", "aup3", "avif", "bat", "bin", "bmp", "bz2", "c", "cfg", "conf", "cpp", "css", "csv",
    "cube", "db", "dll", "dng", "doc", "docx", "dylib", "eot", "exe", "flac", "gpx", "gz", "h", "heic", "heif",
    "htm", "html", "ico", "ics", "idx", "ini", "ipynb", "iso", "jar", "jpeg", "jpg", "js", "json", "jsonl", "jxl",
    "kt", "lnk", "lock", "log", "lrc", "lut", "m3u", "m4a", "md", "mid", "midi", "mp3", "nef", "nfo", "odp",
    "ods", "odt", "ogg", "old", "opus", "orf", "otf", "par2", "pdf", "php", "pl", "plist", "png", "ppt", "pptx",
    "prproj", "psd", "py", "pyc", "rar", "raw", "rb", "rs", "rst", "rtf", "sav", "sh", "so", "sql", "sqlite",
    "sqlite3", "srt", "ssa", "sub", "sup", "svg", "swp", "tar", "tga", "thm", "tif", "tiff", "tmp", "toml", "torrent",
    "tsv", "ttf", "txt", "url", "vtt", "wav", "webloc", "webp", "wma", "woff", "woff2", "xcf", "xls", "xlsx", "xml",
    "xmp", "xz", "yaml", "yml", "zip", "zst",
))  # fmt: skip
"""Suffixes that never hold a moving picture a user means; anything else is for the probe to decide."""


def is_worth_probing(name: str) -> bool:
    """False for hidden files and for what is plainly text, a picture, sound, an archive or a program."""
    if name.startswith(".") or name.endswith("~"):
        return False
    return name.rpartition(".")[2].casefold() not in _NOT_MEDIA if "." in name else True


def is_worth_entering(name: str) -> bool:
    """False for hidden folders; ours, in which workers work, is one of them."""
    return not name.startswith(".") and name not in {"__pycache__", "node_modules", "$RECYCLE.BIN"}
