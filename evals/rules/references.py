"""Names that a candidate refers to, and what each means: one table, one sentence an entry.

Does not: follow data flow beyond aliases (`source.py`). Invariant: a reference counts, not only a call, so
`f = os.fork; f()` and `partial(os.system)` are seen alike.
"""

import ast
from collections.abc import Iterator

from rsi.evals.rules.source import WIDE_MODULES, SourceFile
from rsi.evals.types import Finding, Severity

B, H, N = Severity.BLOCK, Severity.HOLD, Severity.NOTE

_ESCAPE = "leaves the measured process"
_LOAD = "runs bytes as code"
_TEXT = "runs text as code when it is given text"
_DATABASE = "keeps a file that could outlive a run"
_DESCRIPTOR = "works on open files by number"
_OWN_SOURCE = "reads source as text; check that nothing travels in comments, names or white space"
_REPLACERS = ("execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe", "spawnl", "spawnle", "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp", "spawnvpe")  # fmt: skip
"""Functions of `os` that put another program in the place of the run, or beside it."""

REFERENCES: dict[str, tuple[str, Severity, str]] = {
    # --- work outside the measured region -------------------------------------------------
    "os.fork": ("process_escape", B, f"os.fork {_ESCAPE}; multiprocessing is counted, a bare fork hides"),
    "os.forkpty": ("process_escape", B, f"os.forkpty {_ESCAPE}"),
    "pty.fork": ("process_escape", B, f"pty.fork {_ESCAPE}"),
    "pty.spawn": ("process_escape", B, f"pty.spawn {_ESCAPE}"),
    "os.setsid": ("process_escape", B, "os.setsid detaches a process from the run that is timed"),
    "os.setpgid": ("process_escape", B, "os.setpgid detaches a process from the run that is timed"),
    "os.setpgrp": ("process_escape", B, "os.setpgrp detaches a process from the run that is timed"),
    "os.kill": ("process_escape", B, "os.kill can end processes that are not the candidate's"),
    "os.killpg": ("process_escape", B, "os.killpg can end processes that are not the candidate's"),
    "os.nice": ("process_escape", B, "os.nice changes priority against the other arm"),
    "os.setpriority": ("process_escape", B, "os.setpriority changes priority against the other arm"),
    "os.sched_setscheduler": ("process_escape", B, "changes the scheduling class of the run"),
    "os.sched_setaffinity": ("process_escape", H, "moves the run off the cores chosen for it"),
    **{f"os.{name}": ("process_escape", B, f"os.{name} {_ESCAPE}") for name in _REPLACERS},
    "os.unshare": ("process_escape", B, f"os.unshare {_ESCAPE}"),
    "os.setns": ("process_escape", B, f"os.setns {_ESCAPE}"),
    "os.pidfd_open": ("process_escape", B, "reaches for other processes"),
    "signal.pidfd_send_signal": ("process_escape", B, "reaches for other processes"),
    "os.sched_setparam": ("process_escape", B, "changes the scheduling class of the run"),
    "_posixsubprocess": ("process_escape", B, "starts programs past `subprocess`"),
    "_thread": ("deferred_work", H, "starts threads that nobody can wait for"),
    "pty": ("process_escape", H, "runs programs on a terminal of its own"),
    "os.system": ("subprocess", B, "os.system runs a shell; subprocess.run with a list does what is needed"),
    "os.popen": ("subprocess", B, "os.popen runs a shell; subprocess.run with a list does what is needed"),
    "os.posix_spawn": ("process_escape", B, f"os.posix_spawn {_ESCAPE}"),
    "os.posix_spawnp": ("process_escape", B, f"os.posix_spawnp {_ESCAPE}"),
    "subprocess": ("subprocess", H, "starts another program; a person should see which and why"),
    "multiprocessing": ("subprocess", H, "starts worker processes; their CPU is counted, their need is not obvious"),
    "multiprocessing.cpu_count": ("subprocess", N, "counts cores"),
    "multiprocessing.dummy": ("subprocess", N, "starts threads"),
    "multiprocessing.pool.ThreadPool": ("subprocess", N, "starts threads"),
    "torch.multiprocessing": ("subprocess", H, "starts worker processes; their need is not obvious"),
    "concurrent.futures.ProcessPoolExecutor": ("subprocess", H, "starts worker processes"),
    "concurrent.futures.process": ("subprocess", H, "starts worker processes"),
    "asyncio.create_subprocess_exec": ("subprocess", H, "starts another program"),
    "asyncio.create_subprocess_shell": ("subprocess", B, "runs a shell"),
    "atexit.register": ("deferred_work", H, "runs work at exit; it is timed, and it is easy to overlook"),
    "weakref.finalize": ("deferred_work", H, "runs work when an object dies"),
    "signal.signal": ("signals", H, "installs a signal handler"),
    "signal.alarm": ("signals", H, "arms a timer signal"),
    "signal.setitimer": ("signals", H, "arms a timer signal"),
    "signal.raise_signal": ("signals", H, "sends signals to itself"),
    "signal.pthread_kill": ("signals", B, "sends signals to threads"),
    "resource.setrlimit": ("signals", H, "changes the limits of its own process"),
    "os._exit": ("deferred_work", H, "ends the process without teardown"),
    "os.abort": ("deferred_work", H, "aborts the process"),
    "daemon": ("process_escape", B, "a daemon outlives the run that is timed"),
    # --- clocks ---------------------------------------------------------------------------
    "time.clock_settime": ("clock_patch", B, "sets the system's clock"),
    "time.clock_settime_ns": ("clock_patch", B, "sets the system's clock"),
    "freezegun": ("clock_patch", B, "freezes time"),
    "time_machine": ("clock_patch", B, "moves time"),
    "libfaketime": ("clock_patch", B, "fakes time"),
    "time.sleep": ("clock_use", H, "sleeps; waiting is no training"),
    # --- network --------------------------------------------------------------------------
    "socket": ("network", B, "opens sockets; a run has no network and needs none"),
    "socketserver": ("network", B, "serves a socket; a run has no network and needs none"),
    "urllib.request": ("network", B, "fetches from the network"),
    "http.client": ("network", B, "fetches from the network"),
    "http.server": ("network", B, "serves the network"),
    "ftplib": ("network", B, "uses the network"),
    "smtplib": ("network", B, "uses the network"),
    "telnetlib": ("network", B, "uses the network"),
    "xmlrpc": ("network", B, "uses the network"),
    "requests": ("network", B, "fetches from the network"),
    "httpx": ("network", B, "fetches from the network"),
    "aiohttp": ("network", B, "fetches from the network"),
    "websockets": ("network", B, "uses the network"),
    "huggingface_hub": ("network", B, "downloads models"),
    "transformers": ("network", H, "brings pretrained models within reach"),
    "torch.hub": ("network", B, "downloads models"),
    "torchvision.models": ("network", H, "brings pretrained models within reach"),
    "asyncio.get_event_loop": ("subprocess", H, "a loop starts programs and connections"),
    "asyncio.get_running_loop": ("subprocess", H, "a loop starts programs and connections"),
    "asyncio.new_event_loop": ("subprocess", H, "a loop starts programs and connections"),
    "asyncio.open_connection": ("network", B, "opens a connection"),
    "asyncio.start_server": ("network", B, "serves the network"),
    "ssl": ("network", H, "belongs to connections; a run has none"),
    "webbrowser": ("network", H, "starts a browser"),
    "pip": ("network", B, "installs packages"),
    "ensurepip": ("network", B, "installs packages"),
    "torch.distributed": ("network", H, "starts process groups"),
    "multiprocessing.connection": ("network", B, "opens sockets between processes"),
    "multiprocessing.managers": ("network", H, "serves objects over a socket"),
    # --- code from bytes ------------------------------------------------------------------
    "builtins.exec": ("dynamic_code", B, f"exec {_LOAD}"),
    "builtins.eval": ("dynamic_code", B, f"eval {_LOAD}"),
    "builtins.compile": ("dynamic_code", B, f"compile {_LOAD} (torch.compile and re.compile are fine)"),
    "code.InteractiveInterpreter": ("dynamic_code", B, _LOAD),
    "codeop": ("dynamic_code", B, _LOAD),
    "runpy": ("dynamic_code", B, "runs a file as a program"),
    "types.CodeType": ("dynamic_code", B, "builds code objects"),
    "types.FunctionType": ("dynamic_code", H, "builds functions from code objects"),
    "timeit.main": ("dynamic_code", H, _TEXT),
    "timeit.repeat": ("dynamic_code", H, _TEXT),
    "timeit.timeit": ("dynamic_code", H, _TEXT),
    "timeit.Timer": ("dynamic_code", H, _TEXT),
    "torch.utils.benchmark": ("dynamic_code", H, _TEXT),
    "cProfile.run": ("dynamic_code", B, f"cProfile.run {_LOAD}"),
    "cProfile.runctx": ("dynamic_code", B, f"cProfile.runctx {_LOAD}"),
    "profile": ("dynamic_code", H, _TEXT),
    "trace": ("dynamic_code", H, _TEXT),
    "bdb": ("dynamic_code", H, _TEXT),
    "pdb": ("dynamic_code", H, _TEXT),
    "doctest": ("dynamic_code", H, "runs docstrings as code"),
    "inspect.get_annotations": ("dynamic_code", H, "evaluates annotations that are text"),
    "typing.get_type_hints": ("dynamic_code", H, "evaluates annotations that are text"),
    "typing.ForwardRef": ("dynamic_code", H, "evaluates annotations that are text"),
    "jinja2": ("dynamic_code", H, "a template can run code"),
    "sympy": ("dynamic_code", H, "evaluates expressions that are text"),
    "numpy.testing.runstring": ("dynamic_code", B, _LOAD),
    "numpy.testing.rundocs": ("dynamic_code", B, _LOAD),
    "torch._inductor.codecache": ("dynamic_code", H, "loads generated source; torch.compile needs nothing of it"),
    "torch.fx.graph_module": ("dynamic_code", H, "loads generated source; torch.fx needs nothing of it"),
    "pandas.eval": ("dynamic_code", B, f"pandas.eval {_LOAD}"),
    "torch.jit.CompilationUnit": ("dynamic_code", H, "compiles text"),
    "logging.config": ("dynamic_code", H, "builds objects by name"),
    "_testcapi": ("introspection", B, "reaches into the interpreter"),
    "_testinternalcapi": ("introspection", B, "reaches into the interpreter"),
    "_xxsubinterpreters": ("introspection", B, "starts another interpreter"),
    "concurrent.interpreters": ("introspection", H, "starts another interpreter"),
    "builtins.__builtins__": ("introspection", B, "reaches for the built-ins of everyone"),
    "builtins.__loader__": ("import_tricks", B, "loads modules by the back door"),
    "builtins.__spec__": ("import_tricks", B, "loads modules by the back door"),
    "builtins.__dict__": ("introspection", B, "reaches for the built-ins of everyone"),
    "posix": ("process_escape", B, "the raw interface to the system, past `os`"),
    "os.register_at_fork": ("process_escape", H, "runs work around forks"),
    "os.environb": ("environment_probe", H, "reads variables as bytes"),
    "resource.prlimit": ("signals", B, "changes the limits of other processes"),
    "sys.modules": ("import_tricks", H, "reads or changes the table of modules"),
    "codecs.decode": ("packed_literals", H, "turns text into other text; check that nothing travels in it"),
    "marshal": ("unsafe_load", B, f"marshal {_LOAD}"),
    "pickle": ("unsafe_load", B, f"pickle {_LOAD}; arrays cross as npz"),
    "_pickle": ("unsafe_load", B, f"pickle {_LOAD}"),
    "cPickle": ("unsafe_load", B, f"pickle {_LOAD}"),
    "dill": ("unsafe_load", B, f"dill {_LOAD}"),
    "cloudpickle": ("unsafe_load", B, f"cloudpickle {_LOAD}"),
    "joblib": ("unsafe_load", B, "joblib pickles and caches on disk"),
    "shelve": ("unsafe_load", B, "shelve unpickles"),
    "torch.load": ("unsafe_load", B, "torch.load unpickles; there is nothing to load in a fresh run"),
    "torch.serialization": ("unsafe_load", B, "torch.load unpickles; there is nothing to load in a fresh run"),
    "torch.export.load": ("unsafe_load", B, "loads a compiled model"),
    "torch.utils.model_zoo": ("network", B, "downloads models"),
    "torch.jit.load": ("unsafe_load", B, "loads a compiled model"),
    "torch.package": ("unsafe_load", B, "loads packaged models"),
    "importlib.reload": ("import_tricks", B, "reloads modules"),
    "importlib.machinery": ("import_tricks", B, "builds its own importer"),
    "importlib._bootstrap": ("import_tricks", B, "loads modules by the back door"),
    "importlib._bootstrap_external": ("import_tricks", B, "loads modules by the back door"),
    "importlib.__import__": ("import_tricks", H, "imports by a computed name"),
    "importlib.abc": ("import_tricks", H, "builds its own importer"),
    "pkg_resources": ("import_tricks", H, "looks for modules"),
    "_imp": ("import_tricks", B, "loads modules by the back door"),
    "_frozen_importlib": ("import_tricks", B, "loads modules by the back door"),
    "_frozen_importlib_external": ("import_tricks", B, "loads modules by the back door"),
    "importlib.util": ("import_tricks", H, "imports a file by path"),
    "importlib.import_module": ("import_tricks", H, "imports by a computed name"),
    "builtins.__import__": ("import_tricks", H, "imports by a computed name"),
    "pkgutil": ("import_tricks", H, "looks for modules"),
    "zipimport": ("import_tricks", B, "imports from an archive"),
    "sys.meta_path": ("import_tricks", B, "changes how modules are found"),
    "sys.path_hooks": ("import_tricks", B, "changes how modules are found"),
    "sys.path_importer_cache": ("import_tricks", B, "changes how modules are found"),
    "sys.path": ("import_tricks", H, "changes or reads where modules come from"),
    "site": ("import_tricks", B, "changes the interpreter's start-up"),
    "sitecustomize": ("import_tricks", B, "changes the interpreter's start-up"),
    "ctypes.pythonapi": ("native_code", B, "reaches into the interpreter"),
    "ctypes.PyDLL": ("native_code", B, "reaches into the interpreter"),
    "ctypes.memmove": ("native_code", B, "writes raw memory"),
    "ctypes.memset": ("native_code", B, "writes raw memory"),
    "ctypes": ("native_code", H, "calls native code; a person should read it"),
    "cffi": ("native_code", H, "calls native code; a person should read it"),
    "numba": ("native_code", H, "compiles at run time; its cache must not outlive a run"),
    "triton": ("native_code", N, "compiles kernels at run time"),
    "torch.utils.cpp_extension": ("native_code", H, "compiles C++ at run time; a person should read the source"),
    "torch.ops.load_library": ("native_code", B, "loads a shared library"),
    "torch.classes.load_library": ("native_code", B, "loads a shared library"),
    "numpy.ctypeslib": ("native_code", H, "loads a shared library"),
    "numpy.f2py": ("native_code", H, "compiles Fortran at run time"),
    "distutils": ("native_code", H, "builds and starts programs"),
    "setuptools": ("native_code", H, "builds and starts programs"),
    "_ctypes": ("native_code", B, "loads native code by the back door"),
    # --- the interpreter's insides --------------------------------------------------------
    "sys.settrace": ("introspection", B, "traces every frame"),
    "sys.setprofile": ("introspection", B, "traces every frame"),
    "threading.settrace": ("introspection", B, "traces every frame"),
    "threading.setprofile": ("introspection", B, "traces every frame"),
    "sys.monitoring": ("introspection", B, "watches the interpreter"),
    "sys.addaudithook": ("introspection", B, "watches the interpreter"),
    "sys._getframe": ("introspection", B, "walks the call stack"),
    "sys._current_frames": ("introspection", B, "walks the call stack"),
    "inspect.stack": ("introspection", B, "walks the call stack"),
    "inspect.currentframe": ("introspection", B, "walks the call stack"),
    "inspect.trace": ("introspection", B, "walks the call stack"),
    "inspect.getouterframes": ("introspection", B, "walks the call stack"),
    "traceback.walk_stack": ("introspection", B, "walks the call stack"),
    "traceback.walk_tb": ("introspection", B, "walks the call stack"),
    "inspect.getmodule": ("introspection", H, "reaches for the modules of others"),
    "inspect.getclosurevars": ("introspection", H, "reaches for the variables of others"),
    "inspect.getattr_static": ("introspection", H, "looks names up past what they mean"),
    "inspect.getsource": ("reads_source", H, _OWN_SOURCE),
    "inspect.getsourcelines": ("reads_source", H, _OWN_SOURCE),
    "inspect.getcomments": ("reads_source", H, _OWN_SOURCE),
    "linecache": ("reads_source", H, _OWN_SOURCE),
    "tokenize": ("reads_source", H, _OWN_SOURCE),
    "gc.get_objects": ("introspection", B, "searches all objects in memory"),
    "gc.get_referrers": ("introspection", B, "searches all objects in memory"),
    "unittest.mock": ("monkeypatch", B, "replaces functions of others"),
    "mock": ("monkeypatch", B, "replaces functions of others"),
    "forbiddenfruit": ("monkeypatch", B, "changes built-in types"),
    # --- files ----------------------------------------------------------------------------
    "os.symlink": ("file_tricks", B, "makes links; a run leaves plain files"),
    "os.link": ("file_tricks", B, "makes links; a run leaves plain files"),
    "os.mkfifo": ("file_tricks", B, "makes pipes; a run leaves plain files"),
    "os.mknod": ("file_tricks", B, "makes devices; a run leaves plain files"),
    "os.chroot": ("file_tricks", B, "changes the root folder"),
    "os.chmod": ("file_tricks", H, "changes permissions"),
    "os.memfd_create": ("file_tricks", B, "makes a file that nobody can see"),
    "os.pardir": ("outside_paths", B, "climbs out of the folder"),
    "os.path.pardir": ("outside_paths", B, "climbs out of the folder"),
    "os.dup": ("file_tricks", H, _DESCRIPTOR),
    "os.dup2": ("file_tricks", H, _DESCRIPTOR),
    "os.fdopen": ("file_tricks", H, _DESCRIPTOR),
    "os.pipe": ("file_tricks", H, _DESCRIPTOR),
    "os.read": ("file_tricks", H, _DESCRIPTOR),
    "os.write": ("file_tricks", H, _DESCRIPTOR),
    "os.sendfile": ("file_tricks", H, _DESCRIPTOR),
    "os.splice": ("file_tricks", H, _DESCRIPTOR),
    "sqlite3": ("file_tricks", H, _DATABASE),
    "dbm": ("file_tricks", H, _DATABASE),
    "os.walk": ("file_search", H, "searches folders"),
    "os.scandir": ("file_search", H, "searches folders"),
    "os.listdir": ("file_search", H, "lists a folder"),
    "glob": ("file_search", H, "searches for files"),
    "pathlib.Path.home": ("outside_paths", B, "reaches for the home folder, which could outlive a run"),
    "os.path.expanduser": ("outside_paths", B, "reaches for the home folder, which could outlive a run"),
    "multiprocessing.shared_memory": ("file_tricks", H, "shares memory under a name that can outlive the process"),
    "tempfile.gettempdir": ("outside_paths", H, "reaches a folder that could outlive a run"),
    "tempfile": ("file_tricks", N, "writes temporary files"),
    "shutil.rmtree": ("file_tricks", H, "removes folders"),
    "zlib.compress": ("packed_literals", H, "packs or unpacks bytes; check that no weights travel in the source"),
    "zlib.compressobj": ("packed_literals", H, "packs or unpacks bytes; check that no weights travel in the source"),
    "zlib.decompress": ("packed_literals", H, "packs or unpacks bytes; check that no weights travel in the source"),
    "zlib.decompressobj": ("packed_literals", H, "packs or unpacks bytes; check that no weights travel in the source"),
    "zipfile": ("packed_literals", H, "packs or unpacks files; check that no weights travel in the source"),
    "tarfile": ("packed_literals", H, "packs or unpacks files; check that no weights travel in the source"),
    "gzip": ("packed_literals", H, "packs or unpacks bytes; check that no weights travel in the source"),
    "bz2": ("packed_literals", H, "packs or unpacks bytes; check that no weights travel in the source"),
    "lzma": ("packed_literals", H, "packs or unpacks bytes; check that no weights travel in the source"),
    "base64": ("packed_literals", H, "turns text into bytes; check that no weights travel in the source"),
    "binascii": ("packed_literals", H, "turns text into bytes; check that no weights travel in the source"),
    "platform.node": ("environment_probe", H, "asks which machine this is"),
    "os.uname": ("environment_probe", H, "asks which machine this is"),
    "uuid.getnode": ("environment_probe", H, "asks which machine this is"),
    "os.getlogin": ("environment_probe", H, "asks who runs this"),
    "os.getppid": ("environment_probe", H, "asks who runs this"),
    "getpass": ("environment_probe", H, "asks who runs this"),
    "os.getloadavg": ("environment_probe", H, "asks how busy the machine is"),
    "psutil": ("environment_probe", H, "looks at other processes"),
}  # fmt: skip


