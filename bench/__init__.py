"""Benchmarks and soaks; `python -m bench` prints all tables."""
