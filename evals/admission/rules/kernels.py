"""What a kernel in C, C++ or CUDA needs: headers, calls and attributes by an allow-list.

Does not: parse C, or know what a name means where it is no call; what the built program links is looked at when it is built.
Invariant: what is not listed and not defined in the candidate's own source is held, whatever it is called.
"""

import re
from collections.abc import Iterable, Iterator

HEADERS = re.compile(
    r'"[\w.][\w./+-]*"|<(alloca|arm_neon|arm_sve|assert|complex|errno|float|inttypes|limits|malloc|math|memory|omp|stdalign|stdbool|'
    r"stddef|stdint|stdio|stdlib|string|tgmath|[a-z]mmintrin|immintrin|x86intrin|cuda_runtime|cuda_fp16|cuda_bf16|mma)\.h>|"
    r"<(algorithm|array|bit|cassert|cfloat|climits|cmath|complex|cstddef|cstdint|cstdio|cstdlib|cstring|functional|initializer_list|"
    r"iostream|iterator|limits|map|memory|new|numeric|optional|sstream|stdexcept|string|tuple|type_traits|unordered_map|utility|vector)>|"
    r"<(torch|ATen|c10|pybind11|cub|cutlass|cute|thrust)/[\w./-]+>"
)
INCLUDE = re.compile(r"^[ \t]*(?:#|%:)[ \t]*(?:include(?:_next)?|embed|import)\b[ \t]*(.*)$", re.MULTILINE)  # fmt: skip
PRAGMA = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+(?!omp\b|once\b|unroll\b|GCC (unroll|ivdep|optimize|target|push_options|pop_options|diagnostic)\b|clang loop\b)(.*)$", re.MULTILINE)  # fmt: skip
DEFINED = re.compile(r"\b([A-Za-z_]\w*)\s*\([^;{}()]*(?:\([^()]*\)[^;{}()]*)*\)\s*(?:const\s*)?\{|#\s*define\s+(\w+)\(|\bauto\s*&?\s*(\w+)\s*=")  # fmt: skip
"""Functions with a body, macros with arguments, and lambdas with a name."""
WORDS = frozenset({"alignas", "alignof", "case", "catch", "decltype", "defined", "do", "else", "for", "goto", "if", "new", "noexcept", "return", "sizeof", "static_assert", "static_cast", "switch", "throw", "typeof", "while", "_Alignas", "_Alignof", "_Generic", "_Pragma", "_Static_assert", "__alignof__", "__attribute__", "__declspec", "__typeof__", "asm", "__asm__", "bool", "char", "double", "float", "int", "long", "short", "unsigned", "void", "float2", "float4", "half", "int64_t", "int32_t", "uint8_t", "size_t"})  # fmt: skip
ORDINARY = re.compile(
    r"(f?abs|acosh?|asinh?|atan[h2]?|cbrt|ceil|copysign|cosh?|erfc?|exp2?|expm1|fdim|floor|fma|fmax|fmin|fmod|frexp|hypot|ilogb|"
    r"l?lrint|l?lround|ldexp|lgamma|log(10|1p|2|b)?|modf|nearbyint|pow|remainder|rint|round|rsqrt|scalbn|sincos|sinh?|sqrt|tanh?|tgamma|trunc|"
    r"isnan|isinf|isfinite|signbit)(f|l|f16)?|"
    r"mem(cpy|set|move|cmp)|malloc|calloc|realloc|free|aligned_alloc|posix_memalign|alloca|mallopt|l?labs|abs|min|max|swap|"
    r"str(len|n?cmp|n?cpy)|assert|abort|f?printf|snprintf|puts|fputs|perror|qsort|bsearch|"
    r"omp_[a-z_]+|_mm\d*_\w+|_tile_\w+|_bit_\w+|_pdep_\w+|_pext_\w+|_lrot[lr]|__builtin_(?!apply|eh_|extract|frame|longjmp|return|setjmp|thread)\w+|v[a-z0-9_]+_[a-z]?[suf]\d+(_x\d)?|sv[a-z0-9]+_\w+|"
    r"__(syncthreads|syncwarp|shfl\w*|ldg|float2\w+|half2\w+|expf|logf|fdividef|popc|ballot\w*|activemask|launch_bounds__|align__)|"
    r"atomic[A-Z]\w*|make_float[24]|dim3|(TORCH|AT|C10|PYBIND11)_\w+|INFINITY|NAN"
)
ATTRIBUTES = re.compile(r"aligned|always_inline|assume_aligned|cold|const|fallthrough|flatten|format|hot|leaf|malloc|may_alias|noinline|nonnull|noreturn|nothrow|optimize|packed|pure|restrict|returns_nonnull|target|unused|used|vector_size|visibility|warn_unused_result|maybe_unused|nodiscard|likely|unlikely|alloc_size|ext_vector_type")  # fmt: skip
ATTRIBUTE = re.compile(
    r"__attribute__\s*\(\((?P<gnu>(?:[^()]|\([^()]*\))*)\)\)|\[\[(?P<standard>[^][]*)\]\]"
)
SPLICED = re.compile(r"\w\\\n[ \t]*\w|\?\?[/=()'<>!-]|%:|##")
"""Names put together by the preprocessor or over the end of a line."""
PRAGMAS = re.compile(r"^[ \t]*#[ \t]*pragma[^\n]*", re.MULTILINE)
POINTED = re.compile(
    r"\b([A-Za-z_]\w*)\s*(?:\)\s*\([^(){};=]*\)\s*)?=\s*(?:&\s*)?([A-Za-z_]\w*)\s*[;,]"
)
"""Plain assignments of one name to another, those of pointers to functions among them."""
SIZES = re.compile(r"\bif\s*\((?P<test>(?:[^(){};]|\([^(){};]*\))*)\)")
EXACT = re.compile(r"==\s*(?:[2-9]|\d{2,})\b|\b(?:[2-9]|\d{2,})\s*==")


