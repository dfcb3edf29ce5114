"""What to do about a message that cannot be sent, by the code of its error."""

from __future__ import annotations

from typing import Final

REMEDIES: Final = {
    "gateway:unencodable": (
        "--charset auto or ucs2 sends any letters (in twice as many segments);"
        " --on-unencodable transliterate writes notifications in Latin letters."
        " A charset may be the route's: see its `charset` and `on_unencodable`"
    ),
    "gateway:sender_not_allowed": (
        "leave --from out for the channel's own sender, or add this one to the"
        " channel's `allowed_sender`"
    ),
    "gateway:no_route": (
        "`explain` tells why each route does not match; a [route:NAME] without"
        " conditions at the end takes the rest"
    ),
    "gateway:bad_number": (
        "write + and the country's code, or set `home_country` in [gateway]"
    ),
    "gateway:too_long": "a shorter text, or a larger --max-segments",
    "gateway:provider_alters_text": (
        "another channel: this provider would not send the text as it is"
    ),
    "gateway:unsupported": "another channel, or the message without that field",
}
