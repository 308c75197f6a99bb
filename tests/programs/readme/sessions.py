"""Sessions of users, some of which share large pages."""

import sys


class Session:
    def __init__(self, user):
        self.user = user
        self.pages = []


class Sessions:
    def __init__(self):
        self.by_user = {"user %d" % number: Session("user %d" % number) for number in range(20)}


sessions = Sessions()
for number, session in enumerate(sessions.by_user.values()):
    session.pages += ["<html>%d%s" % (page, "x" * 250 * page) for page in range(number % 10)]
print("ready", flush=True)
sys.stdin.readline()