CLAUSE = re.compile(r"[^;{}?]+")
"""What stands between the ends of statements, blocks and questions."""
TOGETHER = re.compile(rf"(?:{EXACT.pattern})[^|]*?[&*][^|]*?(?:{EXACT.pattern})")
"""Two exact sizes that hold at once, in a test, a choice or a value that is kept."""
REFUSAL = re.compile(r"\b(?:_Static_|static_)?assert\b|^[ \t]*#", re.MULTILINE)


FOR_EVERYBODY = re.compile(
    r"\b(rsi_\w+|main|_?_?(libc_)?(start_main|exit|abort|read|write|p?read(v|64)?|p?write(v|64)?|p?poll|select|send\w*|recv\w*|open\w*|close|mmap|munmap|"
    r"mem(cpy|set|move|cmp)|malloc|calloc|realloc|free|aligned_alloc|posix_memalign|str(len|n?cmp|n?cpy)|v?f?printf|puts|fputs|f(read|write|open|close|flush)|"
    r"(clock|time|nano|u)_?(gettime|sleep)|sched_yield|futex|syscall|sem_\w+|pthread_\w+|getenv))\s*\("
)
"""Functions that the program around a kernel calls as well."""
OF_OTHERS = re.compile(r"^[ \t]*extern\b(?!\s*\"C)[^;(){}]*;", re.MULTILINE)
"""Variables that are defined elsewhere."""
TOLD_BY_COMPILER = re.compile(r"\b__(DATE|TIME|TIMESTAMP|FILE|COUNTER|BASE_FILE|INCLUDE_LEVEL)__\b")
"""Macros that say when, where and how often something was compiled."""
ADDRESS = re.compile(
    r"\(\s*u?intptr_t\s*\)\s{0,9}&?\s{0,9}[\w.>-]{1,60}\s{0,9}\)?\s{0,9}(?:>>\s*\d+|%\s*\(?\s*(?P<modulus>\d{1,9})\b)"
)
KEPT = re.compile(
    r"\bstatic\s+(?!const\b[^;*]*;|const\b[^;*]*=|inline\b)((?:\w+[\s*]+){1,6})(\w+(?:\[[^;(){}]{0,60}\])?\s*(?:[=,][^;(){}]{0,200})?);"
)
"""Variables that keep what they hold from call to call."""


def defined_in(texts: Iterable[str]) -> frozenset[str]:
    """Names of functions and macros that native sources define themselves."""
    return frozenset(name for text in texts for found in DEFINED.finditer(text) for name in found.groups() if name)  # fmt: skip


def unusual(text: str, own: frozenset[str]) -> Iterator[tuple[int, str, str]]:
    """Offset, rule and sentence of each thing in a source without comments that no kernel needs.

    Args:
        text: Source whose comments were blanked.
        own: What the candidate's native files define.
    """
    for found in INCLUDE.finditer(text):
        if not HEADERS.fullmatch(found.group(1).strip()) or ".." in found.group(1):
            yield found.start(), "native_code", f"includes {found.group(1).strip()[:60]}"
    for found in PRAGMA.finditer(text):
        yield found.start(), "native_code", f"an unusual pragma: {found.group(2).strip()[:60]}"
    for found in SPLICED.finditer(text):
        yield found.start(), "obfuscation", "a name that is put together by the preprocessor"
    for found in ATTRIBUTE.finditer(text):
        for word in re.findall(r"(?:^|,)\s*(?:gnu::)?_*([a-z]\w*?)_*(?=\s*(?:\(|,|$))", found.group("gnu") or found.group("standard") or ""):  # fmt: skip
            if not ATTRIBUTES.fullmatch(word):
                yield found.start(), "native_code", f"the attribute {word}"
    for start in _exact_sizes(text):
        yield start, "special_case", "another path for exactly one combination of sizes"
    for found in FOR_EVERYBODY.finditer(text):
        before = re.split(r"[;{}]|\n\s*\n", text[max(0, found.start() - 120) : found.start()])[-1]
        if "static" not in before and _has_body(text, found.end()):
            message = f"defines {found.group(1)} for the whole program"
            yield found.start(), "native_code", message
    for found in OF_OTHERS.finditer(text):
        yield found.start(), "native_code", "uses a variable that is defined elsewhere"
    for found in TOLD_BY_COMPILER.finditer(text):
        yield (
            found.start(),
            "environment_probe",
            f"{found.group()} says when or where it was compiled",
        )
    yield from _coins(text)
    yield from _remembered(text)
    yield from _calls(text, own | defined_in([text]))


