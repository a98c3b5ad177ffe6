"""What the world can do to us, as values with a title, a detail and a hint. Bugs are any other exception."""

from enum import StrEnum


class UserErrorCode(StrEnum):
    """Kinds of expected failure; closed, so that a face can choose an icon and a test can count."""

    BROKER_UNREACHABLE = "broker_unreachable"
    BROKER_REFUSED_LOGIN = "broker_refused_login"
    BROKER_URL_INVALID = "broker_url_invalid"
    BROKER_BLOCKED = "broker_blocked"
    BROKER_MISCONFIGURED = "broker_misconfigured"
    NO_WORKER = "no_worker"
    WORKER_WILL_NOT_START = "worker_will_not_start"
    MEDIA_SERVER_WILL_NOT_START = "media_server_will_not_start"
    STORAGE_UNREACHABLE = "storage_unreachable"
    STORAGE_REFUSED = "storage_refused"
    STATE_UNUSABLE = "state_unusable"
    DISK_FULL = "disk_full"
    FOLDER_NOT_WRITABLE = "folder_not_writable"
    SETTINGS_INVALID = "settings_invalid"
    RESULTS_REJECTED = "results_rejected"


class UserFacingError(Exception):
    """Something outside the program failed. The program goes on; the user reads `title` and `hint`.

    Args:
        code: the kind.
        title: one sentence in plain words, without credentials.
        detail: what the system or a library said; may be empty.
        hint: what the user can do; may be empty.
    """

    def __init__(self, code: UserErrorCode, title: str, *, detail: str = "", hint: str = "") -> None:
        super().__init__(title)
        self.code = code
        self.title = title
        self.detail = detail
        self.hint = hint
