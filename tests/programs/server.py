"""Answers requests over TCP from a pool of threads that share locks, queues and a dict, as services do.

    python server.py TRUTH.json

A request is a line with a number, the answer a line with that number squared and how often it was asked for before.
The port is the `port` of the truth.
"""

import os
import queue
import socket
import sys
import threading

import common

WORKERS = 8

jobs = queue.Queue()
lock = threading.Lock()
asked = {}


def squared(number):
    """By adding up, which takes as long as a request might."""
    total = 0
    for _ in range(number):
        total += number
    return total


def answer(number):
    with lock:
        before = asked.get(number, 0)
        asked[number] = before + 1
    return "%d %d\n" % (squared(number), before)


def serve(connection, lines):
    """Answer one request, and give the connection back."""
    line = lines.readline()
    if line:
        connection.sendall(answer(int(line)).encode())
        jobs.put((connection, lines))
    else:
        lines.close()
        connection.close()


@common.or_die
def work():
    while True:
        serve(*jobs.get())


@common.or_die
def main():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    common.write(sys.argv[1], common.process([], objects=[id(asked)], port=listener.getsockname()[1]))
    for index in range(WORKERS):
        threading.Thread(target=work, name="worker-%d" % index, daemon=True).start()
    os.write(1, b"ready\n")
    while True:
        connection, _address = listener.accept()
        jobs.put((connection, connection.makefile("r")))


main()
