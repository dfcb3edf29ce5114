"""Tests of the cloud channels."""
