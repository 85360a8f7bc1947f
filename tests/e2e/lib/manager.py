# SPDX-License-Identifier: Apache-2.0
"""What a service manager does with a unit of Type=notify and its .socket: keeps the listening
socket, starts the program with it, learns from it which process is the main one, ends that one with
SIGTERM. Says a line of JSON on standard output for each thing that it was told on standard input:
"restart", "upgrade", "stop"."""

import ctypes
import json
import os
import signal
import socket
import struct
import sys
import tempfile

PR_SET_CHILD_SUBREAPER = 36

listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
folder = tempfile.mkdtemp()
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(folder + "/notify")
notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
notify.settimeout(60)
main = 0


def say(**what):
    print(json.dumps(what), flush=True)


def start():
    global main
    main = os.fork()
    if main:
        return
    os.dup2(listening.fileno(), 3)
    os.set_inheritable(3, True)
    env = dict(os.environ, LISTEN_PID=str(os.getpid()), LISTEN_FDS="1",
               LISTEN_FDNAMES="enginelabs-2api.socket", NOTIFY_SOCKET=folder + "/notify")
    os.execve(sys.argv[1], sys.argv[1:], env)


def hear(name):
    """The value that the main process, and no other, gives this name."""
    while True:
        data, more, _, _ = notify.recvmsg(4096, socket.CMSG_SPACE(12))
        sender = struct.unpack("3i", more[0][2])[0]
        lines = dict(line.split("=", 1) for line in data.decode().split("\n"))
        if sender == main and name in lines:
            return lines[name]


def end():
    """SIGTERM, and the code that the main process ends with."""
    os.kill(main, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(main, 0)[1])


ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
start()
hear("READY")
say(port=listening.getsockname()[1], main=main)
for command in sys.stdin:
    before, code = main, None
    if command.strip() == "upgrade":
        os.kill(main, signal.SIGUSR2)
        main = int(hear("MAINPID"))
    else:
        code = end()
        if command.strip() == "stop":
            say(code=code)
            break
        start()
        hear("READY")
    say(main=main, before=before, code=code)
os.unlink(folder + "/notify")
os.rmdir(folder)
