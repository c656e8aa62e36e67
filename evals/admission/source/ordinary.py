"""What a program that trains or compiles needs of Python and its libraries: the allow-list that reach is judged by.

Does not: forbid. What is not listed here is held for a person, unless the table of `names.py` says more about it.
Invariant: nothing with an effect outside the run's own memory is listed, but what other rules judge by its arguments.
"""

import re

ORDINARY_MODULES = frozenset({"__future__", "abc", "argparse", "array", "bisect", "builtins", "cProfile", "cmath", "collections", "concurrent", "configparser", "contextlib", "contextvars", "copy", "csv", "ctypes", "dataclasses", "datetime", "decimal", "difflib", "enum", "errno", "fnmatch", "fractions", "functools", "gc", "getopt", "glob", "graphlib", "hashlib", "heapq", "html", "importlib", "inspect", "io", "itertools", "json", "keyword", "locale", "logging", "math", "mmap", "multiprocessing", "numbers", "operator", "optparse", "os", "pathlib", "platform", "pprint", "pstats", "queue", "random", "re", "reprlib", "resource", "shlex", "shutil", "stat", "statistics", "string", "struct", "subprocess", "sys", "sysconfig", "tempfile", "textwrap", "threading", "time", "timeit", "tomllib", "traceback", "tracemalloc", "types", "typing", "unicodedata", "unittest", "warnings", "weakref", "zlib"})  # fmt: skip
"""What such a program imports of the standard library."""
LIBRARIES = frozenset({"apex", "attr", "attrs", "bitsandbytes", "cupy", "einops", "flash_attn", "hypothesis", "jax", "liger_kernel", "line_profiler", "ml_dtypes", "more_itertools", "msgspec", "numpy", "omegaconf", "opt_einsum", "orjson", "pandas", "polars", "pydantic", "pytest", "rapidjson", "regex", "rich", "safetensors", "scipy", "simplejson", "sklearn", "sortedcontainers", "tiktoken", "torch", "tqdm", "triton", "typing_extensions", "ujson", "xformers", "xxhash", "yaml"})  # fmt: skip
"""What it imports beside that."""
_SYSTEM_FILES = frozenset({"chdir", "chmod", "close", "fdatasync", "fsync", "ftruncate", "listdir", "lseek", "makedirs", "mkdir", "open", "posix_fadvise", "remove", "removedirs", "rename", "renames", "replace", "rmdir", "scandir", "stat", "truncate", "unlink", "utime", "walk", "access"})  # fmt: skip
"""Functions of `os` on files: `writes.py` and `paths.py` say where they lead."""
MEMBERS: dict[str, frozenset[str]] = {
    "os": _SYSTEM_FILES | {"DirEntry", "PathLike", "R_OK", "W_OK", "cpu_count", "curdir", "devnull", "environ", "error", "extsep", "fsdecode", "fsencode", "fspath", "getcwd", "getenv", "linesep", "name", "path", "pathsep", "process_cpu_count", "sched_getaffinity", "sep", "stat_result", "strerror", "times", "putenv", "unsetenv"},
    "sys": frozenset({"byteorder", "dont_write_bytecode", "exc_info", "exit", "float_info", "getrecursionlimit", "getsizeof", "getswitchinterval", "hexversion", "int_info", "intern", "maxsize", "maxunicode", "platform", "set_int_max_str_digits", "setrecursionlimit", "setswitchinterval", "stderr", "stdout", "tracebacklimit", "version", "version_info"}),
    "time": frozenset({"asctime", "ctime", "get_clock_info", "gmtime", "localtime", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "process_time_ns", "strftime", "struct_time", "thread_time", "thread_time_ns", "time", "time_ns", "clock_gettime", "clock_gettime_ns", "CLOCK_MONOTONIC", "CLOCK_PROCESS_CPUTIME_ID", "CLOCK_REALTIME", "CLOCK_THREAD_CPUTIME_ID"}),
    "threading": frozenset({"Barrier", "BoundedSemaphore", "BrokenBarrierError", "Condition", "Event", "Lock", "RLock", "Semaphore", "Thread", "Timer", "current_thread", "get_ident", "local", "main_thread"}),
    "gc": frozenset({"collect", "disable", "enable", "freeze", "get_count", "get_threshold", "isenabled", "set_threshold", "unfreeze"}),
    "inspect": frozenset({"BoundArguments", "Parameter", "Signature", "cleandoc", "isabstract", "isbuiltin", "isclass", "iscoroutinefunction", "isfunction", "isgenerator", "isgeneratorfunction", "ismethod", "signature"}),
    "traceback": frozenset({"TracebackException", "format_exc", "format_exception", "format_exception_only", "print_exc", "print_exception"}),
    "logging.handlers": frozenset({"BufferingHandler", "MemoryHandler", "QueueHandler", "QueueListener", "RotatingFileHandler", "TimedRotatingFileHandler", "WatchedFileHandler"}),
    "platform": frozenset({"architecture", "machine", "processor", "python_implementation", "python_version", "python_version_tuple", "system"}),
    "resource": frozenset({"RUSAGE_CHILDREN", "RUSAGE_SELF", "RUSAGE_THREAD", "getrusage"}),
    "weakref": frozenset({"ReferenceType", "WeakKeyDictionary", "WeakSet", "WeakValueDictionary", "proxy", "ref"}),
    "types": frozenset({"BuiltinFunctionType", "EllipsisType", "FunctionType", "GeneratorType", "GenericAlias", "LambdaType", "MappingProxyType", "MethodType", "NoneType", "NotImplementedType", "SimpleNamespace", "TracebackType", "UnionType"}),
    "importlib": frozenset({"metadata", "resources"}),
    "importlib.metadata": frozenset({"PackageNotFoundError", "metadata", "requires", "version"}),
    "yaml": frozenset({"CSafeDumper", "CSafeLoader", "SafeDumper", "SafeLoader", "YAMLError", "dump", "dump_all", "load", "load_all", "safe_dump", "safe_dump_all", "safe_load", "safe_load_all"}),
    "shutil": frozenset({"copy", "copy2", "copyfile", "copyfileobj", "copymode", "copystat", "copytree", "ignore_patterns", "make_archive", "move", "rmtree", "unpack_archive"}),
    "io": frozenset({"BufferedIOBase", "BufferedRandom", "BufferedReader", "BufferedWriter", "BytesIO", "DEFAULT_BUFFER_SIZE", "FileIO", "IOBase", "RawIOBase", "SEEK_CUR", "SEEK_END", "SEEK_SET", "StringIO", "TextIOBase", "TextIOWrapper", "UnsupportedOperation", "open"}),
}  # fmt: skip
"""Of modules that reach out: the names that such a program needs. Of other ordinary modules all names are."""
ODD_BUILTINS = frozenset({"breakpoint", "copyright", "credits", "globals", "help", "input", "license", "locals"})  # fmt: skip
"""Built-ins that stop, wait or reach for names by text."""
_TORCH_UTILS = frozenset({"_foreach_utils", "_pytree", "checkpoint", "data", "deterministic", "dlpack", "flop_counter", "mkldnn", "mobile_optimizer", "parametrize", "tensorboard"})  # fmt: skip
_TORCH_TOOLS = re.compile(r"^_(foreach|fused|assert|scaled|int_mm|weight|mixed|convert|cast|grouped|efficient|flash|transformer|native|addmm|softmax|log_softmax|dynamo|functorch|inductor|logging)")  # fmt: skip
"""Private operators of torch that fast code calls for lack of public ones."""
_INDUCTOR = frozenset({"config"})
_NUMPY_LIB = frozenset({"format", "stride_tricks", "NumpyVersion", "add_docstring", "pad"})
PRIVATE_PARTS = frozenset({"_asdict", "_buffers", "_fields", "_make", "_modules", "_name_", "_parameters", "_replace", "_value_", "_version", "_grad", "_base", "_foreach_norm"})  # fmt: skip
"""Private attributes that programs read of what they did not make."""
_TORCH_PARTS = frozenset({"amp", "ao", "autograd", "backends", "compiler", "cpu", "cuda", "distributed", "distributions", "export", "fft", "func", "functional", "futures", "fx", "jit", "library", "linalg", "masked", "mps", "multiprocessing", "nested", "nn", "onnx", "ops", "optim", "overrides", "profiler", "quantization", "random", "serialization", "signal", "sparse", "special", "storage", "types", "utils", "version", "xpu"})  # fmt: skip
"""Modules of torch; a name of another has no business in a training loop, or the table of `names.py` says so."""
_TORCH_TYPES = re.compile(
    r"^((u?int|float|bfloat|complex|bool|half|double|long|short|q)\w*|device|dtype|finfo|iinfo|layout|memory_format|__\w+)$"
)
_TORCH_REACHING = frozenset({"_record_memory_history", "cudart", "from_file", "tensorboard_trace_handler"})  # fmt: skip
_LIBRARY_PARTS = {
    "scipy": frozenset({"cluster", "constants", "fft", "fftpack", "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal", "sparse", "spatial", "special", "stats"}),
    "sklearn": frozenset({"base", "cluster", "decomposition", "ensemble", "feature_extraction", "kernel_approximation", "linear_model", "manifold", "metrics", "mixture", "model_selection", "naive_bayes", "neighbors", "pipeline", "preprocessing", "random_projection", "svm", "tree", "utils"}),
}  # fmt: skip
"""What of other libraries computes; the rest of them reads files, fetches or calls what others compiled."""
_NUMPY_APART = frozenset({"compat", "ctypeslib", "distutils", "doc", "f2py", "matlib", "testing"})
_PRIVATE = re.compile(r"^_[^_]")


