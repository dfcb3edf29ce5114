"""Accounts: whose message it is, and how many of them may come, whatever the door.

A door finds the account by its client's credentials and asks it before it takes
anything; `settings` is ``[account:NAME]``, `account` what is counted.
"""
