"""The program of a zipapp: an exception of a module within, as its own Python prints it.

    python APP.pyz TRUTH.json
"""

import os
import sys
import traceback

import common
import zipped_module


def main():
    try:
        zipped_module.fail("é")
    except ValueError as error:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        common.write(sys.argv[1], common.process([], address=id(error), text=text))
        os.write(1, b"ready\n")
        common.hold()


if __name__ == "__main__":
    main()
