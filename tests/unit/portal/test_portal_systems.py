"""Which system a browser is taken for."""

import pytest

from appliance.web.portal.systems import System, guess_system

FIREFOX_LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CHROME_LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "system"),
    [
        (FIREFOX_LINUX, System.LINUX_X86_64),
        ("Mozilla/5.0 (X11; Ubuntu; Linux aarch64; rv:128.0) Gecko/20100101 Firefox/128.0", System.LINUX_OTHER),
        ("Mozilla/5.0 (X11; Linux i686; rv:115.0) Gecko/20100101 Firefox/115.0", System.LINUX_OTHER),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Edg/140.0.0.0", System.WINDOWS),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.0 Safari/605.1.15",
            System.MACOS,
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile Safari", System.IOS),
        (
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36",
            System.ANDROID,
        ),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36", System.CHROMEOS),
        ("curl/8.5.0", System.UNKNOWN),
        ("", System.UNKNOWN),
    ],
)
def test_the_user_agent_tells_the_system(agent: str, system: System) -> None:
    assert guess_system({"user-agent": agent}) is system


def test_client_hints_go_over_the_user_agent() -> None:
    assert guess_system({"user-agent": CHROME_LINUX, "sec-ch-ua-platform": '"Windows"'}) is System.WINDOWS


@pytest.mark.parametrize(
    ("arch", "bitness", "system"),
    [
        ('"x86"', '"64"', System.LINUX_X86_64),
        ('"x86"', None, System.LINUX_X86_64),
        ('"x86"', '"32"', System.LINUX_OTHER),
        ('"arm"', '"64"', System.LINUX_OTHER),
    ],
)
def test_chromium_on_an_arm_board_says_so_only_in_its_hints(arch: str, bitness: str | None, system: System) -> None:
    headers = {"user-agent": CHROME_LINUX, "sec-ch-ua-platform": '"Linux"', "sec-ch-ua-arch": arch}
    if bitness:
        headers["sec-ch-ua-bitness"] = bitness
    assert guess_system(headers) is system


def test_a_megabyte_of_user_agent_is_cut_and_harmless() -> None:
    assert guess_system({"user-agent": "x" * 1_000_000 + " Windows"}) is System.UNKNOWN
