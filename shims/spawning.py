"""Programs that a patched one starts: whether they use the module, and what is said and done if they do not.

Where the module is shared, Python children use it too, and get what an environment of their own lacks for
that; those that cannot, and other programs, are named on stderr. Else a Python child is named. Where the
routes leave nothing to the host (`--direct none`) one without the module is refused with OSError, but for the
resource tracker of multiprocessing, which has no socket; other programs are named. A few of which it is known
that they use no network are not.

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
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from esp32sock.broker import child_environment
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

_OTHER_WAY = "this machine's network, not the module"
_ENVIRONMENT = 3
"""Where the environment stands among the arguments of `fork_exec` behind the first two."""
_RESOURCE_TRACKER = "from multiprocessing.resource_tracker import"


def install(set_attribute: Set) -> None:
    """Look at what is started from now on."""
    native = _posixsubprocess.fork_exec

    @functools.wraps(native)
    def fork_exec(args: Sequence[Any], executables: Sequence[Any], /, *rest: Any) -> int:
        starting(executables[0] if executables else None, args)
        if len(rest) > _ENVIRONMENT:
            environment = child_environment.carried_into(rest[_ENVIRONMENT])
            rest = (*rest[:_ENVIRONMENT], environment, *rest[_ENVIRONMENT + 1 :])
        return native(args, executables, *rest)

    set_attribute(_posixsubprocess, "fork_exec", fork_exec)
    for name in ("_fork_exec", "_posixsubprocess_fork_exec"):
        if getattr(subprocess, name, None) is native:
            set_attribute(subprocess, name, fork_exec)
    for name in ("execve", "posix_spawn", "posix_spawnp"):
        set_attribute(os, name, _completing(getattr(os, name)))
    replace = os.execve
    set_attribute(os, "execv", functools.wraps(os.execv)(lambda path, args: replace(path, args, os.environ)))


def _completing(native: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of `os`, which gives the child what its environment lacks."""

    @functools.wraps(native)
    def start(path: Any, argv: Any, env: Any, *rest: Any, **options: Any) -> Any:
        if child_environment.are_served() and isinstance(env, Mapping):
            env = child_environment.completed(env)
        return native(path, argv, env, *rest, **options)

    return start


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
    is_served = child_environment.are_served()
    if _runs_python(words):
        why = _unreachable(words) if is_served else "it cannot share the module of this process"
        if why and is_strict():
            advice = "" if is_served else "; run its code in this process"
            refuse(f"starting {_shown(words)}", f"{why}, so it would use {_OTHER_WAY}{advice}")
        if why:
            name_once(f"a Python child ({_shown(words)})", f"uses {_OTHER_WAY}: {why}")
    elif is_served or is_strict():
        program = os.path.basename(words[0])
        if program in _SHELLS:
            unknown = [name for name in _programs_in(words) if os.path.basename(name) not in _WITHOUT_NETWORK]
            if not unknown:
                return
            program = next((os.path.basename(name) for name in unknown if shutil.which(name)), program)
        if program not in _WITHOUT_NETWORK:
            name_once(program, f"is started: what it sends uses {_OTHER_WAY}")


def _unreachable(words: list[str]) -> str:
    """Why the Python of a command line ignores what the environment says; "" if it does not."""
    for command in _commands_in(words):
        python = next((at for at, word in enumerate(command) if _is_python(word)), None)
        if python is not None and (why := child_environment.unreachable(command, python)):
            return why
    return ""


def _runs_python(words: list[str]) -> bool:
    if os.path.basename(words[0]) in _SHELLS:
        return any(_is_python(name) for name in _programs_in(words))
    if os.path.basename(words[0]) in _PREFIXES:
        return any(_is_python(word) for word in words[1:] if not word.startswith("-"))
    return _is_python(words[0])


def _programs_in(words: list[str]) -> list[str]:
    """The programs that a command line for a shell names, as far as it is plain."""
    programs = []
    for command in _commands_in(words):
        for word in command:
            programs.append(word)
            if os.path.basename(word) not in _PREFIXES:
                break
    return programs


def _commands_in(words: list[str]) -> list[list[str]]:
    """The commands of a command line for a shell, without assignments; any other is one command."""
    if os.path.basename(words[0]) not in _SHELLS:
        return [words]
    if "-c" not in words[:-1]:
        return []
    lexer = shlex.shlex(words[words.index("-c") + 1], posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    with suppress(ValueError):  # a quotation that does not end
        for word in lexer:
            if word[0] in ";|&()<>":
                commands.append([])
            elif commands[-1] or "=" not in word:
                commands[-1].append(word)
    return [command for command in commands if command]


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