_LOOKERS = frozenset({"builtins.getattr", "builtins.setattr", "builtins.delattr", "builtins.hasattr", "builtins.vars", "builtins.dir"})  # fmt: skip
"""Calls that look into a module at once; what they find there is traced."""


def check(file: SourceFile) -> Iterator[Finding]:
    """Report every reference to a name in the table; a name covers everything below it."""
    for node in file.nodes:
        if isinstance(node, ast.Import):
            for entry in node.names:
                # What is doubtful in a module is reported where it is used; what nobody may use, here already.
                found = _report(file, node, entry.name)
                is_listed = listed(entry.name) is not None
                yield from (each for each in found if each.severity is B or not is_listed)
        elif isinstance(node, ast.ImportFrom):
            module = file.imported_module(node)
            for entry in node.names:
                if entry.name == "*" and module in WIDE_MODULES:
                    message = f"from {module} import * hides which of its names are used"
                    yield file.finding("import_tricks", B, node, message)
                yield from _report(file, node, f"{module}.{entry.name}")
        elif isinstance(node, ast.Attribute | ast.Name | ast.Call | ast.Subscript):
            yield from _namespace(file, node)
            if isinstance(file.parents.get(node), ast.Attribute):
                continue  # the longest dotted name speaks for its parts
            name = file.name_of(node)
            if name is not None:
                yield from _report(file, node, name)
                if name in WIDE_MODULES and not _is_followed(file, node):
                    message = f"the whole module {name} as a value, so that nobody sees which of its names are used"
                    yield file.finding("obfuscation", H, node, message)
        elif isinstance(node, ast.ClassDef):
            yield from _modules_in_class(file, node)
    for name, line in file.module_bindings.items():
        if f"builtins.{name}" in REFERENCES:
            yield file.finding("obfuscation", H, line, f"hides the built-in {name}")


