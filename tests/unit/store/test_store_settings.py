from __future__ import annotations

import pytest

from appliance.domain.keys import MAX_LENGTH, MIN_LENGTH
from appliance.store import Settings, SettingsError, SiteSettings, Store
from appliance.words import LANGUAGES, words


async def test_a_new_site_has_the_defaults_and_is_not_set_up(store: Store) -> None:
    settings = await Settings.load(store)
    assert settings.current == SiteSettings()
    assert not settings.is_set_up


async def test_a_change_is_in_force_told_and_kept(store: Store) -> None:
    settings = await Settings.load(store)
    told: list[SiteSettings] = []
    settings.on_change.append(told.append)
    await settings.change(site_name="Hilfe", key_minutes=30)
    assert settings.current.site_name == "Hilfe"
    assert told == [settings.current]
    assert (await Settings.load(store)).current == settings.current
    assert not (await Settings.load(store)).is_set_up


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"site_name": "  "}, "store.settings.value"),
        ({"site_name": "x" * 81}, "store.settings.value"),
        ({"site_name": "turn\u202eed"}, "store.settings.site_name"),
        ({"key_length": MIN_LENGTH - 1}, "store.settings.value"),
        ({"key_length": MAX_LENGTH + 1}, "store.settings.value"),
        ({"key_minutes": 0}, "store.settings.value"),
        ({"key_minutes": "10"}, "store.settings.value"),
        ({"host_names": ()}, "store.settings.no_host_name"),
        ({"host_names": ("https://a.example",)}, "store.settings.host_name"),
        ({"host_names": ("a.example:8443",)}, "store.settings.host_name"),
        ({"host_names": ("a..example",)}, "store.settings.host_name"),
        ({"host_names": ("-a.example",)}, "store.settings.host_name"),
        ({"host_names": ("$(id)",)}, "store.settings.host_name"),
        ({"time_zone": "Mars/Olympus"}, "store.settings.time_zone"),
        ({"time_zone": "../../etc/passwd"}, "store.settings.time_zone"),
        ({"language": "xx"}, "store.settings.language"),
    ],
)
async def test_a_value_that_cannot_be_changes_nothing_and_is_named(
    store: Store, fields: dict[str, object], reason: str
) -> None:
    settings = await Settings.load(store)
    with pytest.raises(SettingsError) as caught:
        await settings.change(**{"key_minutes": 20, **fields})
    assert caught.value.field in fields
    assert caught.value.reason == reason
    for language in LANGUAGES:
        assert words(language)(caught.value.reason, **caught.value.message_args)
    assert settings.current == SiteSettings() == (await Settings.load(store)).current


async def test_host_names_are_kept_as_browsers_send_them(store: Store) -> None:
    settings = await Settings.load(store)
    await settings.change(
        host_names=("Hilfe.Example.", "bücher.example", "hilfe.example", "192.0.2.1", "[2001:DB8::1]")
    )
    assert settings.current.host_names == ("hilfe.example", "xn--bcher-kva.example", "192.0.2.1", "2001:db8::1")


async def test_settings_of_a_later_release_are_read_by_this_one(store: Store) -> None:
    await store.write(
        lambda db: db.executescript('INSERT INTO settings VALUES (1, \'{"site_name": "X", "new": 1}\', 1.0)')
    )
    settings = await Settings.load(store)
    assert settings.current.site_name == "X"
    assert settings.is_set_up
