"""Twilio Programmable Messaging: read `provider` first."""
