"""Which tags of the source the output keeps. Pure."""

from typing import Final

from workers.protocol.media import Tag

_TECHNICAL: Final = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "statistics_tags",
     "_statistics_tags", "_statistics_writing_app", "_statistics_writing_date_utc", "number_of_frames",
     "number_of_bytes", "bps", "handler_name", "vendor_id", "language", "timecode", "rotate", "title_language",
     "wm/encodingtime", "wmfsdkversion", "wmfsdkneeded", "isvbr", "devicconformancetemplate", "encoded_by"}
)  # fmt: skip
"""Facts about the old file that would be wrong about the new one."""

_ITUNES: Final = frozenset(
    {"title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping",
     "lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "episode_sort",
     "season_number", "media_type", "hd_video", "gapless_playback", "compilation", "track", "disc", "tmpo",
     "creation_time", "location"}
)  # fmt: skip
"""Keys that libav's mov muxer writes as iTunes metadata, which every player reads."""


def kept_tags(tags: tuple[Tag, ...]) -> dict[str, str]:
    """What is worth keeping, keys lower case where libav knows them so; the first of doubled keys wins."""
    kept: dict[str, str] = {}
    for tag in tags:
        key = tag.key.lower() if tag.key.lower() in _ITUNES else tag.key
        if key.lower() in _TECHNICAL or key.lower().startswith(("location-", "statistics")):
            continue
        kept.setdefault(key, tag.value)
    return kept


def need_free_keys(tags: dict[str, str]) -> bool:
    """True when a tag has no place in iTunes metadata, so that QuickTime's free keys have to be used for all."""
    return any(key.lower() not in _ITUNES for key in tags)
