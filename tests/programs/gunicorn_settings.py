# -*- coding: utf-8 -*-
"""Gunicorn's settings for wsgi_app.py: one worker with threads, on a port of the loopback's choice.

Says "ready" on standard output when the worker is.
"""

import os

bind = "127.0.0.1:0"
workers = 1
worker_class = "gthread"
threads = 4
# A worker that gdb keeps standing still is not to be killed for it.
timeout = 0
graceful_timeout = 1
keepalive = 1
worker_tmp_dir = "."
control_socket_disable = True


def post_worker_init(worker):
    """Called in the worker."""
    with open("port", "w") as file:
        file.write(str(worker.sockets[0].sock.getsockname()[1]))
    os.write(1, b"ready\n")
