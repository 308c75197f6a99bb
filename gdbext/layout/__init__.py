"""Where each field of CPython's structures lies in which build, and how that is chosen.

Nothing here imports gdb or reads the inferior's Python objects.
"""
