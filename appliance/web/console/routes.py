"""Every route of `/console`, with who may use it."""

from __future__ import annotations

from appliance.web.console import pages
from appliance.web.console.socket import serve_socket
from appliance.web.shared.routing import Access, page, socket

ROUTES = [
    page("/console", pages.show_console, access=Access.TECHNICIAN, screen=True),
    page("/console/offline", pages.show_offline, access=Access.PUBLIC),
    page("/console/sw.js", pages.service_worker, access=Access.PUBLIC),
    page("/console/manifest.webmanifest", pages.manifest, access=Access.PUBLIC),
    socket("/console/socket", serve_socket, access=Access.TECHNICIAN),
]
