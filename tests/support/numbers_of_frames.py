"""For gdb to source: of each thread, the frames that py-bt-plus -full numbers and those that these numbers select.

Prints a JSON list a thread: [the numbers, what is shown with each, what py-frame-plus shows for each].
"""

import json
import re

import gdb

FRAME = re.compile(r'(?m)^ *#(\d+) (File ".*", line \S+, in \S+)')


def main() -> None:
    """Ask for every thread, with native frames and without."""
    for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
        thread.switch()
        for options in ("-full", "-full -native"):
            shown = FRAME.findall(gdb.execute("py-bt-plus %s" % options, to_string=True))
            selected = [FRAME.findall(gdb.execute("py-frame-plus %s" % number, to_string=True))
                        for number, _place in shown]
            print(json.dumps([[int(number) for number, _place in shown],
                              [[place] for _number, place in shown],
                              [[place for _number, place in each] for each in selected]]))


main()
