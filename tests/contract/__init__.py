"""Tests of the contract with the platform."""
