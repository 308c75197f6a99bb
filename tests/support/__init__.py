"""What tests share: finding interpreters and gdb, running programs and gdb, comparing answers."""
