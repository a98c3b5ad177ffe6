"""What a storage said, in words. Pure."""

import re
from typing import Final

from vidproc_desktop.errors import UserErrorCode, UserFacingError

_CODE: Final = re.compile(r"<Code>([A-Za-z]+)</Code>")
_LONGEST_DETAIL: Final = 400
_ADDRESS_QUERY: Final = re.compile(r"\?[^\s\"'<>]+")

_SENTENCES: Final = {
    "SignatureDoesNotMatch": (
        "The storage does not accept the secret key.",
        "Check the key in the settings.",
    ),
    "InvalidAccessKeyId": ("The storage does not know this access key.", "Check the key in the settings."),
    "AccessDenied": (
        "The storage denies access to the bucket.",
        "The key has to be allowed to list, read, write and delete in it.",
    ),
    "RequestTimeTooSkewed": (
        "The clock of this computer and that of the storage differ too much.",
        "Set this computer's clock by the network's time.",
    ),
    "NoSuchBucket": ("The bucket is not there.", "Check its name, or make it with the storage's own tools."),
    "InvalidBucketName": (
        "The bucket's name is none that the storage takes.",
        "Check its name in the settings.",
    ),
    "PermanentRedirect": ("The bucket lies in another region.", "Check the region in the settings."),
    "AuthorizationHeaderMalformed": (
        "The bucket lies in another region.",
        "Check the region in the settings.",
    ),
    "SlowDown": ("The storage is busy.", "The work goes on as soon as it answers."),
    "QuotaExceeded": ("The storage has no room left.", "Make room in the bucket."),
    "EntityTooLarge": (
        "The file is larger than the storage takes.",
        "Enhance it in parts, or without a bucket.",
    ),
}
"""By the codes of Amazon's S3, which the others use too."""


def storage_code(text: str) -> str | None:
    """The code in an answer of the storage; None without one."""
    found = _CODE.search(text)
    return None if found is None else found.group(1)


def storage_error(text: str, *, could: str) -> UserFacingError:
    """What to tell the user.

    Args:
        text: the answer of the storage, or what the library made of it.
        could: what could not be done, as in "The bucket could not be read".
    """
    code = storage_code(text)
    detail = without_signatures(text)[:_LONGEST_DETAIL]
    if code is not None and code in _SENTENCES:
        title, hint = _SENTENCES[code]
        return UserFacingError(UserErrorCode.STORAGE_REFUSED, title, detail=detail, hint=hint)
    if code is not None:
        return UserFacingError(
            UserErrorCode.STORAGE_REFUSED, f"{could}: the storage says {code}.", detail=detail
        )
    return UserFacingError(
        UserErrorCode.STORAGE_UNREACHABLE,
        f"{could}: the storage does not answer.",
        detail=detail,
        hint="Check its address and the network.",
    )


def without_signatures(text: str) -> str:
    """The text without the queries of addresses: they hold what opens them."""
    return _ADDRESS_QUERY.sub("?…", text)
