"""The web application: the faces' routes behind the security headers."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from appliance.store import StoreError
from appliance.web.console import routes as console
from appliance.web.portal import routes as portal
from appliance.web.setup import routes as setup
from appliance.web.shared import pages, static_files
from appliance.web.shared.security import SecurityHeaders
from appliance.web.shared.site import Site
from appliance.web.site_admin import routes as site_admin

__all__ = ["Site", "build_app", "route_table"]


def route_table() -> list[BaseRoute]:
    """Every route of the appliance's web pages, each a Page or a Socket with its Access."""
    return [
        *static_files.ROUTES,
        *pages.ROUTES,
        *setup.ROUTES,
        *site_admin.ROUTES,
        *portal.ROUTES,
        *console.ROUTES,
    ]


def build_app(site: Site) -> Starlette:
    """The ASGI application for `site`; the caller serves it behind TLS."""
    app = Starlette(
        routes=route_table(),
        middleware=[Middleware(SecurityHeaders), Middleware(pages.LastResort)],
        exception_handlers={HTTPException: pages.on_http_exception, StoreError: pages.on_store_error},
    )
    app.router.redirect_slashes = False
    app.state.site = site
    return app