def _is_followed(file: SourceFile, node: ast.AST) -> bool:
    """Whether what becomes of a module is seen: it gets another name, is looked into at once, or is compared."""
    parent = file.parents.get(node)
    match parent:
        case ast.Assign(targets=targets):
            return all(isinstance(each, ast.Name) for each in targets)
        case ast.AnnAssign(target=target):
            return isinstance(target, ast.Name)
        case ast.Call(func=function, args=[first, *_]):
            is_lookup = isinstance(function, ast.Call)  # operator.attrgetter("x")(os)
            return first is node and (is_lookup or file.name_of(function) in _LOOKERS)
        case ast.Tuple() | ast.List():
            return isinstance(file.parents.get(parent), ast.For)
    return isinstance(parent, ast.Compare | ast.Expr | ast.Delete)


def _namespace(file: SourceFile, node: ast.AST) -> Iterator[Finding]:
    """`vars(module)` and `module.__dict__` as values: only a lookup of one constant name is traced."""
    match node:
        case ast.Attribute(attr="__dict__", value=module):
            pass
        case ast.Call(args=[module]) if file.name_of(node.func) == "builtins.vars":
            pass
        case _:
            return
    name = file.name_of(module)
    is_module = isinstance(module, ast.Name) and module.id in file.whole_modules
    parent = file.parents.get(node)
    is_lookup = isinstance(parent, ast.Subscript | ast.Compare) or (
        isinstance(parent, ast.Attribute)
        and parent.attr == "get"
        and isinstance(call := file.parents.get(parent), ast.Call)
        and file.name_of(call) is not None
    )
    if (is_module or name in WIDE_MODULES) and not is_lookup:
        message = f"every name of {name} at once, so that nobody sees which of them are used"
        yield file.finding("obfuscation", H, node, message)


