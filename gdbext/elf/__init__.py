"""ELF files: build ids, debug files, symbols and the C types of their DWARF, through pyelftools.

Nothing here imports gdb, or knows of the process that the files are mapped into.
"""
