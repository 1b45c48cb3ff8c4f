"""Programs that a patched one starts: they have no module, and their sockets use this machine's network.

A Python child is named once on stderr; where the routes leave nothing to the host (`--direct none`) it is
refused with OSError, but for the resource tracker of multiprocessing, which has no socket. Other programs are
named there, but for a few that are known to use no network.

`subprocess`, `multiprocessing` and asyncio start their children with `_posixsubprocess.fork_exec` or
`os.posix_spawn`, uvloop in C; a program in its own place comes from `os.exec*`.
"""

from __future__ import annotations

import _posixsubprocess
import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from esp32sock.shims import child_environment
from esp32sock.shims.bypass import is_strict, name_once, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Set = Callable[[Any, str, Any], None]

_PYTHON = re.compile(r"(?:python|pypy|ipython|esp32sock)[0-9.]*t?$")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash"})
_PREFIXES = frozenset({"env", "exec", "nice", "nohup", "setsid", "stdbuf", "sudo", "time", "timeout"})

_WITHOUT_NETWORK = frozenset({
    "uname", "ldconfig", "ldd", "gcc", "cc", "clang", "ld", "objdump", "lsb_release", "stty", "tput", "true",
    "false", "echo", "cat", "ls", "cp", "mv", "rm", "mkdir", "grep", "sed", "awk", "sleep", "tty", "which",
})  # fmt: skip
"""Programs that the standard library starts by itself, and other common ones."""

_ENVIRONMENT = 3
"""Where the environment stands among the arguments of `fork_exec` behind the first two."""
_RESOURCE_TRACKER = "from multiprocessing.resource_tracker import"


def install(set_attribute: Set) -> None:
    """Look at what is started from now on."""
    native = _posixsubprocess.fork_exec

    @functools.wraps(native)
    def fork_exec(args: Sequence[Any], executables: Sequence[Any], /, *rest: Any) -> int:
        starting(executables[0] if executables else None, args)
        if child_environment.are_served() and len(rest) > _ENVIRONMENT:
            rest = (
                *rest[:_ENVIRONMENT],
                child_environment.carried_into(rest[_ENVIRONMENT]),
                *rest[_ENVIRONMENT + 1 :],
            )
        return native(args, executables, *rest)

    set_attribute(_posixsubprocess, "fork_exec", fork_exec)
    for name in ("_fork_exec", "_posixsubprocess_fork_exec"):
        if getattr(subprocess, name, None) is native:
            set_attribute(subprocess, name, fork_exec)


def starting(executable: Any, args: Sequence[Any], *_: Any) -> None:
    """Judge a program that is about to start; the audit events `os.exec` and `os.posix_spawn` too.

    OSError(EOPNOTSUPP) if it is Python, and nothing is the host's.
    """
    words = [os.fsdecode(word) for word in args or (executable,)]
    if any(word.startswith(_RESOURCE_TRACKER) for word in words):
        return
    _judge([os.fsdecode(executable) if executable else words[0], *words[1:]])


def starting_shell(command: Any) -> None:
    """The same for a line of the shell, the audit event `os.system`."""
    _judge(["sh", "-c", os.fsdecode(command)])


def _judge(words: list[str]) -> None:
    if _runs_python(words):
        if child_environment.are_served():
            _judge_served(words)
            return
        why = "it would use this machine's network, not the module"
        if is_strict():
            refuse(f"starting {_shown(words)}", f"{why}; run its code in this process")
        name_once("a Python child", f"is started ({_shown(words)}): {why}")
    elif is_strict():
        program = os.path.basename(words[0])
        if program in _SHELLS:
            unknown = [name for name in _programs_in(words) if os.path.basename(name) not in _WITHOUT_NETWORK]
            if not unknown:
                return
            program = next((os.path.basename(name) for name in unknown if shutil.which(name)), program)
        if program not in _WITHOUT_NETWORK:
            name_once(program, "is started: what it sends uses this machine's network, not the module")


def _judge_served(words: list[str]) -> None:
    """Python children are served by the broker, but for those that ignore their environment."""
    why = child_environment.unreachable(words)
    if why and is_strict():
        refuse(f"starting {_shown(words)}", f"{why}, so it would use this machine's network, not the module")
    if why:
        name_once("a Python child", f"({_shown(words)}) uses this machine's network: {why}")


def _runs_python(words: list[str]) -> bool:
    program = os.path.basename(words[0])
    if program in _SHELLS:
        return any(_is_python(name) for name in _programs_in(words))
    if program in _PREFIXES:
        return any(_is_python(word) for word in words[1:] if not word.startswith("-"))
    return _is_python(words[0])


def _programs_in(words: list[str]) -> list[str]:
    """The programs that a command line for a shell names, as far as it is plain."""
    if "-c" not in words[:-1]:
        return []
    lexer = shlex.shlex(words[words.index("-c") + 1], posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    programs, is_first = [], True
    with suppress(ValueError):  # a quotation that does not end
        for word in lexer:
            if word[0] in ";|&()<>":
                is_first = True
            elif is_first and "=" not in word:
                programs.append(word)
                is_first = os.path.basename(word) in _PREFIXES
    return programs


def _is_python(program: str) -> bool:
    name = os.path.basename(program)
    if _PYTHON.match(name):
        return True
    path = shutil.which(program)
    if path is None:
        return False
    if os.path.realpath(path) == os.path.realpath(sys.executable):
        return True
    try:
        with open(path, "rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first


def _shown(words: list[str]) -> str:
    text = shlex.join(words)
    return text if len(text) <= 80 else f"{text[:80]}..."
