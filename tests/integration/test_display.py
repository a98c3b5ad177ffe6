"""The display of the tests answers, has a window manager, and each test gets its own."""

import os
import subprocess


def _xdotool(display: str, *arguments: str) -> str:
    env = {**os.environ, "DISPLAY": display}
    done = subprocess.run(
        ["xdotool", *arguments], env=env, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


def test_display_has_the_size_and_moves_the_mouse(xvfb_display: str) -> None:
    assert _xdotool(xvfb_display, "getdisplaygeometry") == "1440 900"
    _xdotool(xvfb_display, "mousemove", "123", "45")
    assert _xdotool(xvfb_display, "getmouselocation").startswith("x:123 y:45")


def test_window_manager_answers(xvfb_display: str) -> None:
    assert _xdotool(xvfb_display, "get_desktop") == "0"
