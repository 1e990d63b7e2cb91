"""One contract, three platforms: the real one here, the others on a stand-in for their system's libraries."""

from __future__ import annotations

import base64
import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.wire.messages import System, decode, encode
from appliance.words import words
from clients.platform import DisplayKind, Platform, this_platform
from clients.platform import linux as linux_module
from clients.platform.linux import LinuxPlatform
from clients.platform.macos import MacPlatform, watch_and_remove
from clients.platform.windows import WindowsPlatform, removal_command


class Registry:
    """winreg with one value."""

    HKEY_CURRENT_USER = object()

    def __init__(self, light: int | None) -> None:
        self._light = light

    @contextlib.contextmanager
    def OpenKey(self, _root: object, _path: str) -> Iterator[object]:
        if self._light is None:
            raise FileNotFoundError
        yield self

    def QueryValueEx(self, _key: object, _name: str) -> tuple[int, int]:
        assert self._light is not None
        return self._light, 4


def windows(
    *, locked: bool = False, light: int | None = 1, language: int = 0x407, ticks: tuple[int, int] = (0, 0)
) -> Any:
    """`ticks`: of the last input and of now."""

    def last_input(pointer: Any) -> int:
        pointer._obj.tick = ticks[0]
        return 1

    user32 = SimpleNamespace(
        OpenInputDesktop=lambda *_: 0 if locked else 1,
        SwitchDesktop=lambda _desktop: 1,
        CloseDesktop=lambda _desktop: 1,
        GetLastInputInfo=last_input,
    )
    kernel32 = SimpleNamespace(GetUserDefaultUILanguage=lambda: language, GetTickCount=lambda: ticks[1])
    return WindowsPlatform(SimpleNamespace(user32=user32, kernel32=kernel32), Registry(light))


def mac(*, answers: dict[str, str] | None = None, allowed: bool = True, idle: float = 0.0) -> MacPlatform:
    class Since:
        restype: object = None

        def __call__(self, *_arguments: object) -> float:
            return idle

    graphics = SimpleNamespace(
        CGPreflightScreenCaptureAccess=lambda: allowed, CGEventSourceSecondsSinceLastEventType=Since()
    )
    return MacPlatform(graphics, lambda argv: (answers or {}).get(argv[-1], ""))


