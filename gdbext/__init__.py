"""gdbext: a gdb extension for looking into Python programs that hang, leak or have crashed."""

__version__ = "0.1.0"
