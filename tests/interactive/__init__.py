"""Tests at a real prompt."""
