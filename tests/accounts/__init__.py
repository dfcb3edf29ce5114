"""Accounts: rates, days, repeats."""
