"""Answers that need more than one object of the interpreter."""
