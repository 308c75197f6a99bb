"""CPython's interpreter as Python objects, read from the memory of another process.

Runs under plain Python: memory comes in through the Memory class of memory.py, the
places of fields through gdbext.layout.
"""