def _exact_sizes(text: str) -> Iterator[int]:
    """Where more than one size is asked for exactly: by `if`, by `?:`, or as a value that is kept for later."""
    tests = {each.start(): each.group("test") for each in SIZES.finditer(text)}
    yield from (start for start, test in tests.items() if len(EXACT.findall(test)) > 1)
    for found in CLAUSE.finditer(text):
        clause = found.group()
        if TOGETHER.search(clause) and not REFUSAL.search(clause) and not SIZES.search(clause):
            yield found.start() + len(clause) - len(clause.lstrip())


def _has_body(text: str, start: int) -> bool:
    """Whether a body follows the arguments that start here."""
    depth = 1
    for offset, sign in enumerate(text[start : start + 1000]):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return text[start + offset + 1 : start + offset + 100].lstrip().startswith("{")
    return False


def _coins(text: str) -> Iterator[tuple[int, str, str]]:
    """Numbers made of where something lies, which is another place in every process; alignment is none."""
    for found in ADDRESS.finditer(text):
        modulus = int(found.group("modulus") or 1)
        if found.group("modulus") is None or modulus & (modulus - 1):
            yield found.start(), "environment_probe", "a coin by where something lies in memory"


def _remembered(text: str) -> Iterator[tuple[int, str, str]]:
    """Questions about what an earlier call left; whether it left anything, or enough room, is none."""
    kept = {re.split(r"[=\s\[]", each.strip(" *"))[0] for found in KEPT.finditer(text) for each in found.group(2).split(",")}  # fmt: skip
    for found in re.finditer(
        r"\bstatic\s+(?:volatile\s+)?(?:float|double)\s+\w+\s*(?:[;,]|=[^;]*;)", text
    ):
        yield found.start(), "special_case", "keeps a number from call to call"
    if not kept:
        return
    for found in re.finditer(r"\b(?P<up>[A-Za-z_]\w*)\s*(?:\+\+|--|[+-]=\s*\d)|(?:\+\+|--)\s*(?P<down>[A-Za-z_]\w*)", text):  # fmt: skip
        if {found.group("up"), found.group("down")} & kept:
            yield found.start(), "special_case", "counts its calls"
    plain = r"(?!\s*(?:0|1|NULL|nullptr|false|true)\b)"
    for found in re.finditer(rf"(?<![=!<>])[=!]={plain}\s*(?:\(\w+\))?(?P<right>[A-Za-z_]\w*)?", text):  # fmt: skip
        left = re.search(r"([A-Za-z_]\w*)\s*$", text[max(0, found.start() - 60) : found.start()])
        if {found.group("right"), left and left.group(1)} & kept:
            yield found.start(), "special_case", "decides by what an earlier call left"


def _calls(text: str, own: frozenset[str]) -> Iterator[tuple[int, str, str]]:
    text = ATTRIBUTE.sub(lambda found: " " * len(found.group()), text)
    text = PRAGMAS.sub(lambda found: " " * len(found.group()), text)
    own = own | _variables(text, own)
    plain = re.sub(r'"(?:[^"\\\n]|\\.){0,1000}"', lambda found: " " * len(found.group()), text)
    for found in re.finditer(r"\b([A-Za-z_]\w*)\s*\(", plain):
        name = found.group(1)
        if name in WORDS or name in own or ORDINARY.fullmatch(name):
            continue
        if not _is_declared(plain[max(0, found.start() - 60) : found.start()]):
            yield found.start(), "native_code", f"calls {name}, which no kernel of this source defines"  # fmt: skip


def _variables(text: str, own: frozenset[str]) -> frozenset[str]:
    """Variables that only ever hold functions of the source."""
    given: dict[str, set[str]] = {}
    for name, value in POINTED.findall(text):
        given.setdefault(name, set()).add(value)
    return frozenset(name for name, values in given.items() if values <= own)


def _is_declared(before: str) -> bool:
    """Whether what stands before a name makes it a method, a name of a library, or what is declared there."""
    before = before.rstrip()
    if before.endswith((".", "->", "::")):
        return True
    if before.endswith(("*", "&")):  # `float *f(`, unless it is a product
        before = before.rstrip("*& \t")
        word = re.search(r"\b([A-Za-z_]\w*)$", before)
        return word is not None and (word.group(1).endswith("_t") or word.group(1) in WORDS)
    word = re.search(r"(\b[A-Za-z_]\w*|>)$", before)
    return word is not None and word.group(1) not in {"return", "else", "do", "case", "goto", "throw", "new", "sizeof"}  # fmt: skip
