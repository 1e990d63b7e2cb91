"""The console's own pages and what makes it installable."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response

from appliance.web.shared.language import prepare
from appliance.web.shared.pages import render
from appliance.web.shared.site import site_of
from appliance.web.shared.static_files import static_files

SCRIPT_WORDS = ("console.", "session.", "policy.", "screen.", "recording.", "wire.", "common.time.", "common.action.")
"""The parts of the catalogue that the console's scripts speak with."""


def script_words(request: Request) -> dict[str, str]:
    """The messages for a page's scripts, in its language."""
    prepare(request)
    messages: dict[str, str] = request.state.words.subset(*SCRIPT_WORDS)
    return messages


def shared_scripts() -> str:
    """Where the modules are that all faces share; the import map names it `@shared/`."""
    return static_files().url("shared/tokens.css").removesuffix("tokens.css")


async def show_console(request: Request) -> Response:
    """The one page in which a technician works."""
    return render(
        request,
        "console/console.html",
        words=script_words(request),
        time_zone=site_of(request).settings.current.time_zone,
        shared=shared_scripts(),
    )


async def show_offline(request: Request) -> Response:
    """What the service worker shows while the appliance cannot be reached; the only page that it keeps."""
    return render(request, "console/offline.html")


async def service_worker(request: Request) -> Response:
    """The service worker, at an address that lets it serve `/console`."""
    file = static_files().files["console/sw.js"]
    return Response(file.content, media_type=file.media_type, headers={"cache-control": "no-cache"})


async def manifest(request: Request) -> Response:
    """The web app manifest: the console as an installed application."""
    prepare(request)
    words = request.state.words
    name = site_of(request).settings.current.site_name
    static = static_files()
    icons = [
        {"src": static.url("shared/icon.svg"), "sizes": "any", "type": "image/svg+xml"},
        {"src": static.url("console/icon-192.png"), "sizes": "192x192", "type": "image/png"},
        {"src": static.url("console/icon-512.png"), "sizes": "512x512", "type": "image/png"},
        {
            "src": static.url("console/icon-maskable-512.png"),
            "sizes": "512x512",
            "type": "image/png",
            "purpose": "maskable",
        },
    ]
    content = {
        "id": "/console",
        "name": f"{words('console.title')} · {name}",
        "short_name": name[:30],
        "lang": request.state.language,
        "start_url": "/console",
        "scope": "/console",
        "display": "standalone",
        "background_color": "#101315",
        "theme_color": "#101315",
        "icons": icons,
    }
    return Response(json.dumps(content), media_type="application/manifest+json", headers={"cache-control": "no-cache"})
