"""The story: Erika sets a site up, Anna helps Lena, and Erika reads what happened.

Everything is done by what a person sees: pages by their own words, the customer's desktop by its windows. Each wait is
for something that is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyotp
from playwright.sync_api import Browser, Page, expect

from appliance.words import Words, words
from tests.screenshots.album import Album
from tests.screenshots.people import colour, customers_desktop, paste_line, terminal, window
from tests.support.appliance import PASSWORD, Appliance
from tests.support.console import answer_question
from tests.support.desktop import VirtualDesktop, eventually

LETTER = {
    "en": "Dear Mr Hansen,\n\nhere are the figures that you asked for.\n\n",
    "de": "Sehr geehrter Herr Hansen,\n\nhier sind die Zahlen, um die Sie gebeten haben.\n\n",
}
FIGURES = {"en": "Spring  1,204\nSummer  1,391\n", "de": "Frühling  1.204\nSommer    1.391\n"}
HELLO = {"en": "Hello Lena, which letter is it?", "de": "Hallo Lena, welcher Brief ist es?"}
ANSWER = {"en": "The one to Mr Hansen. It is open.", "de": "Der an Herrn Hansen. Er ist offen."}
NOTES = {
    "en": "Letter to Hansen: the figures of the summer were missing.",
    "de": "Brief an Hansen: die Zahlen vom Sommer fehlten.",
}
UNDER_END_NOW = (880, 690)
"""A place on the customer's desktop where the client's red button is while a session lives."""
END_NOW = (0xAD, 0x21, 0x18)
SITE = "Nordwind IT"
COLLEAGUES = (("Anna Becker", "anna"), ("Ben Okafor", "ben"))
ADMIN = ("Erika Holm", "erika")


@dataclass
class Story:
    """One walk in one language, at an appliance that nobody has set up."""

    site: Appliance
    chromium: Browser
    album: Album
    folder: Path
    language: str = "en"

    @property
    def w(self) -> Words:
        """What everything is called."""
        return words(self.language)

    def walk(self) -> None:
        """From the set-up code to the audit log."""
        with window(self.chromium, self.language) as (_, admin):
            self.set_up(admin)
            links = [self.make_user(admin, *person) for person in COLLEAGUES]
            self.administer(admin)
            with window(self.chromium, self.language) as (_, anna):
                self.come_in(anna, links[0])
                self.help(anna)
                self.look_back(anna)
            self.read_the_log(admin)
            self.protect_the_account(admin)

    # -- the admin ---------------------------------------------------------------------------------------------------

    def set_up(self, page: Page) -> None:
        """Code, first admin, site."""
        page.goto(self.site.address)
        self.album.page(page, "setup-code")
        page.fill("#code", self.site.read_setup_code())
        page.keyboard.press("Enter")
        page.fill("#display_name", ADMIN[0])
        page.fill("#name", ADMIN[1])
        page.fill("#password", PASSWORD)
        page.fill("#again", PASSWORD)
        page.fill("#site_name", SITE)
        page.select_option("#language", self.language)
        self.album.look(page, "setup-site")
        page.get_by_role("button", name=self.w("setup.site.submit")).click()
        page.wait_for_url("**/login/overview")
        self.album.page(page, "admin-overview", whole=True)

    def make_user(self, page: Page, display_name: str, name: str) -> str:
        """A technician; their one-time sign-in link."""
        page.goto(f"{self.site.address}/login/users/new")
        page.fill("#display_name", display_name)
        page.fill("#name", name)
        page.select_option("#language", self.language)
        if name == COLLEAGUES[0][1]:
            self.album.page(page, "admin-user", whole=True)
        page.get_by_role("button", name=self.w("admin.users.create")).click()
        link = page.locator("#link").input_value()
        if name == COLLEAGUES[0][1]:
            self.album.page(page, "admin-user-link")
        return link

    def administer(self, page: Page) -> None:
        """A team, and the team as fallback queue."""
        page.goto(f"{self.site.address}/login/teams")
        self.album.look(page, "admin-teams-empty")
        page.fill("#name", "Helpdesk")
        page.get_by_role("button", name=self.w("admin.teams.create")).click()
        for display_name, _ in COLLEAGUES:
            page.get_by_role("checkbox", name=display_name).check()
        self.album.look(page, "admin-team")
        page.get_by_role("button", name=self.w("common.action.save")).click()
        page.goto(f"{self.site.address}/login/settings")
        page.select_option("#fallback_team_id", label="Helpdesk")
        page.get_by_role("button", name=self.w("common.action.save")).click()
        expect(page.get_by_role("status")).to_contain_text(self.w("admin.notice.saved"))
        self.album.page(page, "admin-settings", whole=True)

    def read_the_log(self, page: Page) -> None:
        """Users, sessions, and what is written down of all this."""
        for name in ("users", "teams", "sessions"):
            page.goto(f"{self.site.address}/login/{name}")
            self.album.look(page, f"admin-{name}")
        page.goto(f"{self.site.address}/login/audit")
        expect(page.locator("main")).to_contain_text(self.w("admin.audit.whole"))
        self.album.page(page, "admin-audit")

    def protect_the_account(self, page: Page) -> None:
        """Two-step sign-in, used once."""
        page.goto(f"{self.site.address}/login/account")
        self.album.look(page, "account")
        page.get_by_role("button", name=self.w("admin.account.totp.begin")).click()
        page.get_by_text(self.w("admin.account.totp.by_hand")).click()
        secret = page.locator(".key-text").inner_text().replace(" ", "")
        page.get_by_text(self.w("admin.account.totp.by_hand")).click()
        self.album.page(page, "account-two-step")
        page.fill("#code", pyotp.TOTP(secret).now())
        page.get_by_role("button", name=self.w("admin.account.totp.confirm")).click()
        code = page.locator("#codes li").first.inner_text()
        self.album.look(page, "account-codes")
        page.get_by_role("link", name=self.w("admin.account.codes.done")).click()
        page.goto(f"{self.site.address}/login/account/two-factor/remove")
        self.album.look(page, "account-two-step-off")
        page.get_by_role("button", name=self.w("common.nav.sign_out")).first.click()
        page.fill("#name", ADMIN[1])
        page.fill("#password", PASSWORD)
        self.album.look(page, "sign-in")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(self.w("admin.second_step.title"))
        self.album.look(page, "sign-in-second-step")
        page.fill("#code", code)
        page.keyboard.press("Enter")
        page.wait_for_url("**/login/overview")

    # -- the technician ----------------------------------------------------------------------------------------------

    def come_in(self, page: Page, link: str) -> None:
        """By the sign-in link; then to the console."""
        page.goto(link)
        page.fill("#password", PASSWORD)
        page.fill("#again", PASSWORD)
        self.album.look(page, "sign-in-link")
        page.keyboard.press("Enter")
        page.wait_for_url("**/console*")
        expect(page.locator("#link")).to_be_hidden()
        expect(page.locator("#session-empty")).to_be_visible()
        self.album.look(page, "console-start")
        page.goto(link)
        self.album.look(page, "sign-in-link-gone")
        page.goto(f"{self.site.address}/console")
        expect(page.locator("#session-empty")).to_be_visible()

    def help(self, page: Page) -> None:
        """One session from the key to its end."""
        page.get_by_role("button", name=self.w("console.key.create")).click()
        expect(page.locator(".big-key")).to_be_visible()
        key = "".join(page.locator(".key-character > span").all_inner_texts())
        home = self.folder / "lena"
        home.mkdir()
        with customers_desktop(home, LETTER[self.language]) as desktop:
            with terminal(desktop, home, self.language), window(self.chromium, self.language) as (_, portal):
                self.album.page(page, "console-key")
                line = self.type_the_key(portal, key)
                expect(page.locator(".key-steps .done")).to_have_count(1)
                self.album.look(page, "console-key-typed")
                paste_line(desktop, line, self.folder)
                desktop.window(SITE, 30)
                accept = page.locator("#waiting-list").get_by_role("button")
                expect(accept).to_be_visible()
                expect(portal.get_by_role("status")).to_contain_text(self.w("portal.state.connected"))
                self.album.page(page, "console-waiting")
                self.album.desktop(desktop, "client-waiting")
                self.album.look(portal, "portal-connected")
                accept.click()
                self.session(page, desktop)
                expect(portal.get_by_role("status")).to_contain_text(self.w("portal.state.ended"))
                self.album.look(portal, "portal-ended")
            eventually(lambda: not list(home.glob("beistand-*")))

    def session(self, page: Page, desktop: VirtualDesktop) -> None:
        """Seen, controlled, written in, ended."""
        question = desktop.window(self.w("client.question.title"))
        expect(page.locator(".placard h2")).to_be_visible()
        self.album.look(page, "console-asking")
        eventually(lambda: desktop.run("xdotool", "getwindowgeometry", question))
        self.album.desktop(desktop, "client-question")
        answer_question(desktop, title=self.w("client.question.title"))
        expect(page.locator(".desktop")).to_be_visible()

        chat = page.get_by_role("textbox", name=self.w("console.chat.label"))
        chat.fill(HELLO[self.language])
        chat.press("Enter")
        expect(page.locator(".bubble:not(.pending)")).to_have_count(1)
        self.write_back(desktop)
        expect(page.locator(".bubble")).to_have_count(2)

        page.get_by_role("button", name=self.w("console.control.request")).click()
        answer_question(desktop, title=self.w("client.question.title"))
        expect(page.get_by_role("button", name=self.w("console.control.give_back"))).to_be_visible()
        self.type_into_the_letter(page, desktop)
        self.album.page(page, "console-session")
        assert colour(desktop, *UNDER_END_NOW) == END_NOW
        self.album.desktop(desktop, "client-session")

        page.locator(f"summary[aria-label='{self.w('console.keys.label')}']").click()
        self.album.page(page, "console-keys")
        page.keyboard.press("Escape")
        page.locator(".delay-menu summary").click()
        self.album.page(page, "console-delay")
        page.keyboard.press("Escape")
        page.get_by_role("tab", name=self.w("console.rail.details")).click()
        self.album.look(page, "console-details")
        page.get_by_role("tab", name=self.w("console.rail.notes")).click()
        page.get_by_role("textbox", name=self.w("console.notes.label")).fill(NOTES[self.language])
        expect(page.get_by_role("status").filter(has_text=self.w("console.notes.saved"))).to_be_visible()
        self.album.look(page, "console-notes")

        page.locator(".tools summary", has_text=self.w("console.session.end")).last.click()
        self.album.look(page, "console-end")
        page.get_by_role("button", name=self.w("console.reason.solved"), exact=True).click()
        expect(page.get_by_role("heading", name=self.w("console.session.over"))).to_be_visible()
        self.album.look(page, "console-ended")
        eventually(lambda: colour(desktop, *UNDER_END_NOW) != END_NOW)
        self.album.desktop(desktop, "client-ended")
        page.get_by_role("button", name=self.w("console.session.close"), exact=True).click()

    def write_back(self, desktop: VirtualDesktop) -> None:
        """The customer answers in the client's window, whose field for that has the keyboard first."""
        client = desktop.window(SITE)
        desktop.run("xdotool", "windowfocus", "--sync", client)
        desktop.run("xdotool", "type", "--delay", "4", ANSWER[self.language])
        desktop.run("xdotool", "key", "Return")

    def type_into_the_letter(self, page: Page, desktop: VirtualDesktop) -> None:
        """Click below the letter's last line, type, save; the customer's file has it."""
        letter = self.folder / "lena" / "letter.txt"
        box = page.locator(".desktop").bounding_box()
        assert box
        scale = box["width"] / 1280
        page.locator(".desktop").click(position={"x": 300 * scale, "y": 400 * scale})
        eventually(lambda: "letter.txt" in desktop.run("xdotool", "getactivewindow", "getwindowname"))
        page.keyboard.press("Control+End")
        page.keyboard.type(FIGURES[self.language])
        page.keyboard.press("Control+s")
        eventually(lambda: letter.read_text("utf-8").rstrip().endswith(FIGURES[self.language].rstrip()))

    def look_back(self, page: Page) -> None:
        """The past sessions, and the recording of this one."""
        page.get_by_role("link", name=self.w("console.past.title")).click()
        expect(page.locator("#past-list table")).to_be_visible()
        self.album.look(page, "console-past")
        page.keyboard.press("?")
        self.album.look(page, "console-shortcuts")
        page.keyboard.press("Escape")
        page.get_by_role("link", name=self.w("console.past.play")).first.click()
        expect(page.locator("#screen")).to_be_visible()
        page.get_by_role("slider").press("End")
        expect(page.locator("#time")).to_have_text(page.locator("#length").inner_text())
        self.album.page(page, "console-playback")

    # -- the customer ------------------------------------------------------------------------------------------------

    def type_the_key(self, page: Page, key: str) -> str:
        """On the portal; the line for the terminal."""
        page.goto(self.site.address)
        page.keyboard.type("abO")
        expect(page.locator("#key-error")).to_be_visible()
        self.album.look(page, "portal-look-alike")
        page.locator("#key").fill("")
        page.keyboard.type(key)
        self.album.page(page, "portal-key")
        page.keyboard.press("Enter")
        page.wait_for_url("**/start")
        expect(page.get_by_role("status")).to_contain_text(self.w("portal.state.opened"))
        self.album.page(page, "portal-start", whole=True)
        page.get_by_role("button", name=self.w("portal.start.copy")).click()
        return str(page.evaluate("navigator.clipboard.readText()"))
