"""The inferior through gdb: memory, mapped images, threads and registers, types.

The only package besides the commands' base class and init.py that imports gdb.
"""
