"""A compiler for Quill; see LANGUAGE.md for the language and VM.md for the target."""

from quill.codegen import bytecode_of
from quill.lexer import tokens_of
from quill.parser import Parser


def compile_program(source: str, dialect: dict) -> list:
    """Bytecode of one program.

    Args:
        source: Text of the program.
        dialect: The choices of its language, see LANGUAGE.md.

    Raises:
        QuillError: This compiler does not know some part of it.
    """
    functions, block = Parser(tokens_of(source)).program()
    return bytecode_of(functions, block, dialect)
