"""Puts ``twistd gdemoi-sms`` and ``twistd gdemoi-sandbox`` on Twisted's list."""

from twisted.application.service import ServiceMaker

gateway = ServiceMaker(
    "gdemoi-sms",
    "gdemoi.service.tap",
    "The SMS gateway for tracking platforms",
    "gdemoi-sms",
)
sandbox = ServiceMaker(
    "gdemoi-sandbox",
    "gdemoi.sandbox.tap",
    "The far sides (SMSC, GoIP box, TG box, clouds) for trying gdemoi-sms",
    "gdemoi-sandbox",
)
