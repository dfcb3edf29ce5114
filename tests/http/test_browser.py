"""The page in a real browser: both languages, both widths, whatever comes over the air.

The gateway behind it is whole (`tests.http.house`); what a test reads is what a person
would see.  ``GDEMOI_SCREENSHOTS=docs`` makes the pictures of the documents anew.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import MessageClass
from tests.http.chromium import ORIGIN, answered_by, launched
from tests.http.house import REFUSED, TOKEN, TRACKER, VIEWER, House

ROOT = Path(__file__).resolve().parents[2]
WIDE, NARROW = (1600, 1000), (360, 740)
LOCALES = {"en": "en-GB", "ru": "ru-RU"}
HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
# What a person with a keyboard or a screen reader meets: each control has a name.
NAMELESS = """() => [...document.querySelectorAll('button, a, input, select, textarea')]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.textContent.trim() || one.getAttribute('aria-label')
    || [...(one.labels ?? [])].some((label) => label.textContent.trim())))
  .map((one) => one.outerHTML)"""
# Words whose colour stands out too little (WCAG 2.2, 1.4.3: 4.5 to 1).
PALE = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const [r, g, b] = parse(text).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!(parse(color)[3] < 1)) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('main *')]
    .filter((one) => one.checkVisibility())
    .filter((one) => [...one.childNodes].some((c) => c.nodeType === 3 && c.data.trim()))
    .filter((one) => !one.closest('option'))
    .map((one) => {
      const both = [light(getComputedStyle(one).color), light(back(one))];
      const [a, b] = both.sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), one.outerHTML.slice(0, 120)];
    }).filter(([ratio]) => ratio < 4.5);
}"""


class BrowserCase(SynchronousTestCase):
    """One browser for all tests of a class, a gateway for each."""

    browser: ClassVar[Any] = None
    _stack: ClassVar[ExitStack]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls._stack = ExitStack()
        cls.browser = cls._stack.enter_context(launched())

    @classmethod
    def tearDownClass(cls) -> None:
        cls._stack.close()
        super().tearDownClass()

    def setUp(self) -> None:
        self.down = False
        self.faults: list[str] = []
        self.begin()

    def begin(self, **settings: Any) -> None:
        """Let a gateway run, in place of the one before."""
        self.house = House(**settings)
        self.addCleanup(self.house.close)

    def open(
        self,
        at: str = "",
        language: str = "en",
        size: tuple[int, int] = WIDE,
        token: str = TOKEN,
        **more: Any,
    ) -> Any:
        """Open the page and give it the token; faults of the page fail the test."""
        context = self.browser.new_context(
            locale=LOCALES[language],
            viewport={"width": size[0], "height": size[1]},
            **more,
        )
        self.addCleanup(context.close)
        context.set_default_timeout(30_000)
        answered_by(context, self.house, lambda: self.down)
        page = context.new_page()
        page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        page.on("console", self._said)
        page.goto(f"{ORIGIN}/{at}")
        page.locator("#token").fill(token)
        page.locator("#login button").click()
        page.locator("#main").wait_for(state="visible")
        self.addCleanup(lambda: self.assertEqual(self.faults, []))
        return page

    def _said(self, message: Any) -> None:
        # the page finds out by asking that a token is needed
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def go(self, page: Any, section: str) -> None:
        """Go to a section by its address."""
        page.evaluate("to => { location.hash = to }", section)
        page.locator(f"#section-{section.partition('/')[0]}").wait_for(state="visible")

    def sees(self, page: Any, *words: str, within: str = "body") -> None:
        """Wait until each of these words is there to be read."""
        for word in words:
            page.locator(within, has_text=word).first.wait_for(state="visible")

    def confirm(self, page: Any, *typed: str) -> None:
        """Say yes in the dialog."""
        for text in typed:
            page.locator("#dialog input").fill(text)
        page.locator("#dialog button.main").click()


