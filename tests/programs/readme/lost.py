"""Has C code take references to objects that nobody gives back."""

import ctypes
import sys

take = ctypes.pythonapi.Py_IncRef
take.argtypes = [ctypes.py_object]
take.restype = None


class Plain:
    def __init__(self, number):
        self.number = number


for number in range(1000):
    plain = Plain(number)
    if number % 10 == 0:
        take(plain)
del plain
print("ready", flush=True)
sys.stdin.readline()
