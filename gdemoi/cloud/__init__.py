"""SMS providers behind HTTP: Twilio, Vonage (Nexmo), Textlocal, Tyntec.

Read `provider` (the shared shapes) first, then one provider file; these are pure.
`http`, `webhooks` and `poller` are the shells; `channel` puts them together.
"""
