"""`beistand user reset`'s work, beside a running server and without one."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from appliance.identity import Entered, Link
from appliance.identity.reset import reset_user
from appliance.store import Audit, Store, StoreError
from appliance.wire.messages import Refusal
from tests.support.house import BOBS, site


async def test_beside_a_running_server_the_user_is_out_at_once_and_comes_back_with_the_link(tmp_path: Path) -> None:
    async with site(tmp_path) as house:
        told: list[str] = []
        house.identity.on_signed_out.append(lambda user_id, session_id: told.append(session_id))
        stop = trio.Event()

        async def busy() -> None:
            while not stop.is_set():
                await house.audit.record("store.test")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(busy)
            link = await reset_user(tmp_path, "BOB", house.clock)
            stop.set()
        assert isinstance(link, Link)
        assert await house.identity.authenticate(house.bobs_cookie) is None
        await house.identity.sessions.sweep()
        assert told == [house.bob.session_id]
        assert isinstance(await house.identity.sign_in("bob", BOBS), Refusal)
        assert isinstance(await house.identity.use_link(link.token, "five orange radishes"), Entered)
        assert (await house.audit.page(kind="identity.user_reset"))[0].subject == "bob"
        assert (await house.audit.verify()).whole


async def test_without_a_server_too_and_the_last_admin_as_well(tmp_path: Path) -> None:
    async with site(tmp_path) as house:
        clock = house.clock
    link = await reset_user(tmp_path, "anna", clock)
    assert isinstance(link, Link)
    store = await Store.open(tmp_path)
    assert (await Audit(store, clock).verify()).whole
    await store.aclose()


async def test_an_unknown_name_and_an_empty_folder_are_said(tmp_path: Path) -> None:
    async with site(tmp_path / "data") as house:
        assert await reset_user(tmp_path / "data", "nobody", house.clock) == Refusal(
            reason="identity.user.unknown", args={"name": "nobody"}
        )
    with pytest.raises(StoreError) as caught:
        await reset_user(tmp_path / "typo", "anna", lambda: 0.0)
    assert caught.value.code == "store.none"
