# -*- coding: utf-8 -*-
"""wsgi_app.py for uwsgi: says "ready" when a worker is, on descriptor 3: uwsgi takes the standard ones."""

import os

import uwsgi

from wsgi_app import application  # noqa: F401 (uwsgi asks this module for it)

uwsgi.post_fork_hook = lambda: os.write(3, b"ready\n")
