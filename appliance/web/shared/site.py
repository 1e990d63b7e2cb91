"""What the pages work on, put together by `serve` and handed to `build_app`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.broker import Broker
    from appliance.identity import Identity, Throttle
    from appliance.store import Audit, Settings, Store
    from appliance.web.portal.downloads import Downloads


@dataclass(frozen=True, kw_only=True)
class Site:
    """Every collaborator of the web pages.

    `recordings`: the folder of recordings. `setup_code`: what the server printed, in groups or not. `pins`: SHA-256
    fingerprints (32 bytes each) of the device CA certificates. `port`: where browsers reach the site, to be read when
    a link is made (the listener may have chosen it). `now`: seconds since 1970. `web_pin`: SHA-256 (32 bytes) of the
    web certificate's public key where that certificate is of our own making, so that commands can pin it.
    """

    store: Store
    settings: Settings
    identity: Identity
    audit: Audit
    throttle: Throttle
    broker: Broker
    downloads: Downloads
    recordings: Path
    setup_code: str
    pins: tuple[bytes, ...]
    port: Callable[[], int]
    now: Callable[[], float]
    web_pin: Callable[[], bytes | None] = lambda: None

    @property
    def origin(self) -> str:
        """The site's own address for links that are sent to people, from the settings and never from a Host header."""
        names = self.settings.current.host_names
        name = names[0] if names else "localhost"
        port = self.port()
        return f"https://{name}" if port == 443 else f"https://{name}:{port}"


def site_of(request: HTTPConnection) -> Site:
    """The site that this request is for."""
    return cast(Site, request.app.state.site)
