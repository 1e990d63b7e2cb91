"""The `beistand` command. Its verbs import what they need when they are called, so that each starts fast.

This is the one boundary where errors become words: a person's mistake is one or two lines and an exit code, a bug is
a traceback.
"""

from __future__ import annotations

import enum
import locale
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from appliance.words import DEFAULT, LANGUAGES, Words, words

if TYPE_CHECKING:
    from appliance.config import ServerConfig


class ExitCode(enum.IntEnum):
    """What the command's end means to a script."""

    OK = 0
    BUG = 1
    USAGE = 2
    SETTINGS = 3
    PORT_IN_USE = 4
    DATA_IN_USE = 5
    DATA_DAMAGED = 6
    DATA_READ_ONLY = 7
    DISK_FULL = 8
    NOT_FOUND = 9
    NOT_GENUINE = 10
    NOT_NOW = 11


class Failure(Exception):
    """A person's mistake or the machine's state, to be said in words."""

    def __init__(self, exit_code: ExitCode, message_id: str, **args: object) -> None:
        super().__init__(message_id)
        self.exit_code = exit_code
        self.message_id = message_id
        self.args_ = args


def terminal_words() -> Words:
    """The catalogue in the language of this terminal."""
    name = next((value for key in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(key))), "")
    language = (locale.normalize(name).split("_")[0] if name else DEFAULT)[:2].lower()
    return words(language if language in LANGUAGES else DEFAULT)


def main() -> NoReturn:
    """Run the command; exits with an ExitCode."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except Failure as failure:
        click.echo(terminal_words()(failure.message_id, **failure.args_), err=True)
        sys.exit(failure.exit_code)
    sys.exit(ExitCode.OK)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="beistand")
def cli() -> None:
    """Beistand, the remote-support appliance."""


@cli.command()
@click.option("--listen", metavar="HOST:PORT[,…]", help="Where to listen; localhost:8443 if nothing is said.")
@click.option("--data", metavar="FOLDER", help="Where the database, the keys and the recordings are; ./data.")
@click.option("--host-name", metavar="NAME[,…]", help="Public names beside those of the set-up.")
@click.option(
    "--certificate", metavar="FILE", help="A web certificate with its chain (PEM); read again when it changes."
)
@click.option("--key", metavar="FILE", help="Its private key (PEM).")
@click.option("--proxies", metavar="NETWORK[,…]", help="Networks from which PROXY v2 is believed.")
@click.option("--clients", metavar="FOLDER", help="Where the built customer clients are; ./build/client.")
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="The settings file; ./beistand.toml.")
def serve(config: Path | None, **flags: str | None) -> None:
    """Run the appliance."""
    from appliance.config import ConfigError, load
    from appliance.serve import run

    try:
        settings = load(flags, os.environ, config)
    except ConfigError as error:
        raise Failure(ExitCode.SETTINGS, error.code, **error.args_) from None
    run(settings, terminal_words())


def _settings(data: str | None) -> ServerConfig:
    from appliance.config import ConfigError, load

    try:
        return load({"data": data}, os.environ, None)
    except ConfigError as error:
        raise Failure(ExitCode.SETTINGS, error.code, **error.args_) from None


@cli.group()
def user() -> None:
    """People who sign in."""


@user.command("reset")
@click.argument("name")
@click.option("--data", metavar="FOLDER", help="The appliance's data folder; ./data.")
def user_reset(name: str, data: str | None) -> None:
    """Print a one-time link with which NAME can sign in and choose a new password. Also for the last admin."""
    from appliance.config import DEFAULT_LISTEN
    from appliance.maintenance import reset_user

    settings = _settings(data)
    port = (settings.listen or (DEFAULT_LISTEN,))[0].port
    click.echo(reset_user(settings.data, name, port, terminal_words()))


@cli.group()
def recording() -> None:
    """Recorded sessions."""


@recording.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--data", metavar="FOLDER", help="The data folder of the appliance that made it; ./data.")
def recording_verify(file: Path, data: str | None) -> None:
    """Check that FILE is complete and unchanged."""
    from appliance.maintenance import verify_recording

    click.echo(verify_recording(file, _settings(data).data, terminal_words()))


@cli.group()
def audit() -> None:
    """The audit log."""


@audit.command("verify")
@click.option("--data", metavar="FOLDER", help="The appliance's data folder; ./data.")
def audit_verify(data: str | None) -> None:
    """Check the audit log's chain."""
    from appliance.maintenance import verify_audit

    click.echo(verify_audit(_settings(data).data, terminal_words()))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--data", metavar="FOLDER", help="The appliance's data folder; ./data.")
def backup(file: Path, data: str | None) -> None:
    """Copy the database to FILE, also while the appliance runs."""
    from appliance.maintenance import backup_database

    click.echo(backup_database(_settings(data).data, file, terminal_words()))
