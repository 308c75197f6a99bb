"""The tests: unit/ without gdb, live/ with gdb on real processes and cores."""
