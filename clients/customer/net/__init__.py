"""The way to the appliance: a TCP connection, directly or through a proxy, with pinned TLS on it.

trouble.py    why a connection did not come about, in words
dial.py       TCP, with CONNECT where the machine's settings name a proxy
tls.py        TLS on the socket, driven without blocking
pinning.py    whom to trust: the device CA by its fingerprint
websocket.py  RFC 6455's client side, binary messages only
tunnel.py     pinned TLS inside a WebSocket, for proxies that inspect
route.py      tries these in order and remembers what worked
"""
