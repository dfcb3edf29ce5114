"""How TG firmwares of several years say the same things.

2013 as in Yeastar's manual of that year, 2019 and 2025 as in published captures:
how the port is named, how a single SMS is indexed, how Pong and the state of a
span are worded, whether ActionID comes back.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, quote_plus

from attrs import frozen

from gdemoi.text import gsm7

_BOM: Final = "\ufeff"


@frozen(kw_only=True)
class Dialect:
    """One firmware's words."""

    year: str
    banner: str = "Asterisk Call Manager/1.1"
    port_header: str
    # what a span of port 1 is called in `port_header`
    port_counts_from: int
    single_index: int
    pong: str = "Response: Success\r\nPing: Pong\r\n"
    echoes_action_id: bool = True
    up: str
    ussd_success: str = "Received USSD success on span:"
    # the four characters \r\n that some firmware prints before the end
    literal_end: str = ""
    # `gsm show 2` as in the manual, beside `gsm show span 2`
    short_show: bool = False


DIALECTS: Final[dict[str, Dialect]] = {
    "2013": Dialect(
        year="2013",
        port_header="GsmPort",
        port_counts_from=1,
        single_index=1,
        pong="Response: Pong\r\n",
        echoes_action_id=False,
        up="Power on, Provisioned, Up, Active,Standard",
        ussd_success="Recive USSD sucess on span",
        short_show=True,
    ),
    "2019": Dialect(
        year="2019",
        port_header="GsmSpan",
        port_counts_from=2,
        single_index=1,
        up="Power on, Provisioned, Up, Active,Standard",
        literal_end="\\r\\n",
        short_show=True,
    ),
    "2025": Dialect(
        year="2025",
        port_header="GsmSpan",
        port_counts_from=2,
        single_index=0,
        up="Power on, Up, Active, Standard",
        literal_end="\\r\\n",
    ),
}


def content(text: str) -> str:
    """Return a received text as a TG writes it.

    What came in GSM letters is form-encoded; what came as UCS2 has a byte order
    mark and is percent-encoded with ``+`` for a blank.
    """
    if gsm7.fits(text):
        return quote_plus(text, safe="")
    return quote(_BOM) + quote_plus(text, safe="")


def event(name: str, headers: list[tuple[str, str]]) -> str:
    """Return an event block, with the extra line that TGs put at its end."""
    lines = [("Event", name), ("Privilege", "all,smscommand"), *headers]
    written = "".join(f"{key}: {value}\r\n" for key, value in lines)
    return f"{written}--END SMS EVENT--\r\n\r\n"