class OverviewTests(BrowserCase):
    def test_every_size_language_and_light(self) -> None:
        """Nothing sticks out, nothing is pale, everything has a name."""
        for minute, count in enumerate((3, 1, 4, 1, 5, 9, 2, 6)):
            for number in range(count):
                self.house.send(f"m-{minute}-{number}", "where?")
            self.house.pass_time(60)
            # as the loop of the service does
            self.house.gateway.watch.look()
        self.house.send("m1", "where?")
        self.house.send("m2", "x", to=f"+{REFUSED}")
        words = {
            "en": ("what to do", "last error", "ESME_RINVDSTADR", "country code"),
            "ru": ("что делать", "последняя ошибка", "ESME_RINVDSTADR", "код страны"),
        }
        for language, size, scheme in (
            ("en", WIDE, "light"), ("ru", WIDE, "dark"),
            ("en", NARROW, "dark"), ("ru", NARROW, "light"),
        ):  # fmt: skip
            page = self.open(language=language, size=size, color_scheme=scheme)
            self.sees(page, *words[language], "+79000000000", "POL")
            self.assertEqual(page.evaluate("document.documentElement.lang"), language)
            for section in ("overview", "messages", "message/m1", "send", "events"):
                self.go(page, section)
                if section.startswith("message/"):
                    page.locator("#told table").first.wait_for()
                where = f"{language} {size} {scheme} {section}"
                wide = page.evaluate("document.documentElement.scrollWidth")
                self.assertLessEqual(wide, size[0], where)
                self.assertEqual(page.evaluate(NAMELESS), [], where)
                self.assertEqual(page.evaluate(PALE), [], where)
            self.picture(page, language, size)

    def picture(self, page: Any, language: str, size: tuple[int, int]) -> None:
        """Keep what one sees, when asked to."""
        folder = os.environ.get("GDEMOI_SCREENSHOTS")
        if folder:
            self.go(page, "overview")
            width = "wide" if size == WIDE else "narrow"
            path = ROOT / folder / f"page-{language}-{width}.png"
            page.screenshot(path=path, full_page=True)

    def test_what_a_channel_tells(self) -> None:
        """Queue, rate, the day, signal, and the hour as a picture with words."""
        self.house.send("m1", "where?")
        page = self.open()
        card = page.locator("#channel-carrier")
        self.sees(page, "delivered 1", "0.02/s", "no limit", within="#channel-carrier")
        hour = card.locator("svg.plot")
        self.assertIn("1 sent, 1 delivered, 0 failed", hour.get_attribute("aria-label"))
        self.assertEqual(hour.locator("rect.p-sent").count(), 1)
        signals = page.locator("#channel-office svg.signal")
        labels = [one.get_attribute("aria-label") for one in signals.all()]
        self.assertEqual(labels, ["signal 21 of 31", "signal 4 of 31"])
        lit = page.locator("#channel-office .line").first.locator("rect.lit")
        self.assertEqual(lit.count(), 4)

    def test_the_other_language(self) -> None:
        """The switch changes all words at once, and is remembered."""
        page = self.open(language="en")
        self.sees(page, "no limit")
        page.locator("#languages button[lang=ru]").click()
        self.sees(page, "без предела", "обзор")
        page.reload()
        self.sees(page, "без предела")
        self.assertEqual(page.locator("#name").text_content(), "gdemoi-1")

    def test_a_keyboard_is_enough(self) -> None:
        """Tab, Enter and Escape; the focus stays while figures change."""
        page = self.open()
        pause = page.locator("#channel-carrier button", has_text="pause")
        pause.focus()
        page.keyboard.press("Enter")
        self.sees(page, "Pause the channel?", within="#dialog")
        page.keyboard.press("Escape")
        page.locator("#dialog").wait_for(state="hidden")
        self.assertFalse(self.house.dispatcher.lanes["carrier"].paused)
        pause.focus()
        self.house.send("m1", "where?")
        self.sees(page, "delivered 1", within="#channel-carrier")
        focused = page.evaluate("document.activeElement.textContent")
        self.assertEqual(focused, "pause")

    def test_a_gateway_that_is_away(self) -> None:
        """The page says so, and goes on when it is back."""
        page = self.open()
        self.down = True
        self.sees(page, "no answer", within="#ready")
        self.down = False
        self.sees(page, "ready", within="#ready")

    def test_a_wrong_token(self) -> None:
        """It is asked for again."""
        page = self.open()
        page.evaluate("sessionStorage.setItem('token', 'wrong')")
        self.sees(page, "this token is wrong")
        page.locator("#main").wait_for(state="hidden")

    def test_what_was_folded_stays_folded(self) -> None:
        """Also when the card is drawn anew because figures have changed."""
        self.house.gateway.describe_doors = lambda: [
            {"kind": "account", "name": "fleet", "taken": 7, "submitted": None}
        ]
        page = self.open()
        page.locator("#channel-carrier summary").click()
        page.locator("#doors summary").click()
        self.house.send("m1", "where?")
        self.sees(page, "delivered 1", within="#channel-carrier")
        self.assertFalse(page.locator("#channel-carrier .line").first.is_visible())
        self.sees(page, "fleet", within="#doors")

    def test_alerts_come_first(self) -> None:
        """What is wrong now stands above all channels."""
        alert = {"name": "carrier", "subject": "away", "channel": "away",
                 "when": "channel_down > 2m", "text": "channel away is down",
                 "since": self.house.clock.seconds()}  # fmt: skip
        self.house.gateway.active_alerts = lambda: [alert]
        page = self.open()
        self.sees(page, "channel away is down", within="#alerts")
        # what is the same is not read out again
        page.evaluate("window.first = document.querySelector('#alertlist li')")
        self.house.send("m1", "where?")
        self.sees(page, "delivered 1", within="#channel-carrier")
        self.assertTrue(page.evaluate("window.first.isConnected"))


