"""Settings of the desktop: environment, settings file, defaults; and where the program keeps its own files."""

from vidproc_desktop.config.files import load_settings, save_settings, settings_path
from vidproc_desktop.config.secrets import PasswordPlace, split_password
from vidproc_desktop.config.settings import Settings

__all__ = ["PasswordPlace", "Settings", "load_settings", "save_settings", "settings_path", "split_password"]
