"""Exit statuses of the shell's command `gdbext`, and of a gdb that it runs."""

# 1 is what a Python program ends with that failed in a way of which nobody knew.
OK, PARTIAL, USAGE, NOT_OPENED, NO_PYTHON, NO_GDB, NOT_WRITTEN = 0, 1, 2, 3, 4, 5, 6
INTERRUPTED, NOBODY_READS = 130, 141