class OperatingTests(BrowserCase):
    def test_pause_and_resume(self) -> None:
        """After a question, and not without."""
        page = self.open()
        lane = self.house.dispatcher.lanes["carrier"]
        page.locator("#channel-carrier button", has_text="pause").click()
        page.locator("#dialog button", has_text="no").click()
        self.assertFalse(lane.paused)
        page.locator("#channel-carrier button", has_text="pause").click()
        self.confirm(page)
        self.sees(page, "paused", within="#channel-carrier")
        self.assertTrue(lane.paused)
        page.locator("#channel-carrier button", has_text="resume").click()
        self.confirm(page)
        self.sees(page, "up", within="#channel-carrier header")
        self.assertFalse(lane.paused)

    def test_hurry(self) -> None:
        """A bind that waits is tried at once."""
        page = self.open()
        page.locator("#channel-away button", has_text="hurry").click()
        self.confirm(page)
        self.sees(page, "connecting", within="#said")
        self.assertIn(
            ("POST", "/v1/channels/away/lines/transceiver/hurry"), self.house.requests
        )

    def test_a_line_dials_and_reboots(self) -> None:
        """USSD with the code that was typed; the answer is shown."""
        page = self.open()
        line = page.locator("#channel-office .line").first
        line.locator("button", has_text="USSD").click()
        self.confirm(page, "*102#")
        self.sees(page, "answer", within="#said")
        self.assertIn(
            ("POST", "/v1/channels/office/lines/sim1/ussd"), self.house.requests
        )
        line.locator("button", has_text="reboot").click()
        with page.expect_response("**/reboot") as rebooted:
            self.confirm(page)
        self.assertEqual(rebooted.value.status, 200)
        self.assertIn(
            ("POST", "/v1/channels/office/lines/sim1/reboot"), self.house.requests
        )

    def test_cancel(self) -> None:
        """A message that waits is taken back, from its story."""
        self.house.send("late", "x", not_before=self.house.clock.seconds() + 900)
        page = self.open("#message/late")
        page.locator("#told button", has_text="cancel").click()
        self.confirm(page)
        self.sees(page, "cancelled", within="#told")
        told = self.house.result(self.house.gateway.story("late"))
        self.assertEqual(told["state"], "cancelled")

    def test_a_trace_goes_on(self) -> None:
        """PDUs as they pass; a channel without a trace says so."""
        page = self.open("#trace/carrier")
        self.sees(page, "Bind", within="#trace-lines")
        self.house.send("m1", "unheard of")
        self.sees(page, "unheard of", within="#trace-lines")
        with page.expect_download() as download:
            page.locator("#trace-buttons button", has_text="pcap").click()
        self.assertEqual(download.value.suggested_filename, "carrier.pcap")
        self.go(page, "trace/office")
        self.sees(page, "no trace", within="#trace-lines")


