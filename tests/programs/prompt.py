# -*- coding: utf-8 -*-
"""What a person looks at at a prompt: an object with attributes, a large list, long strings.

    python prompt.py TRUTH.json
"""

import os


class Service(object):
    """Two of its attributes begin alike."""

    def __init__(self):
        self.queue = [{"key": "value"}]
        self.quota = 5

    def run(self, argument):
        large = [7] * 10000000
        os.write(1, b"ready\n")
        os.read(0, 1)
        return large


def main(count=3):
    service = Service()
    service.run("long " * 40)


main()