def is_ordinary(name: str, first_party: frozenset[str]) -> bool:
    """Whether a dotted name is one that training needs; what belongs to the candidate is none of this module's business."""
    root, *parts = name.split(".")
    if root in first_party or not parts:
        return True
    match root:
        case "torch":
            return _is_ordinary_torch(parts)
        case "numpy":
            is_inside = parts[0] == "lib" and len(parts) > 1
            is_apart = parts[0] in _NUMPY_APART or _PRIVATE.match(parts[0])
            return not is_apart and (not is_inside or parts[1] in _NUMPY_LIB)
        case "scipy" | "sklearn":
            return parts[0] in _LIBRARY_PARTS[root] or parts[0].startswith("__")
        case "builtins":
            return parts[0] not in ODD_BUILTINS
    for length in range(len(parts)):
        module = ".".join([root, *parts[:length]])
        if module in MEMBERS and parts[length] not in MEMBERS[module]:
            return False
    return True


def is_ordinary_module(name: str, first_party: frozenset[str]) -> bool:
    """Whether a module is one that such a program imports."""
    root = name.split(".")[0]
    return not root or root in first_party or root in ORDINARY_MODULES | LIBRARIES


def _is_ordinary_torch(parts: list[str]) -> bool:
    first, *rest = parts
    if first == "utils":
        return not rest or rest[0] in _TORCH_UTILS
    if first == "_inductor":
        return not rest or rest[0] in _INDUCTOR
    if first in {"classes", "hub", "package"} or parts[-1].startswith("register_module_"):
        return False
    if rest and first.islower() and first not in _TORCH_PARTS and not _PRIVATE.match(first):
        return bool(_TORCH_TYPES.match(first)) or rest[0].startswith("__")
    if parts[-1] in _TORCH_REACHING:
        return False
    if first == "overrides" and rest and rest[0].endswith("Mode"):
        return False
    return not _PRIVATE.match(first) or bool(_TORCH_TOOLS.match(first))