class MessagesTests(BrowserCase):
    def test_finding(self) -> None:
        """By number, text, state and channel; page by page; by id at once."""
        for number in range(60):
            self.house.send(f"m{number}", "hello", to=f"+7916123450{number % 10}")
        self.house.send("one", "Где ты?")
        page = self.open("#messages")
        page.locator("#find button").click()
        rows = page.locator("#found tbody tr")
        self.sees(page, "one", within="#found")
        self.assertEqual(rows.count(), 50)
        page.locator("#found-more button").click()
        rows.nth(60).wait_for()
        self.assertEqual(
            (rows.count(), page.locator("#found-more button").count()), (61, 0)
        )
        page.locator("#find-text").fill("ГДЕ")
        page.locator("#find button").click()
        rows.nth(1).wait_for(state="detached")
        self.assertEqual(rows.count(), 1)
        page.locator("#find-state").select_option("rejected")
        page.locator("#find button").click()
        self.sees(page, "nothing found")
        page.locator("#find-id").fill("one")
        page.locator("#find button").click()
        self.sees(page, "Где ты?", within="#told")

    def test_a_story(self) -> None:
        """Attempts, ids, receipts, the answer, octets and what they mean."""
        long = "Где ты? " * 20 + "?"
        self.house.send("m1", long)
        page = self.open("#message/m1")
        self.sees(
            page, "delivered", "segment 3 of 3", "part 3 of 3", "id:1003",
            "inbound answers", "OK ? Где ты?", within="#told",
        )  # fmt: skip
        page.locator("#told summary", has_text="PDU").first.click()
        self.sees(page, "destination_addr", "79161234567", "esm_class", within="#told")
        texts = page.locator("#told .segment > .scroll tr:last-child .pre")
        self.assertEqual("".join(texts.all_text_contents()), long)

    def test_what_a_number_said_after_a_notification(self) -> None:
        """Nobody calls it an answer, and it is there to be read."""
        notes = MessageClass.NOTIFICATION
        self.house.send("m1", "where are you?", class_=notes)
        page = self.open("#message/m1")
        self.sees(page, "within a day", "OK where are you", within="#told")

    def test_what_to_do_stands_beside_an_error(self) -> None:
        """In the language of the page."""
        self.house.send("m1", "x", to=f"+{REFUSED}")
        page = self.open("#message/m1", language="ru")
        self.sees(page, "smpp:0x0B", "что делать", "код страны", within="#told")

    def test_an_unknown_message(self) -> None:
        """The API's own words."""
        page = self.open("#message/nobody")
        self.sees(page, "there is no message nobody", within="#told")

    def test_hostile_texts(self) -> None:
        """What came over the air is text, wherever it stands."""
        self.house.send("m1", HOSTILE)
        self.house.send("m2", HOSTILE + "?")
        self.house.channel_says(HOSTILE)
        page = self.open("#message/m1")
        self.sees(page, "<img src=x", within="#told")
        for section in (
            "overview",
            "events",
            "message/m2",
            "messages",
            "trace/carrier",
        ):
            self.go(page, section)
            if section == "messages":
                page.locator("#find-text").fill("<img")
                page.locator("#find button").click()
                self.sees(page, "m2", within="#found")
        self.sees(page, "<script>", within="#trace-lines")
        self.assertIsNone(page.evaluate("window.hacked ?? null"))
        self.assertEqual(page.locator("main img, main script").count(), 0)


