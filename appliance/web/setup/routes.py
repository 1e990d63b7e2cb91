"""`/setup`: the code that the server printed, then the first admin and the site, in one step that happens once."""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import Response

from appliance.domain.keys import LookAlikes, TypedKey, read_key
from appliance.identity import Credential, refused_for
from appliance.store import SettingsError
from appliance.web.shared.entering import browser_of, enter
from appliance.web.shared.forms import Form
from appliance.web.shared.pages import render
from appliance.web.shared.routing import Access, address_of, host_of, page
from appliance.web.shared.site import site_of
from appliance.web.shared.times import time_zones
from appliance.wire.messages import Refusal
from appliance.words import LANGUAGES


async def show_code(request: Request) -> Response:
    """The first step: asks for the code."""
    return render(request, "setup/code.html", form=Form())


async def set_up(request: Request) -> Response:
    """Both steps' answers. The code is checked with each; nothing is kept between them but the form itself."""
    form = await Form.posted(request)
    await _check_code(request, form)
    if not form.ok:
        return render(request, "setup/code.html", status=422, form=form)
    if form.value("step") != "site":
        return _show_site(request, _first_guess(request, form.value("code")))
    return await _finish(request, form)


async def _check_code(request: Request, form: Form) -> None:
    """A code that cannot be one is explained and costs no try."""
    site, address = site_of(request), address_of(request)
    typed = read_key(form.text("code", maximum=64))
    if not form.ok:
        return
    if isinstance(typed, LookAlikes):
        form.wrong("code", "setup.code.look_alikes", characters=" ".join(typed.characters))
        return
    if not isinstance(typed, TypedKey):
        form.wrong("code", "setup.code.no_code")
        return
    if wait := await site.throttle.check(Credential.SET_UP_CODE, "", address):
        form.refused(refused_for(wait), "code")
        return
    expected = read_key(site.setup_code)
    if isinstance(expected, TypedKey) and hmac.compare_digest(typed.key, expected.key):
        site.throttle.succeeded(Credential.SET_UP_CODE, "", address)
    else:
        await site.throttle.failed(Credential.SET_UP_CODE, "", address)
        form.wrong("code", "setup.code.wrong")


def _first_guess(request: Request, code: str) -> Form:
    current = site_of(request).settings.current
    names = dict.fromkeys((host_of(request), *current.host_names))
    return Form.filled(
        code=code,
        site_name="",
        host_names="\n".join(name for name in names if name),
        time_zone=current.time_zone,
        language=request.state.language,
    )


def _show_site(request: Request, form: Form) -> Response:
    w = request.state.words
    return render(
        request,
        "setup/site.html",
        status=200 if form.ok else 422,
        form=form,
        zones=[(name, name.replace("_", " ")) for name in time_zones()],
        language_options=[(code, w(f"common.language.{code}")) for code in LANGUAGES],
    )


async def _finish(request: Request, form: Form) -> Response:
    display_name = form.text("display_name", maximum=80)
    name = form.text("name", maximum=64)
    password, again = form.secret("password"), form.secret("again")
    if password and password != again:
        form.wrong("again", "admin.password.differ")
    wanted = {
        "site_name": form.text("site_name", maximum=80),
        "host_names": tuple(form.lines("host_names", maximum=4000)),
        "time_zone": form.choice("time_zone", time_zones()),
        "language": form.choice("language", LANGUAGES),
    }
    if form.ok:
        try:
            entered = await site_of(request).identity.set_up(
                name, display_name, password, address=address_of(request), browser=browser_of(request), **wanted
            )
        except SettingsError as error:
            form.wrong(error.field, error.reason, **error.message_args)
        else:
            if not isinstance(entered, Refusal):
                return enter(request, entered, notice="setup.notice.done")
            form.refused(entered, "name", password="password", display_name="display_name")  # noqa: S106 a field
    return _show_site(request, form)


ROUTES = [
    page("/setup", show_code, access=Access.SETUP),
    page("/setup", set_up, methods=("POST",), access=Access.SETUP),
]
