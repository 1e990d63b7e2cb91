"""Who enters where, and where people are led: the pure parts of the pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request

from appliance.domain.permissions import TECHNICIAN, Permission
from appliance.identity import SignedIn, User
from appliance.web.shared.entering import browser_of, destination
from appliance.web.shared.language import choose_language
from appliance.web.shared.pages import local_path
from appliance.web.shared.routing import Access, Verdict, judge
from appliance.web.shared.security import content_security_policy, from_own_page, own_origin, same_token
from appliance.web.shared.times import relative, time_zones, when, zone_of
from appliance.words import words


def signed_in(*permissions: Permission) -> SignedIn:
    user = User(
        id="u1", name="anna", display_name="Anna", language="de", permissions=frozenset(permissions), has_password=True
    )
    return SignedIn(user, "s1", "token")


ADMIN, TECH, NOBODY = signed_in(Permission.SITE_ADMIN), signed_in(*TECHNICIAN), signed_in()

E, N, S, F = Verdict.ENTER, Verdict.NOT_THERE, Verdict.SIGN_IN, Verdict.FORBIDDEN


@pytest.mark.parametrize(
    ("access", "before_setup", "stranger", "nobody", "technician", "admin"),
    [
        (Access.SETUP, E, N, N, N, N),
        (Access.ALWAYS, E, E, E, E, E),
        (Access.PUBLIC, N, E, E, E, E),
        (Access.SIGNED_IN, N, S, E, E, E),
        (Access.TECHNICIAN, N, S, F, E, F),
        (Access.SITE_ADMIN, N, S, F, F, E),
    ],
)
def test_each_access_lets_in_whom_it_names(
    access: Access, before_setup: Verdict, stranger: Verdict, nobody: Verdict, technician: Verdict, admin: Verdict
) -> None:
    assert judge(access, is_set_up=False, user=None) is before_setup
    assert judge(access, is_set_up=True, user=None) is stranger
    assert judge(access, is_set_up=True, user=NOBODY) is nobody
    assert judge(access, is_set_up=True, user=TECH) is technician
    assert judge(access, is_set_up=True, user=ADMIN) is admin


@pytest.mark.parametrize(
    ("cookie", "accept", "site", "chosen"),
    [
        ("", "", "de", "de"),
        ("", "de-AT,de;q=0.9,en;q=0.8", "en", "de"),
        ("", "fr,en;q=0.5,de;q=0.4", "de", "en"),
        ("", "de;q=0,en;q=0.1", "de", "en"),
        ("de", "en", "en", "de"),
        ("xx", "fr", "xx", "en"),
        ("", "de;q=zz,;;;,," + "x," * 500, "en", "de"),
    ],
)
def test_the_language_is_the_one_chosen_here_then_the_browsers_then_the_sites(
    cookie: str, accept: str, site: str, chosen: str
) -> None:
    assert choose_language(cookie, accept, site) == chosen


@pytest.mark.parametrize(
    "hostile",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/a//b", "/a?b=//evil", "/\t/x", "/ü", "a", ""],
)
def test_a_way_back_that_leaves_the_site_leads_to_the_front_page(hostile: str) -> None:
    assert local_path(hostile) == "/"


def test_a_way_back_within_the_site_is_taken() -> None:
    assert local_path("/login/users/a-b_C9") == "/login/users/a-b_C9"


def test_after_signing_in_everybody_gets_where_they_may_be() -> None:
    assert destination("", ADMIN.user) == "/login/overview"
    assert destination("", TECH.user) == "/console"
    assert destination("", NOBODY.user) == "/login/account"
    assert destination("/login/users", ADMIN.user) == "/login/users"
    assert destination("/login/users", TECH.user) == "/console"
    assert destination("/console", ADMIN.user) == "/login/overview"
    for hostile in ("//evil.example", "https://evil.example/login/users", "/login/users/../../x", "/login/users/abc"):
        assert destination(hostile, ADMIN.user) == "/login/overview"


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"host": "a.example", "origin": "https://a.example", "sec-fetch-site": "same-origin"}, True),
        ({"host": "a.example:8443", "origin": "https://a.example:8443"}, True),
        ({"host": "a.example", "sec-fetch-site": "same-origin"}, True),
        ({"host": "a.example"}, False),
        ({"host": "a.example", "origin": "null"}, False),
        ({"host": "a.example", "origin": "http://a.example"}, False),
        ({"host": "a.example", "origin": "https://a.example.evil.net"}, False),
        ({"host": "a.example", "origin": "https://b.example", "sec-fetch-site": "same-site"}, False),
        ({"host": "a.example", "origin": "https://a.example", "sec-fetch-site": "cross-site"}, False),
        ({"host": "a.example", "origin": "https://a.example:444"}, False),
        ({"host": "a.example", "sec-fetch-site": "none"}, False),
    ],
)
def test_a_form_is_taken_only_from_a_page_of_the_same_origin(headers: dict[str, str], own: bool) -> None:
    assert from_own_page(Headers(headers)) is own


def test_a_socket_without_an_origin_is_not_ours() -> None:
    assert not own_origin(Headers({"host": "a.example"}))
    assert not own_origin(Headers({"origin": "https://"}))


def test_tokens_are_compared_whatever_was_typed() -> None:
    assert same_token("abc", "abc")
    assert not same_token("\udcff", "abc")
    assert not same_token("", "")


def test_webassembly_is_allowed_on_screen_pages_only() -> None:
    assert "wasm-unsafe-eval" in content_security_policy("n", screen=True)
    policy = content_security_policy("n")
    assert "wasm" not in policy
    assert "unsafe-inline" not in policy
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140, Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
            "Edge 141, Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.5 Mobile/15E148 Safari/604.1",
            "Safari 18, iPhone",
        ),
        ("<script>alert(1)</script>", ""),
        ("", ""),
    ],
)
def test_a_browser_is_called_as_its_user_would(agent: str, name: str) -> None:
    request = Request({"type": "http", "headers": [(b"user-agent", agent.encode())]})
    assert browser_of(request) == name


def test_times_are_relative_with_the_absolute_one_in_the_sites_zone() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
    w = words("de")
    assert relative(now - 59, now, w) == w("common.time.now")
    assert relative(now - 60, now, w) == "vor 1 Minute"
    assert relative(now - 7200, now, w) == "vor 2 Stunden"
    assert relative(now + 3 * 86400, now, w) == "in 3 Tagen"
    assert "13:00" in when(now, now, "Europe/Berlin", w)
    assert w("common.time.never") in when(None, now, "UTC", w)


def test_a_zone_that_this_machine_does_not_know_is_utc() -> None:
    assert zone_of("Nowhere/../../etc/passwd") is UTC
    assert "Europe/Berlin" in time_zones()
    assert time_zones()[0] == "UTC"
