"""Vonage, formerly Nexmo, through two APIs: read `provider` and `account` first."""
