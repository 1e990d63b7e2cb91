"""The one TLS port: everything that reaches the appliance comes in here.

    server.py        the listeners and a connection's way in: address limits, PROXY v2, TLS, then one of two handlers
    tls.py           the TLS stream on the socket itself
    certificates.py  which certificate and protocol a connection gets, by SNI; reloading
    proxy.py         PROXY protocol version 2
    limits.py        connections and requests an address may have
    hosts.py         which Host headers are ours
    http.py          Hypercorn as a library: strict HTTP/1.1, deadlines, WebSocket heartbeat
    guard.py         the ASGI layer between Hypercorn and the pages
    tunnel.py        `/wire`: the session protocol for networks whose proxy lets only browsers through

The name in the TLS hello decides: `wire.beistand.internal` is the session protocol, every other name is HTTP. What a
handler gets is never the socket, but a stream with the peer's real address.
"""

from appliance.domain.certificate_files import CertificateFiles
from appliance.edge.config import EdgeConfig, EdgeError, Limits
from appliance.edge.server import serve_edge

__all__ = ["CertificateFiles", "EdgeConfig", "EdgeError", "Limits", "serve_edge"]
