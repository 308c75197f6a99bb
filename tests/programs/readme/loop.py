"""Raises exceptions of several types as soon as it has read a line."""

import sys


def main():
    for container in ([], {}):
        try:
            container[1]
        except IndexError:
            pass


print("ready", flush=True)
sys.stdin.readline()
main()
