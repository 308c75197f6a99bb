# -*- coding: utf-8 -*-
"""A module of the zipapp."""


def fail(text):
    """Raises."""
    raise ValueError("in an archive, é: %s" % text)
