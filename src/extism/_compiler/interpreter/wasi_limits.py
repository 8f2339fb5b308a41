"""
What a plug-in cannot do, in words: module `_wasi_limits`, which runs inside the interpreter only.

The changes of `tree` and `stdlib` make the places that fail ask here. Names that are missing stay
missing, so that code that looks first (`hasattr`, `find_spec`, `except ImportError`) finds its way.
"""

NO_THREADS = (
    "a plug-in runs in one thread; use asyncio, or several instances of the plug-in on the host"
)
NO_PROCESSES = (
    "a plug-in cannot start processes; let the host do it, in a host function (extism.import_fn)"
)
NO_SOCKETS = "a plug-in has no sockets; use extism.Http for requests that the host allows"
NO_SIGNALS = "nothing signals a plug-in; the host limits its time (timeout_ms), asyncio has timers"
NO_EVENTS = (
    "nothing but the clock wakes the event loop of a plug-in; read and write at once instead"
)
NO_C = "a plug-in cannot load native code"
NO_SCREEN = "a plug-in has no screen and no keyboard; return what is to be shown"
NO_USERS = "a plug-in knows no users, groups and rights of files"
NO_KERNEL = "a plug-in runs on WASI, not on Unix"
NO_INSTALL = "packages are chosen when the plug-in is built with extism-py, not when it runs"

_MODULES = {
    NO_C: "ctypes _ctypes",
    NO_INSTALL: "ensurepip venv pip",
    NO_KERNEL: "fcntl mmap resource syslog _winapi msvcrt nt winreg winsound _scproxy",
    NO_PROCESSES: "_multiprocessing _posixshmem _posixsubprocess",
    NO_SCREEN: (
        "_curses _curses_panel _tkinter curses idlelib pty readline termios tkinter turtle turtledemo"
    ),
    NO_SOCKETS: "_ssl",
    NO_USERS: "grp pwd",
    "a plug-in carries its libraries; use dbm.sqlite3 or dbm.dumb": "_dbm _gdbm",
}

_FUNCTIONS_OF_OS = {
    NO_PROCESSES: (
        "abort execl execle execlp execlpe execv execve execvp execvpe fork forkpty getppid nice "
        "pidfd_open pipe pipe2 popen posix_spawn posix_spawnp register_at_fork spawnl spawnle spawnlp "
        "spawnlpe spawnv spawnve spawnvp spawnvpe system wait wait3 wait4 waitid waitpid"
    ),
    NO_SIGNALS: "kill killpg",
    NO_USERS: (
        "chmod chown chroot fchmod fchmodat fchown getegid geteuid getgid getgrouplist getgroups "
        "getlogin getresgid getresuid getuid initgroups lchmod lchown setegid seteuid setgid setgroups "
        "setregid setresgid setresuid setreuid setuid umask"
    ),
    NO_KERNEL: (
        "ctermid dup2 eventfd getloadavg getpgid getpgrp getpriority getsid lockf login_tty major "
        "makedev memfd_create minor mkfifo mknod mount openpty posix_openpt ptsname sched_getaffinity "
        "sched_setaffinity sendfile setns setpgid setpriority setsid statvfs fstatvfs sync tcgetpgrp "
        "tcsetpgrp timerfd_create ttyname unshare"
    ),
}

_FUNCTIONS_OF_SIGNAL = (
    "alarm setitimer getitimer pause pthread_kill sigwait sigtimedwait pthread_sigmask"
)


def _by_name(table: dict[str, str]) -> dict[str, str]:
    """Return the reason of each name in a table of reasons and names."""
    return {name: reason for reason, names in table.items() for name in names.split()}


modules = _by_name(_MODULES)
functions = {
    "os": _by_name(_FUNCTIONS_OF_OS),
    "signal": dict.fromkeys(_FUNCTIONS_OF_SIGNAL.split(), NO_SIGNALS),
}


def why_no_module(name: str) -> str:
    """Return what follows `No module named 'x'`: the reason, where there is one."""
    reason = modules.get(name)
    return f": {reason}" if reason else ""


def no_attribute(module: str, name: str) -> AttributeError:
    """Return the error for a name that a module has elsewhere."""
    reason = functions[module].get(name)
    text = f"module {module!r} has no attribute {name!r}"
    return AttributeError(f"{text}: {reason}" if reason else text, name=name)
