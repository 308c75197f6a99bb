"""Tests that run gdb on processes and cores of their own."""
