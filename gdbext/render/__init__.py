"""Answers as lines of text or as JSON. Pure: nothing here knows gdb or reads the inferior."""