@pytest.mark.parametrize("make", [LinuxPlatform, windows, mac], ids=["linux", "windows", "macos"])
class TestEveryPlatform:
    """What the engine and the window rely on."""

    def test_its_description_fits_the_wire(self, make: Callable[[], Platform]) -> None:
        system = make().system("1.2", "de")
        assert decode(encode(system), System) == system
        assert system.os
        assert (system.client, system.language) == ("1.2", "de")

    def test_a_display_that_cannot_be_used_says_why(self, make: Callable[[], Platform]) -> None:
        display = make().display()
        assert isinstance(display.kind, DisplayKind)
        assert display.screen or display.problem in words("en")

    def test_every_question_has_an_answer(self, make: Callable[[], Platform]) -> None:
        platform = make()
        assert platform.language() is None or len(platform.language() or "") == 2
        assert platform.prefers_dark() in (True, False)
        assert platform.is_locked() in (True, False)
        idle = platform.idle_seconds()
        assert idle is None or idle >= 0

    def test_running_from_source_removes_nothing(
        self, make: Callable[[], Platform], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv(linux_module.RUN_FOLDER, raising=False)
        make().remove_when_done()
        assert Path(sys.executable).exists()


def test_this_machine_has_a_platform() -> None:
    assert isinstance(this_platform(), LinuxPlatform)


# -- Linux ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_AT.UTF-8", "LANGUAGE": "fr:de"}, "fr"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "de"}, None),
        ({"LANG": "C"}, None),
        ({"LANG": "de"}, "de"),
        ({"LANG": "../../etc"}, None),
        ({}, None),
    ],
)
def test_linux_speaks_the_persons_language(
    environment: dict[str, str], language: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert LinuxPlatform().language() == language


@pytest.mark.parametrize(
    ("environment", "kind", "window", "problem"),
    [
        ({}, DisplayKind.NONE, False, "client.display.none"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, DisplayKind.WAYLAND, False, "client.display.wayland_only"),
        ({"DISPLAY": ":987"}, DisplayKind.NONE, False, "client.display.unreachable"),
    ],
)
def test_linux_without_a_usable_display_says_which_case_it_is(
    environment: dict[str, str], kind: DisplayKind, window: bool, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    display = LinuxPlatform().display()
    assert (display.kind, display.window, display.screen, display.problem) == (kind, window, False, problem)
    assert problem in words("de")


def test_xwayland_shows_a_window_and_never_its_black_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(linux_module, "_is_xwayland", lambda: True)
    display = LinuxPlatform().display()
    assert (display.kind, display.window, display.screen) == (DisplayKind.WAYLAND, True, False)
    assert display.problem in words("en")


@pytest.mark.parametrize(
    ("record", "locked"),
    [("LOCKED_HINT=yes\n", True), ("LOCKED_HINT=1\n", True), ("LOCKED_HINT=no\n", False), ("", False)],
)
def test_linux_knows_a_locked_screen_by_logind(
    record: str, locked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c2").write_text(f"UID=1000\n{record}ACTIVE=1\n")
    monkeypatch.setattr(linux_module, "SESSIONS", tmp_path)
    monkeypatch.setenv("XDG_SESSION_ID", "c2")
    assert LinuxPlatform().is_locked() is locked
    monkeypatch.setenv("XDG_SESSION_ID", "../c2")
    assert LinuxPlatform().is_locked() is False


@pytest.mark.parametrize(
    ("file", "content", "dark"),
    [
        ("gtk-3.0/settings.ini", "[Settings]\ngtk-theme-name=Adwaita-dark\n", True),
        ("gtk-3.0/settings.ini", "[Settings]\ngtk-application-prefer-dark-theme=1\n", True),
        ("gtk-4.0/settings.ini", "[Settings]\ngtk-application-prefer-dark-theme=0\n", False),
        ("kdeglobals", "[General]\nColorScheme=BreezeDark\n", True),
        ("kdeglobals", "[General]\nColorScheme=BreezeLight\n", False),
        ("kdeglobals", "\xff", False),
    ],
)
def test_linux_follows_the_desktops_dark_setting(
    file: str, content: str, dark: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("GTK_THEME", raising=False)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(content.encode("latin-1"))
    assert LinuxPlatform().prefers_dark() is dark


def test_linux_marks_its_run_for_the_watcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(linux_module.RUN_FOLDER, str(tmp_path))
    LinuxPlatform().remove_when_done()
    LinuxPlatform().remove_when_done()
    assert (tmp_path / linux_module.USED_MARK).stat().st_size == 0


# -- Windows ----------------------------------------------------------------------------------------------------


def test_windows_language_theme_lock_and_idle_time() -> None:
    assert windows(language=0x0C07).language() == "de"
    assert windows(language=0x409).language() == "en"
    assert windows(language=0x41F).language() is None
    assert windows(light=0).prefers_dark() is True
    assert windows(light=None).prefers_dark() is False
    assert windows(locked=True).is_locked() is True
    assert windows(ticks=(1_000, 4_500)).idle_seconds() == 3.5
    assert windows(ticks=(0xFFFFFF00, 0x100)).idle_seconds() == 0.512


@pytest.mark.parametrize("quote", ["'", "\u2019", "\u2018", "\u201a", "\u201b", "\ud800"])
def test_windows_removal_waits_compares_and_no_character_of_the_path_is_code(quote: str) -> None:
    path = f"C:/Users/O{quote};calc;{quote}Brien/beistand (1).exe"
    argv = removal_command(Path(path), 4711)
    script = base64.b64decode(argv[-1]).decode("utf-16-le")
    assert "calc" not in script
    (encoded,) = re.findall(r"FromBase64String\('([A-Za-z0-9+/=]+)'\)", script)
    assert base64.b64decode(encoded).decode("utf-16-le", "surrogatepass") == path
    assert script.index("Wait-Process -Id 4711") < script.index("Remove-Item")


# -- macOS ------------------------------------------------------------------------------------------------------


def test_macos_language_theme_lock_and_permission() -> None:
    assert mac(answers={"AppleLanguages": '(\n    "de-DE",\n    "en-DE"\n)\n'}).language() == "de"
    assert mac().language() is None
    assert mac(answers={"AppleInterfaceStyle": "Dark\n"}).prefers_dark() is True
    assert mac(answers={"-d1": '{"CGSSessionScreenIsLocked"=Yes}'}).is_locked() is True
    assert mac(idle=12.5).idle_seconds() == 12.5
    assert mac(allowed=False).display().screen is False


@pytest.mark.parametrize("change", ["none", "content", "replaced", "link"])
def test_macos_watcher_removes_the_file_it_was_started_for_and_no_other(change: str, tmp_path: Path) -> None:
    file = tmp_path / "my download"
    file.write_bytes(b"program" * 1000)
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as program:
        watcher = watch_and_remove(file, program.pid)
        if change == "content":
            file.write_bytes(b"something else")
        elif change == "replaced":
            (tmp_path / "other").write_bytes(file.read_bytes())
            (tmp_path / "other").rename(file)
        elif change == "link":
            file.rename(tmp_path / "kept")
            file.symlink_to(tmp_path / "kept")
    watcher.wait(10)
    assert file.exists() is (change != "none")
