"""Opens connections and gets rid of them in every way there is, or does not; `go` on stdin lets it end."""

import gc
import os
import signal
import socket
import sys
import threading
import warnings

how, where = sys.argv[1], (sys.argv[2], int(sys.argv[3]))


def opened(text: str) -> socket.socket:
    connection = socket.create_connection(where, timeout=30)
    connection.sendall(text.encode())
    return connection


def by_close() -> None:
    opened("closed").close()


def by_collection() -> None:
    connection = opened("collected")
    cycle = [connection]
    cycle.append(cycle)  # type: ignore[arg-type]
    del connection, cycle
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def by_duplicates() -> None:
    first = opened("first ")
    second = first.dup()
    first.close()
    second.sendall(b"second")
    third = socket.fromfd(second.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    second.close()
    third.sendall(b" third")
    third.close()


def by_detaching() -> None:
    fd = opened("detached").detach()
    with socket.socket(fileno=fd) as again:
        again.sendall(b" adopted")
        fd = again.detach()
    os.close(fd)


def by_makefile() -> None:
    connection = opened("file")
    stream = connection.makefile("wb")
    connection.close()
    stream.write(b" written")
    stream.close()


def by_threads() -> None:
    def one(number: int) -> None:
        opened(f"thread {number}").close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def by_fork() -> None:
    connection = opened("parent ")
    child = os.fork()
    if not child:
        try:
            connection.sendall(b"child")
            connection.close()
            with opened("child's own"):
                os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        sys.exit("the child could not open a connection of its own")
    connection.sendall(b" parent")
    connection.close()


def by_fork_of_a_holder() -> None:
    """The child is the last to close."""
    connection = opened("parent ")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.read(reading, 1)
        connection.sendall(b"child alone")
        os._exit(0)
    connection.close()
    os.write(writing, b"x")
    os.waitpid(child, 0)


def by_exit() -> None:
    """Nothing is closed; the rest is the interpreter's business."""
    warnings.simplefilter("ignore", ResourceWarning)
    global kept
    kept = [opened("at exit"), opened("at exit, too")]
    threading.Thread(target=kept[1].recv, args=(1,), daemon=True).start()


def by_exception() -> None:
    by_exit()
    raise SystemExit(0)


def by_kill() -> None:
    by_exit()
    print("ready", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


kept: list[socket.socket] = []
globals()[f"by_{how}"]()
print("ready", flush=True)
sys.stdin.read()
