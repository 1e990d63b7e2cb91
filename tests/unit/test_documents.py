"""The documents name everything there is, and nothing that is not there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from appliance.cli import ExitCode, cli
from appliance.config import SETTINGS
from appliance.store import SiteSettings
from appliance.words import words

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def names(path: Path) -> str:
    """A test's id for a document."""
    return str(path.relative_to(ROOT))


def links(document: Path) -> list[str]:
    """Where a document's links and pictures lead."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.S)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as they are made where Markdown is shown."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def verbs(command: click.Command, prefix: str = "beistand") -> list[str]:
    """Every verb of the command, in full."""
    if not isinstance(command, click.Group):
        return [prefix]
    return [verb for name, sub in command.commands.items() for verb in verbs(sub, f"{prefix} {name}")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_every_file_that_is_named_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    tops = "appliance|clients|demo|docs|requirements|tests|web"
    for path in re.findall(rf"`((?:{tops})/[\w./-]+)`", text):
        roots = (ROOT, ROOT / "appliance", ROOT / "clients")
        made = path == "docs/performance.md"  # by `make bench` and a person
        pattern = "LANGUAGE" in path or "NNNN" in path
        assert made or pattern or any((root / path).exists() for root in roots), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    text = document.read_text(encoding="utf-8")
    named = re.findall(r"`make ([a-z -]+?)`", text) + re.findall(
        r"^    (?:sudo )?make ([a-z -]+?)(?:  .*)?$", text, re.M
    )
    for line in named:
        assert set(line.split()) <= targets, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_every_beistand_command_that_is_named_exists(document: Path) -> None:
    known = verbs(cli)
    for line in re.findall(
        r"(?<![\w./-])(?:\S*/)?beistand ((?:serve|user|recording|audit|backup)\b[a-z ]*)", code(document)
    ):
        assert any(f"beistand {line} ".startswith(f"{verb} ") for verb in known), line


def code(document: Path) -> str:
    """What stands in backquotes or indented, a line each."""
    found = re.findall(r"`([^`]+)`|^    (.+)$", document.read_text(encoding="utf-8"), re.M)
    return "\n".join(first or second for first, second in found)


def test_the_readme_names_every_verb_and_every_exit_code() -> None:
    for verb in verbs(cli):
        assert f"| `{verb}" in README, verb
    for code in ExitCode:
        assert re.search(rf"^\| {code.value} \|", README, re.M), code


def test_the_readme_names_every_setting_by_flag_environment_and_file() -> None:
    for setting in SETTINGS:
        row = next((line for line in README.splitlines() if line.startswith(f"| `{setting.flag} ")), "")
        assert f"| `{setting.environment}` | `{setting.name}` |" in row, setting.name
        if setting.default:
            assert f"| `{setting.default}` |" in row, setting.name
    flags = {option for parameter in cli.commands["serve"].params for option in parameter.opts}
    assert flags - {"--config", "--help"} == {setting.flag for setting in SETTINGS}


def test_the_readme_says_of_every_dependency_why_it_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [project["build-system"]["requires"], project["project"]["dependencies"]]
    lists += project["project"]["optional-dependencies"].values()
    python = {match[0].lower() for one in lists for item in one if (match := re.match(r"[A-Za-z0-9-]+", item))}
    package = json.loads((ROOT / "package.json").read_text())
    browser = {*package.get("dependencies", {}), *package.get("devDependencies", {})}
    section = README.partition("## Dependencies")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([\w, -]+) \| (.+) \|$", section, re.M)
    said = {name.strip() for names_, why in rows if why != "why" for name in names_.split(",")}
    assert said == python | browser


def test_the_admins_guide_explains_every_setting_of_the_site() -> None:
    guide = (ROOT / "docs" / "admin.md").read_text(encoding="utf-8").lower()
    rows = {
        "site_name": "name of the site",
        "host_names": "public host names",
        "time_zone": "time zone",
        "language": "language",
        "key_length": "length of keys",
        "key_minutes": "keys valid for",
        "consent_once": "ask the customer once",
        "record_sessions": "record sessions",
        "resume_seconds": "time to come back",
        "idle_minutes": "sign out when idle",
        "absolute_hours": "in any case",
        "session_idle_minutes": "end an idle session",
        "session_hours": "any session",
        "fallback_team_id": "fallback queue",
    }
    assert set(rows) == set(SiteSettings.__struct_fields__)
    for row in rows.values():
        assert row in guide, row


def test_the_technicians_guide_has_every_shortcut() -> None:
    guide = (ROOT / "docs" / "technician.md").read_text(encoding="utf-8")
    table = (ROOT / "appliance/web/console/static/shortcuts.js").read_text()
    shortcuts = re.findall(r'\["(.)", "(console\.shortcuts\.\w+)"', table)
    assert len(shortcuts) > 5
    w = words("en")
    for key, text in shortcuts:
        assert f"| `{key}` | {w(text).lower()} |" in guide.lower(), (key, w(text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_no_document_names_a_place_that_its_reader_does_not_have(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    places = re.findall(r"(?<![\w./~-])/(?:work|root|home|tmp|build)/[\w./-]*|\.\./shared[\w./]*", text)
    assert not places


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_the_documents_use_plain_words(document: Path) -> None:
    text = re.sub(r"`[^`]*`|!\[|<!--.*?-->", "", document.read_text(encoding="utf-8"), flags=re.S)
    assert "!" not in text, "no exclamation marks"
    for word in ("simply", "powerful", "seamless", "blazing", "easy to use", "cutting-edge", "TODO"):
        assert word.lower() not in text.lower(), word


def test_the_example_of_a_service_is_as_closed_as_it_is_said_to_be() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = ROOT / "docs" / "systemd" / "beistand.service"
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", unit], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    argv = re.findall(r"^ExecStart=\S+/beistand serve (.+)$", unit.read_text(), re.M)[0].split()
    flags = {option for parameter in cli.commands["serve"].params for option in parameter.opts}
    assert {word for word in argv if word.startswith("--")} <= flags
