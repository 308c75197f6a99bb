"""A web application whose requests stay in memory: after each line that it reads it answers 500 of them."""

import sys


class Request:
    def __init__(self, path, headers):
        self.path = path
        self.headers = headers
        self.body = "x" * 20000


def logged(answer):
    requests = []

    def answer_and_log(request):
        requests.append(request)
        return answer(request)

    return answer_and_log


@logged
def index(request):
    return 200, len(request.body)


print("ready", flush=True)
for _line in sys.stdin:
    for number in range(500):
        index(Request("/page/%d" % number, {"Host": "127.0.0.1:%d" % number, "Accept": "*/*"}))
    print("ready", flush=True)
