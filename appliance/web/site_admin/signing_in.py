"""The door: name and password, the second step, one-time links, out again."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from appliance.identity import CodeNeeded, Entered
from appliance.web.shared.entering import browser_of, destination, enter, leave
from appliance.web.shared.forms import Form
from appliance.web.shared.pages import redirect, render
from appliance.web.shared.routing import address_of, who_of
from appliance.web.shared.site import site_of
from appliance.wire.messages import Refusal


async def show(request: Request) -> Response:
    """The sign-in page; who is signed in already goes on."""
    wish = request.query_params.get("next", "")[:100]
    if request.state.user is not None:
        return redirect(destination(wish, request.state.user.user))
    return _sign_in_page(request, Form(), wish)


def _sign_in_page(request: Request, form: Form, wish: str, status: int = 200) -> Response:
    return render(request, "site_admin/sign_in.html", status=status, form=form, next=wish)


async def sign_in(request: Request) -> Response:
    """Name and password, or the code of the second step (`step` is what the first one gave)."""
    form = await Form.posted(request)
    wish = form.value("next")[:100]
    identity, address, browser = site_of(request).identity, address_of(request), browser_of(request)
    step = form.value("step")[:100]
    if step:
        code = form.secret("code")
        result: Entered | CodeNeeded | Refusal | None = None
        if form.ok:
            result = await identity.sign_in_with_code(step, code, address, browser)
    else:
        name, password = form.text("name", maximum=128), form.secret("password")
        result = await identity.sign_in(name, password, "", address, browser) if form.ok else None
    match result:
        case Entered():
            return enter(request, result, wish=wish)
        case CodeNeeded(ticket=step):
            return _code_page(request, Form(), wish, step)
        case Refusal(reason="identity.sign_in.again"):
            form.wrong("name", result.reason)
            return _sign_in_page(request, form, wish, 422)
        case Refusal():
            form.wrong("code" if step else "password", result.reason, **result.args)
    status = 429 if result is not None and result.retry else 422
    return _code_page(request, form, wish, step, status) if step else _sign_in_page(request, form, wish, status)


def _code_page(request: Request, form: Form, wish: str, step: str, status: int = 200) -> Response:
    return render(request, "site_admin/second_step.html", status=status, form=form, next=wish, step=step)


async def sign_out(request: Request) -> Response:
    """End this browser's session."""
    await site_of(request).identity.sign_out(who_of(request))
    return leave("/login", notice="admin.notice.signed_out")


async def show_link(request: Request) -> Response:
    """The page of a one-time link. Looking at it uses nothing up: scanners of mail do that, too."""
    person = await site_of(request).identity.user_of_link(request.path_params["token"], address_of(request))
    if isinstance(person, Refusal):
        return _no_link(request, person)
    return render(request, "site_admin/link.html", form=Form(), person=person)


async def use_link(request: Request) -> Response:
    """Set the password and come in."""
    identity, token, address = site_of(request).identity, request.path_params["token"], address_of(request)
    form = await Form.posted(request)
    password, again = form.secret("password"), form.secret("again")
    if form.ok and password != again:
        form.wrong("again", "admin.password.differ")
    if form.ok:
        result = await identity.use_link(token, password, address, browser_of(request))
        match result:
            case Entered():
                return enter(request, result, notice="admin.notice.welcome")
            case CodeNeeded(ticket=step):
                return _code_page(request, Form(), "", step)
            case Refusal() if result.reason.startswith("identity.password."):
                form.wrong("password", result.reason, **result.args)
            case Refusal():
                return _no_link(request, result)
    person = await identity.user_of_link(token, address)
    if isinstance(person, Refusal):
        return _no_link(request, person)
    return render(request, "site_admin/link.html", status=422, form=form, person=person)


def _no_link(request: Request, refusal: Refusal) -> Response:
    return render(
        request,
        "site_admin/link_gone.html",
        status=429 if refusal.retry else 404,
        reason=request.state.words(refusal.reason, **refusal.args) if refusal.retry else "",
    )
