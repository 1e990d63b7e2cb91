"""The server's own settings: what it must know before it can open its store.

One record a setting; flag goes over environment over `beistand.toml`. What the site is like (name, hosts, keys) is
not here but in the store, where admins change it.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 what ":8443" asks for
MAX_VALUE = 4096
"""Characters of one raw value."""


class ConfigError(Exception):
    """A setting is wrong. `code` is a message id under `cli.config.`; `args_` its arguments, among them `where`."""

    def __init__(self, code: str, **args: str | int) -> None:
        super().__init__(code, args)
        self.code = f"cli.config.{code}"
        self.args_ = args


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; `host` as text, an IPv4 or IPv6 address or localhost, `port` 0 for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


DEFAULT_LISTEN = Address("localhost", 8443)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Everything `beistand serve` was told. `listen`: () when nothing was said, which means DEFAULT_LISTEN unless the
    service manager hands over sockets."""

    listen: tuple[Address, ...]
    data: Path
    host_names: tuple[str, ...]
    certificate: Path | None
    key: Path | None
    proxies: tuple[str, ...]
    clients: Path


def _listen(raw: str, where: str) -> tuple[Address, ...]:
    addresses = []
    for part in filter(None, (piece.strip() for piece in raw.split(","))):
        match = re.fullmatch(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9.-]*)):(?P<port>\d{1,5})", part)
        if match is None or int(match["port"]) > 65535:
            raise ConfigError("listen", where=where, value=part)
        addresses.append(Address(match["v6"] or match["name"] or EVERY_ADDRESS, int(match["port"])))
    if not addresses:
        raise ConfigError("listen", where=where, value=raw)
    return tuple(addresses)


def _host_names(raw: str, where: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in raw.split(",") if name.strip())
    for name in names:
        if len(name) > 253 or not re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*", name):
            raise ConfigError("host_name", where=where, value=name)
    return names


def _file(raw: str, where: str) -> Path:
    path = Path(raw).expanduser()
    if not path.is_file():
        raise ConfigError("file", where=where, value=raw)
    return path


def _folder(raw: str, where: str) -> Path:
    path = Path(raw).expanduser()
    if path.exists() and not path.is_dir():
        raise ConfigError("folder", where=where, value=raw)
    return path.absolute()


def _networks(raw: str, where: str) -> tuple[str, ...]:
    networks = tuple(part.strip() for part in raw.split(",") if part.strip())
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ConfigError("network", where=where, value=network) from None
    return networks


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in the file, whose upper case with BEISTAND_ is the environment's, and its flag."""

    name: str
    parse: Callable[[str, str], Any]
    default: str

    @property
    def environment(self) -> str:
        """The environment variable's name."""
        return f"BEISTAND_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """The command line's flag."""
        return f"--{self.name.replace('_', '-')}"


SETTINGS = (
    Setting("listen", _listen, ""),
    Setting("data", _folder, "data"),
    Setting("host_name", _host_names, "localhost"),
    Setting("certificate", _file, ""),
    Setting("key", _file, ""),
    Setting("proxies", _networks, ""),
    Setting("clients", _folder, "build/client"),
)


def load(flags: Mapping[str, str | None], environment: Mapping[str, str], file: Path | None) -> ServerConfig:
    """The settings from flags, environment and file (TOML; `file` None: `beistand.toml` here, if there is one).

    Raises ConfigError naming the setting and the place it came from.
    """
    table = _read_file(file)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if (flag := flags.get(setting.name)) is not None:
            raw, where = flag, setting.flag
        elif raw := environment.get(setting.environment, ""):
            where = setting.environment
        else:
            raw, where = table.get(setting.name, setting.default), f"{setting.name} (beistand.toml)"
        if len(raw) > MAX_VALUE:
            raise ConfigError("too_long", where=where)
        values[setting.name] = setting.parse(raw, where) if raw else None
    if (values["certificate"] is None) != (values["key"] is None):
        raise ConfigError("certificate_and_key", where="--certificate, --key")
    return ServerConfig(
        listen=values["listen"] or (),
        data=values["data"],
        host_names=values["host_name"] or (),
        certificate=values["certificate"],
        key=values["key"],
        proxies=values["proxies"] or (),
        clients=values["clients"],
    )


def _read_file(file: Path | None) -> dict[str, str]:
    path = file or Path("beistand.toml")
    if file is None and not path.exists():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("unreadable", where=str(path), error=error.strerror or str(error)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("toml", where=str(path), error=str(error)) from None
    known = {setting.name for setting in SETTINGS}
    values = {}
    for name, value in table.items():
        if name not in known:
            raise ConfigError("unknown", where=str(path), name=name, known=", ".join(sorted(known)))
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            value = ",".join(value)
        if not isinstance(value, str):
            raise ConfigError("not_text", where=str(path), name=name)
        values[name] = value
    return values
