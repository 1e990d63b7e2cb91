"""Every page of `/login`, with who may use it."""

from __future__ import annotations

from appliance.web.shared.routing import Access, page
from appliance.web.site_admin import account, audit_log, overview, sessions, settings, signing_in, teams, users

_ADMIN = Access.SITE_ADMIN

ROUTES = [
    page("/login", signing_in.show, access=Access.PUBLIC),
    page("/login", signing_in.sign_in, methods=("POST",), access=Access.PUBLIC),
    page("/login/link/{token}", signing_in.show_link, access=Access.PUBLIC),
    page("/login/link/{token}", signing_in.use_link, methods=("POST",), access=Access.PUBLIC),
    page("/login/sign-out", signing_in.sign_out, methods=("POST",), access=Access.SIGNED_IN),
    page("/login/account", account.show, access=Access.SIGNED_IN),
    page("/login/account/password", account.change_password, methods=("POST",), access=Access.SIGNED_IN),
    page("/login/account/language", account.change_language, methods=("POST",), access=Access.SIGNED_IN),
    page("/login/account/sessions/revoke", account.revoke, methods=("POST",), access=Access.SIGNED_IN),
    page("/login/account/two-factor/begin", account.begin_two_factor, methods=("POST",), access=Access.SIGNED_IN),
    page("/login/account/two-factor", account.show_two_factor, access=Access.SIGNED_IN),
    page("/login/account/two-factor", account.confirm_two_factor, methods=("POST",), access=Access.SIGNED_IN),
    page("/login/account/two-factor/remove", account.show_remove, access=Access.SIGNED_IN),
    page("/login/account/two-factor/remove", account.remove_two_factor, methods=("POST",), access=Access.SIGNED_IN),
    page("/login/account/codes", account.show_codes, access=Access.SIGNED_IN),
    page("/login/account/codes", account.new_codes, methods=("POST",), access=Access.SIGNED_IN),
    page("/login/overview", overview.show, access=_ADMIN),
    page("/login/users", users.show_all, access=_ADMIN),
    page("/login/users/new", users.show_new, access=_ADMIN),
    page("/login/users/new", users.create, methods=("POST",), access=_ADMIN),
    page("/login/users/{user_id}", users.show, access=_ADMIN),
    page("/login/users/{user_id}", users.save, methods=("POST",), access=_ADMIN),
    page("/login/users/{user_id}/link", users.new_link, methods=("POST",), access=_ADMIN),
    page("/login/users/{user_id}/disable", users.disable, methods=("POST",), access=_ADMIN),
    page("/login/users/{user_id}/enable", users.enable, methods=("POST",), access=_ADMIN),
    page("/login/users/{user_id}/unlock", users.unlock, methods=("POST",), access=_ADMIN),
    page("/login/users/{user_id}/sign-out", users.sign_out, methods=("POST",), access=_ADMIN),
    page("/login/users/{user_id}/two-factor/remove", users.remove_two_factor, methods=("POST",), access=_ADMIN),
    page("/login/users/{user_id}/delete", users.show_delete, access=_ADMIN),
    page("/login/users/{user_id}/delete", users.delete, methods=("POST",), access=_ADMIN),
    page("/login/teams", teams.show_all, access=_ADMIN),
    page("/login/teams", teams.create, methods=("POST",), access=_ADMIN),
    page("/login/teams/{team_id}", teams.show, access=_ADMIN),
    page("/login/teams/{team_id}", teams.save, methods=("POST",), access=_ADMIN),
    page("/login/teams/{team_id}/delete", teams.show_delete, access=_ADMIN),
    page("/login/teams/{team_id}/delete", teams.delete, methods=("POST",), access=_ADMIN),
    page("/login/sessions", sessions.show, access=_ADMIN),
    page("/login/settings", settings.show, access=_ADMIN),
    page("/login/settings", settings.save, methods=("POST",), access=_ADMIN),
    page("/login/audit", audit_log.show, access=_ADMIN),
    page("/login/audit/export", audit_log.export, access=_ADMIN),
]
