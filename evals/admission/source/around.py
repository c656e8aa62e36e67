"""What a program may ask about the machine, the process and the files around it without any of its work depending on it.

Does not: follow values; `observed.py` does. Invariant: an answer of a module that reaches out says something about what is
around a run, unless it is listed here as the same in every run of an environment, or as what another rule speaks of.
"""

import re

REACHING = frozenset({"gc", "getpass", "locale", "multiprocessing", "os", "platform", "psutil", "resource", "secrets", "shutil", "site", "socket", "stat", "sys", "sysconfig", "tempfile", "threading", "tracemalloc", "uuid"})  # fmt: skip
"""Modules that answer questions about what is around a run."""
_PATHS = r"path\.(join|basename|dirname|normpath|abspath|realpath|relpath|split|splitext|isabs|commonpath|commonprefix|exists|isfile|isdir|sep)"
_THE_SAME = re.compile(
    rf"^(os\.(environ|environb|getenv|name|sep|linesep|pathsep|curdir|pardir|extsep|devnull|fspath|fsdecode|fsencode|strerror|{_PATHS})|"
    r"sys\.(version|version_info|hexversion|platform|byteorder|maxsize|maxunicode|float_info|int_info|stdout|stderr|exit|intern|getsizeof|getrecursionlimit)|"
    r"platform\.(system|machine|processor|architecture|python_version|python_version_tuple|python_implementation)|gc\.(isenabled|collect|get_threshold)|"
    r"multiprocessing\.(dummy|pool)|tracemalloc\.is_tracing|threading\.(Thread|Lock|RLock|Event|Condition|Semaphore|BoundedSemaphore|Barrier|Timer|local))\b"
)
"""What is the same in every run of an environment, and what is made for the run."""
_SPOKEN_OF = re.compile(
    r"^(os\.(cpu_count|process_cpu_count|sched_getaffinity|listdir|scandir|walk|times|open|getcwd|path\.get[acm]time)|multiprocessing\.cpu_count|"
    r"sys\.(argv|executable|exc_info)|tempfile\.\w+|shutil\.(?!which|disk_usage|get_)\w+)\b"
)
"""What rules of their own judge: cores, clocks, folders, descriptors and paths."""
_OF_LIBRARIES = re.compile(
    r"^(torch\.(get_num_threads|get_num_interop_threads|initial_seed|seed|get_rng_state|random\.(get_rng_state|initial_seed|seed)|__config__|"
    r"cuda\.(get_device_name|get_device_uuid|mem_get_info|memory_\w+|max_memory_\w+|utilization|temperature|get_rng_state|initial_seed))|"
    r"numpy\.(random\.get_state|show_config)|random\.getstate)\b"
)
"""The same of libraries: their threads and memory, and the state of generators, which says what the seed was."""
COMPILERS = frozenset({"c++", "cc", "clang", "clang++", "g++", "gcc", "nvcc", "ninja"})
"""Programs of which a trainer may ask whether they are there."""
FILE_FACTS = frozenset({"st_size", "st_blocks", "st_dev", "st_gid", "st_ino", "st_mode", "st_nlink", "st_uid"})  # fmt: skip
"""What the file system says of a file."""

HARMLESS_FACTS = re.compile(r"^/(proc/(cpuinfo|meminfo)|sys/devices/system/(cpu|node)(/.*)?)$")
"""What says which processor and how much memory there is: fine to read, telling to decide by."""
FACTS_OF_PROCESSOR = frozenset({"/proc/cpuinfo", "/proc/meminfo"})
FILE_QUESTIONS = frozenset({"is_block_device", "is_char_device", "is_fifo", "is_junction", "is_mount", "is_socket", "is_symlink", "isatty", "lstat", "owner", "samefile", "stat"})  # fmt: skip
"""Methods of paths and files that ask the system who owns what, and of what kind it is."""


def is_around(name: str) -> bool:
    """Whether what a dotted name is, or what it answers when it is called, says something about what is around a run."""
    if _OF_LIBRARIES.match(name):
        return True
    root, _, rest = name.partition(".")
    return root in REACHING and bool(rest) and not (_THE_SAME.match(name) or _SPOKEN_OF.match(name))
