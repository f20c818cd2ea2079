"""The kazoo peer of the interop tests: see peer.h for what it is told and what it answers.

Contenders are threads of one session. A session that is lost ends the process: the tests' sessions
only end with a SIGKILL.
"""

import os
import queue
import sys
import threading

from kazoo.client import KazooClient, KazooState
from kazoo.recipe.lock import Lock, ReadLock, WriteLock


class DashLock(Lock):
    """Under the name that Curator and latchkey sort by."""

    _NODE_NAME = "-lock-"
    _EXCLUDE_NAMES = ["-lock-"]


class CuratorWriteLock(Lock):
    _NODE_NAME = "-__WRIT__"
    _EXCLUDE_NAMES = ["__WRIT__", "__READ__"]


class MendedReadLock(ReadLock):
    """Before 2.9 a ReadLock also waits for writers behind it, and they for it."""

    def _get_predecessor(self, node):
        before = [
            (match.group(1), match.string)
            for match in map(self._contenders_re.search, self.client.get_children(self.path))
            if match and match.group(1) < node[-10:]
        ]
        return max(before)[1] if before else None


class CuratorReadLock(MendedReadLock):
    _NODE_NAME = "-__READ__"
    _EXCLUDE_NAMES = ["__WRIT__"]


KINDS = {
    "lock": Lock,
    "dash": DashLock,
    "write": WriteLock,
    "read": ReadLock,
    "mended-read": MendedReadLock,
    "curator-write": CuratorWriteLock,
    "curator-read": CuratorReadLock,
}

telling = threading.Lock()


def tell(line):
    with telling:
        print(line, flush=True)


class Contender(threading.Thread):
    def __init__(self, client, name):
        super().__init__(daemon=True)
        self.client, self.name_told = client, name
        self.orders = queue.Queue()
        self.stopped, self.keeps = threading.Event(), threading.Event()
        self.path = self.lock = None
        self.start()

    def touch(self):
        return self.client.set(self.path + "-clock", b"").mzxid

    def granted(self, kind):
        node = self.lock.node.rpartition("/")[2]
        entered = self.touch()
        stat = self.client.exists(self.path + "/" + node)
        others = ",".join(self.client.get_children(self.path))
        tell(f"{self.name_told} granted {kind} {node} {stat.czxid} {entered} {others}")

    def take(self, kind, path, blocking=True):
        self.path = path
        self.lock = KINDS[kind](self.client, path)
        if self.lock.acquire(blocking=blocking):
            self.granted(kind)
        else:
            tell(f"{self.name_told} busy")

    def give(self):
        left = self.touch()
        self.lock.release()
        tell(f"{self.name_told} released {left}")

    def obey(self, verb, *words):
        if verb == "take":
            self.take(*words)
        elif verb == "try":
            self.take(*words, blocking=False)
        elif verb == "give":
            self.give()
        elif verb == "turns":
            self.stopped.clear()
            while not self.stopped.is_set():
                self.take(*words)
                if self.keeps.is_set():
                    self.keeps.clear()
                    tell(f"{self.name_told} keeps")
                    self.orders.get()  # "go"
                self.give()
            tell(f"{self.name_told} stopped")
        else:
            raise ValueError(verb)

    def run(self):
        try:
            while True:
                self.obey(*self.orders.get())
        except BaseException as error:  # the test prints the story
            tell(f"{self.name_told} failed {error!r}")


def main():
    client = KazooClient(hosts=sys.argv[1], timeout=int(sys.argv[2]) / 1000)

    def changed(state):
        if state == KazooState.LOST and not ending.is_set():
            os._exit(3)

    ending = threading.Event()
    client.add_listener(changed)
    client.start()
    tell("* ready")
    contenders = {}
    for line in sys.stdin:
        name, *words = line.split()
        if name not in contenders:
            contenders[name] = Contender(client, name)
        if words == ["stop"]:
            contenders[name].stopped.set()
        elif words == ["keep"]:
            contenders[name].keeps.set()
        else:
            contenders[name].orders.put(words)
    ending.set()
    client.stop()


main()
