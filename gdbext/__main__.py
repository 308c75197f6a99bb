"""`python3 -m gdbext`, which is the command `gdbext` from a clone that is not installed."""

from gdbext.cli import main

main()
