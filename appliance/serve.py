"""Puts the rooms together and runs their nurseries: the only module that knows them all."""

from __future__ import annotations

import ipaddress
import logging
import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import trio

from appliance.broker import Broker
from appliance.cli import ExitCode, Failure
from appliance.config import DEFAULT_LISTEN, ServerConfig
from appliance.domain import keys
from appliance.edge import CertificateFiles, EdgeConfig, EdgeError, serve_edge
from appliance.identity import Identity, Throttle
from appliance.identity.device_ca import DeviceCa, DeviceCaError
from appliance.maintenance import failure_of
from appliance.relay.recording import Recording
from appliance.store import Audit, Settings, SiteSettings, Store, StoreError
from appliance.web.app import Site, build_app
from appliance.web.portal.command import public_key_pin
from appliance.web.portal.downloads import Downloads
from appliance.words import Words

E = TypeVar("E", bound=BaseException)

SETUP_CODE_LENGTH = 9
STOP_SECONDS = 4.0
"""What sessions and requests get to end in order; then everything is cancelled."""


def run(config: ServerConfig, words: Words) -> None:
    """Serve until SIGINT or SIGTERM. Raises Failure for what a person can mend."""
    logging.basicConfig(format="%(name)s: %(message)s")
    if not sys.stderr.isatty():
        # For the service manager's journal: there the audit log's heads are out of reach of whoever changes the log.
        logging.getLogger("beistand.audit").setLevel(logging.INFO)
    _allow_many_connections()
    try:
        trio.run(_main, config, words)
    except* StoreError as group:
        raise failure_of(_first(group, StoreError)) from None
    except* EdgeError as group:
        error = _first(group, EdgeError)
        exit_code = ExitCode.SETTINGS if error.code == "edge.certificate" else ExitCode.PORT_IN_USE
        raise Failure(exit_code, error.code, **error.details) from None
    except* DeviceCaError as group:
        ca_error = _first(group, DeviceCaError)
        raise Failure(ExitCode.DATA_DAMAGED, ca_error.code, **ca_error.details) from None
    except* Failure as group:
        raise _first(group, Failure) from None


def _first(group: BaseExceptionGroup[BaseException], kind: type[E]) -> E:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, kind)
    return error


def _allow_many_connections() -> None:
    """Raise the soft limit of open files to the hard one: each connection is one, and 1024 are soon used up."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _main(config: ServerConfig, words: Words) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(_stop_on_signal, nursery.cancel_scope, words)
        await serve(config, announce=lambda text, **args: print(words(text, **args), flush=True))
        nursery.cancel_scope.cancel()
    print(words("cli.stopped"), flush=True)


async def _stop_on_signal(
    scope: trio.CancelScope, words: Words, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _number in signals:
            print(words("cli.stopping"), file=sys.stderr, flush=True)
            scope.cancel()
            return


async def serve(config: ServerConfig, *, announce: Callable[..., None]) -> None:
    """Run the appliance until cancelled; `announce(message_id, **args)` tells the person at the console.

    Raises StoreError, EdgeError or DeviceCaError when it can't start.
    """
    now = time.time
    store = await Store.open(config.data)
    try:
        settings = await Settings.load(store)
        audit = Audit(store, now)
        throttle = Throttle(audit)
        identity = Identity(store, settings, audit, throttle, now)
        device_ca = DeviceCa.open(config.data / "device_ca", now)
        broker = Broker(
            store=store,
            settings=settings,
            audit=audit,
            throttle=throttle,
            recorder_factory=Recording.open,
            ca_fingerprints=device_ca.fingerprints,
            now=now,
        )
        identity.on_signed_out.append(broker.on_signed_out)
        downloads = Downloads(config.clients, now)
        setup_code = keys.make_key(SETUP_CODE_LENGTH, secrets.choice)
        bound: list[tuple[str, int]] = []
        edge = edge_config(config, settings, device_ca)
        site = Site(
            store=store,
            settings=settings,
            identity=identity,
            audit=audit,
            throttle=throttle,
            broker=broker,
            downloads=downloads,
            recordings=config.data / "recordings",
            setup_code=setup_code,
            pins=device_ca.fingerprints(),
            port=lambda: bound[0][1],
            web_pin=lambda: None if config.certificate else public_key_pin(edge.web.chain),
            now=now,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(device_ca.keep_valid)
            await nursery.start(identity.run)
            await nursery.start(broker.run)
            bound += await nursery.start(
                lambda task_status: serve_edge(
                    edge,
                    web=build_app(site),
                    wire=lambda stream: broker.serve_customer(stream, stream.authenticated),
                    task_status=task_status,
                )
            )
            announce("cli.ready", address=site.origin)
            if not settings.is_set_up:
                announce("cli.setup", address=site.origin, code=keys.display(setup_code))
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_SECONDS):
            await store.aclose()


def edge_config(config: ServerConfig, settings: Settings, device_ca: DeviceCa) -> EdgeConfig:
    """What the edge is told: addresses or inherited sockets, certificates, and the names that are ours."""

    def host_names() -> frozenset[str]:
        return frozenset((*config.host_names, *settings.current.host_names))

    def reissue(_settings: SiteSettings) -> None:
        device_ca.web_certificate(sorted(host_names()))

    if config.certificate is not None and config.key is not None:
        web = CertificateFiles(config.certificate, config.key)
    else:
        web = device_ca.web_certificate(sorted(host_names()))
        # The files are replaced, and the edge takes the new ones.
        settings.on_change.append(reissue)
    descriptors = inherited_descriptors(os.environ, os.getpid())
    listen = config.listen or (() if descriptors else (DEFAULT_LISTEN,))
    return EdgeConfig(
        listen=tuple((address.host, address.port) for address in listen),
        descriptors=descriptors,
        web=web,
        wire=device_ca.wire_certificate(),
        host_names=host_names,
        proxies=tuple(ipaddress.ip_network(network) for network in config.proxies),
    )


def inherited_descriptors(environment: Mapping[str, str], pid: int) -> tuple[int, ...]:
    """Listening sockets from the service manager, by sd_listen_fds(3): LISTEN_FDS of them from 3 on."""
    if environment.get("LISTEN_PID") != str(pid):
        return ()
    return tuple(range(3, 3 + int(environment.get("LISTEN_FDS", "0"))))
