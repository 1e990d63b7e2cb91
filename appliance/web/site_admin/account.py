"""One's own account: password, second step, browsers that are signed in, language."""

from __future__ import annotations

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from appliance.web.shared.forms import Form
from appliance.web.shared.language import LANGUAGE_COOKIE
from appliance.web.shared.pages import redirect, render
from appliance.web.shared.routing import who_of
from appliance.web.shared.site import site_of
from appliance.wire.messages import Refusal
from appliance.words import LANGUAGES

ACCOUNT = "/login/account"


async def show(request: Request) -> Response:
    """The page of one's own account."""
    return await _page(request, Form())


async def _page(request: Request, form: Form) -> Response:
    identity, who = site_of(request).identity, who_of(request)
    return render(
        request,
        "site_admin/account.html",
        status=200 if form.ok else 422,
        form=form,
        sessions=await identity.sessions.of_user(who.user.id),
        codes_left=await identity.second_factor.recovery_codes_left(who) if who.user.has_totp else 0,
    )


async def change_password(request: Request) -> Response:
    """Needs the old one; signs other browsers out."""
    form = await Form.posted(request)
    current, password, again = form.secret("current"), form.secret("password"), form.secret("again")
    if form.ok and password != again:
        form.wrong("again", "admin.password.differ")
    if form.ok:
        refusal = await site_of(request).identity.change_password(who_of(request), current, password)
        if refusal is None:
            return redirect(ACCOUNT, notice="admin.notice.password_changed")
        form.refused(refusal, "password", old_wrong="current", wait="current")
    return await _page(request, form)


async def change_language(request: Request) -> Response:
    """The language of the account, and of this browser."""
    who, form = who_of(request), await Form.posted(request)
    language = form.choice("language", LANGUAGES)
    if not form.ok:
        raise HTTPException(400)
    refusal = await site_of(request).identity.accounts.change(who.user.id, by=who, language=language)
    if isinstance(refusal, Refusal):
        raise HTTPException(400)
    response = redirect(ACCOUNT, notice="admin.notice.saved")
    response.set_cookie(
        LANGUAGE_COOKIE, language, max_age=31_536_000, path="/", secure=True, httponly=True, samesite="lax"
    )
    return response


async def revoke(request: Request) -> Response:
    """Sign another of one's own browsers out."""
    accounts, who, form = site_of(request).identity.accounts, who_of(request), await Form.posted(request)
    own = {session.id for session in await site_of(request).identity.sessions.of_user(who.user.id)}
    session_id = form.value("session")
    if session_id in own:  # nobody ends another's session from here
        await accounts.end_session(session_id, by=who)
    return redirect(ACCOUNT, notice="admin.notice.browser_signed_out")


# -- the second step ------------------------------------------------------------------------------------------------


async def begin_two_factor(request: Request) -> Response:
    """Make a secret; it is in force once a code has shown that the app has it."""
    result = await site_of(request).identity.second_factor.begin(who_of(request))
    return redirect(ACCOUNT if isinstance(result, Refusal) else f"{ACCOUNT}/two-factor")


async def show_two_factor(request: Request) -> Response:
    """The QR code to be scanned."""
    return await _enrolment_page(request, Form())


async def _enrolment_page(request: Request, form: Form) -> Response:
    enrolment = await site_of(request).identity.second_factor.pending(who_of(request))
    if enrolment is None:
        return redirect(ACCOUNT)
    secret = enrolment.secret
    return render(
        request,
        "site_admin/two_factor.html",
        status=200 if form.ok else 422,
        form=form,
        qr=Markup(enrolment.svg),  # noqa: S704 drawn by the server, of squares
        secret_groups=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
    )


async def confirm_two_factor(request: Request) -> Response:
    """The app's first code puts it in force; answers with the recovery codes, this once."""
    form = await Form.posted(request)
    code = form.secret("code")
    if form.ok:
        codes = await site_of(request).identity.second_factor.confirm(who_of(request), code)
        if not isinstance(codes, Refusal):
            return render(request, "site_admin/codes.html", codes=codes)
        form.refused(codes, "code")
    return await _enrolment_page(request, form)


async def show_remove(request: Request) -> Response:
    """Asks for a code before the second step goes."""
    return _confirm_page(request, Form(), "remove")


async def show_codes(request: Request) -> Response:
    """Asks for a code before there are new recovery codes."""
    return _confirm_page(request, Form(), "codes")


def _confirm_page(request: Request, form: Form, kind: str) -> Response:
    if not who_of(request).user.has_totp:
        return redirect(ACCOUNT)
    return render(request, "site_admin/confirm.html", status=200 if form.ok else 422, form=form, kind=kind)


async def remove_two_factor(request: Request) -> Response:
    """Take the second step away."""
    form = await Form.posted(request)
    code = form.secret("code")
    if form.ok:
        refusal = await site_of(request).identity.second_factor.turn_off(who_of(request), code)
        if refusal is None:
            return redirect(ACCOUNT, notice="admin.notice.two_factor_off")
        form.refused(refusal, "code")
    return _confirm_page(request, form, "remove")


async def new_codes(request: Request) -> Response:
    """Ten new recovery codes, shown this once."""
    form = await Form.posted(request)
    code = form.secret("code")
    if form.ok:
        codes = await site_of(request).identity.second_factor.new_recovery_codes(who_of(request), code)
        if not isinstance(codes, Refusal):
            return render(request, "site_admin/codes.html", codes=codes)
        form.refused(codes, "code")
    return _confirm_page(request, form, "codes")