def _modules_in_class(file: SourceFile, node: ast.ClassDef) -> Iterator[Finding]:
    """Modules as attributes of a class: what is reached through them is not traced."""
    for statement in node.body:
        match statement:
            case ast.Import(names=entries) if any(each.name in WIDE_MODULES for each in entries):
                yield file.finding("obfuscation", H, statement, "a whole module as an attribute")
            case ast.Assign(value=value) if file.name_of(value) in WIDE_MODULES:
                yield file.finding("obfuscation", H, statement, "a whole module as an attribute")


def listed(name: str) -> str | None:
    """The most specific entry that covers a dotted name; None when none does.

    A module reached through another, such as `tempfile._os.system`, counts as itself.
    """
    parts = name.split(".")
    for start in range(len(parts) - 1, 0, -1):
        if parts[start].lstrip("_") in WIDE_MODULES and start < len(parts) - 1:
            inner = listed(".".join([parts[start].lstrip("_"), *parts[start + 1 :]]))
            if inner is not None:
                return inner
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        if prefix in REFERENCES:
            return prefix
    return None


def _report(file: SourceFile, node: ast.AST, name: str) -> Iterator[Finding]:
    root = name.split(".")[0]
    if root in file.first_party:
        return
    entry = listed(name) or listed(name.lstrip("_"))  # `_socket` is what `socket` is made of
    if entry is None and root.startswith("_") and not root.startswith("__"):
        if isinstance(node, ast.Import | ast.ImportFrom):
            message = f"{root}: a private module of the standard library, past its public one"
            yield file.finding("import_tricks", H, node, message)
    elif entry is not None:
        rule, severity, message = REFERENCES[entry]
        shown = entry.removeprefix("builtins.")
        text = message if shown.split(".")[-1] in message else f"{shown}: {message}"
        yield file.finding(rule, severity, node, text)
