"""Tests of `gdemoi.kit`."""
