"""A form keeps what was typed, and says what is wrong with it."""

from __future__ import annotations

import pytest

from appliance.web.shared.forms import Form
from appliance.wire.messages import Refusal


def test_a_line_is_trimmed_and_composed() -> None:
    form = Form.filled(name="  Jose\u0301 ")
    assert form.text("name", maximum=10) == "José"
    assert form.ok


@pytest.mark.parametrize("typed", ["a\0b", "a\nb", "a\u202eb", "a\u200bb", "\ud800"])
def test_a_line_with_characters_that_do_not_show_is_refused_and_kept(typed: str) -> None:
    form = Form.filled(name=typed)
    assert form.text("name", maximum=10) == ""
    assert form.errors["name"][0] == "common.form.characters"
    assert form.value("name") == typed


def test_what_is_missing_or_too_long_is_said() -> None:
    form = Form.filled(a="", b="x" * 11)
    form.text("a", maximum=10)
    form.text("b", maximum=10)
    assert form.errors == {"a": ("common.form.required", {}), "b": ("common.form.too_long", {"n": 10})}


@pytest.mark.parametrize("typed", ["", "6", "10", "7.5", "٧", "-8", "8" * 5000, " 8 8"])
def test_a_number_out_of_bounds_is_refused(typed: str) -> None:
    form = Form.filled(n=typed)
    form.number("n", 7, 9)
    assert form.errors["n"] == ("common.form.number", {"low": 7, "high": 9})


def test_a_secret_is_not_shown_again() -> None:
    form = Form.filled(password="hunter2")
    assert form.secret("password") == "hunter2"
    assert form.value("password") == ""


def test_a_refusal_goes_to_the_field_it_is_about() -> None:
    form = Form()
    form.refused(Refusal(reason="identity.password.common"), "name", password="password")
    form.refused(Refusal(reason="identity.user.name_taken", args={"name": "x"}), "name", password="password")
    assert form.errors == {
        "password": ("identity.password.common", {}),
        "name": ("identity.user.name_taken", {"name": "x"}),
    }