class SendingTests(BrowserCase):
    def fill(self, page: Any, to: str, text: str, class_: str) -> None:
        page.locator("#send-to").fill(to)
        page.locator("#send-class").select_option(class_)
        page.locator("#send-text").fill(text)

    def test_segments_are_counted_as_one_types(self) -> None:
        """Charset, segments, route and the PDU, before anything is sent."""
        page = self.open("#send")
        self.fill(page, "+79161234567", "a" * 160, "notification")
        self.sees(page, "1 (160 units)", "gsm8", within="#explained")
        page.locator("#send-text").fill("a" * 161)
        self.sees(page, "2 (153 + 8 units)", within="#explained")
        page.locator("#send-text").fill("я")
        self.sees(page, "ucs2", "1 (1 units)", within="#explained")
        page.locator("#explained summary", has_text="PDU").first.click()
        self.sees(page, "04 4f", within="#explained")
        page.locator("#send-to").fill("12")
        self.sees(page, "what to do", within="#explained")
        self.assertNotIn(("POST", "/v1/messages"), self.house.requests)

    def test_a_command_is_asked_about(self) -> None:
        """With its number and each of its signs; no is no, yes sends it once."""
        page = self.open("#send")
        self.fill(page, TRACKER, "  setdigout 1", "command")
        page.locator("#send-button").click()
        quoted = page.locator("#dialog pre").text_content()
        self.assertEqual(quoted, f"{TRACKER}\n  setdigout 1")
        page.locator("#dialog button", has_text="no").click()
        self.assertNotIn(("POST", "/v1/messages"), self.house.requests)
        page.locator("#send-button").click()
        self.confirm(page)
        self.sees(page, "accepted", within="#said")
        self.house.pass_time(3)
        taken = [one.text for one in self.house.smsc.taken]
        self.assertEqual(taken, ["  setdigout 1"])

    def test_an_answer_that_is_lost(self) -> None:
        """Whoever presses again sends the same message, and it leaves once."""
        page = self.open("#send")
        self.fill(page, "+79161234567", "hello", "notification")
        self.sees(page, "1 (5 units)", within="#explained")
        self.house.loses_answers = True
        page.locator("#send-button").click()
        self.sees(page, "nobody knows", within="#said")
        self.house.loses_answers = False
        page.locator("#send-button").click()
        self.sees(page, "taken before", within="#said")
        found = self.house.result(self.house.journal.search({}, 10))[0]
        self.assertEqual(len(found), 1)

    def test_what_the_profile_finds(self) -> None:
        """Before it is too late."""
        page = self.open("#send")
        self.fill(page, TRACKER, "setdigout 1", "command")
        self.sees(page, "teltonika", "leading_space", within="#explained")

    def test_no_form(self) -> None:
        """`page_send = no`: neither link nor form."""
        self.begin(page_send=False)
        page = self.open("#send")
        self.sees(page, "messages", within="#sections")
        page.locator("#sections a", has_text="send").wait_for(state="hidden")
        self.assertFalse(page.locator("#sendform").is_visible())


class ViewerTests(BrowserCase):
    def test_looking_only(self) -> None:
        """No texts and no buttons, and the gateway refuses what the page hides."""
        self.house.send("m1", "PIN 1234?")
        page = self.open("#message/m1", token=VIEWER)
        self.sees(page, "xxx 0000?", "xx xxx 0000", within="#told")
        self.sees(page, "looking only", within="#head")
        for section in ("overview", "events", "messages", "message/m1"):
            self.go(page, section)
            self.assertNotIn(
                "1234", page.locator("main").inner_text().replace("+79161234567", "")
            )
        self.go(page, "overview")
        self.assertEqual(page.locator("#channels button").count(), 0)
        self.assertFalse(page.locator("#sendform").is_visible())
        status = page.evaluate(
            """async () => (await fetch('v1/channels/carrier/pause', {
              method: 'POST',
              headers: { authorization: 'Bearer ' + sessionStorage.getItem('token') },
            })).status"""
        )
        self.assertEqual(status, 403)
