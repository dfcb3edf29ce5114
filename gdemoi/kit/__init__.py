"""Small pieces that several packages share: one idea each, without I/O.

`recent`: a mapping that keeps the newest entries; `unfit`: what a channel cannot
carry unchanged; `budgets`: what a SIM may send, by its `calendar`.
"""
