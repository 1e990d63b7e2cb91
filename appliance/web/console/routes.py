"""Every route of `/console`, with who may use it."""

from __future__ import annotations

from appliance.web.console import pages, recordings
from appliance.web.console.socket import serve_socket
from appliance.web.shared.routing import Access, page, socket

_RECORDING = "/console/recordings/{session}"

ROUTES = [
    page("/console", pages.show_console, access=Access.TECHNICIAN, screen=True),
    page("/console/offline", pages.show_offline, access=Access.PUBLIC),
    page("/console/sw.js", pages.service_worker, access=Access.PUBLIC),
    page("/console/manifest.webmanifest", pages.manifest, access=Access.PUBLIC),
    page(_RECORDING, recordings.show, access=Access.TECHNICIAN, screen=True),
    page(f"{_RECORDING}/index", recordings.index, access=Access.TECHNICIAN),
    page(f"{_RECORDING}/file", recordings.file, access=Access.TECHNICIAN),
    page(f"{_RECORDING}/export", recordings.export, access=Access.TECHNICIAN),
    socket("/console/socket", serve_socket, access=Access.TECHNICIAN),
]
