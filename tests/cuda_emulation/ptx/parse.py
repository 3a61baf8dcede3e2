"""Reads PTX as nvcc writes it: kernels, their parameters, shared variables and statements.

The language is described in NVIDIA's "Parallel Thread Execution ISA". Only what kernels of this project
need is accepted: everything else is a PtxError, so that nothing is run with another meaning than it has.
"""
import re
from dataclasses import dataclass, field

BITS = {"b8": 8, "u8": 8, "s8": 8, "b16": 16, "u16": 16, "s16": 16, "f16": 16, "b32": 32, "u32": 32, "s32": 32,
        "f32": 32, "b64": 64, "u64": 64, "s64": 64, "f64": 64, "pred": 1}


class PtxError(Exception):
    """PTX that is not understood."""


@dataclass
class Instruction:
    """`@guard opcode operands;`, or with `@!guard`."""
    line: int
    opcode: str
    operands: list
    guard: str = ""
    negated: bool = False


@dataclass
class Label:
    """`name:`"""
    name: str


@dataclass
class Kernel:
    """One entry function. Registers are known by names that are unique in it (`renamed`)."""
    name: str
    params: list = field(default_factory=list)     # (name, offset, bytes)
    param_bytes: int = 0
    threads_max: int = 0                           # of .maxntid; 0: not said
    registers: dict = field(default_factory=dict)  # name: bits
    shared: dict = field(default_factory=dict)     # name: offset
    shared_bytes: int = 0
    statements: list = field(default_factory=list)


def align(offset, alignment):
    return -(-offset // alignment) * alignment


def split_operands(text):
    """'%r1, {%r2, %r3}, [%rd4+8]' -> its three parts"""
    parts, depth, part = [], 0, ""
    for char in text:
        depth += (char in "{[(") - (char in "}])")
        if char == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += char
    if part.strip():
        parts.append(part.strip())
    return parts


def strip(text):
    """Without comments and debug lines, every line where it was."""
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match[0].count("\n"), text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r"^[ \t]*\.(loc|file|pragma)\b[^\n]*", "", text, flags=re.M)


def variable(text):
    """'.align 4 .b8 tile[64]' -> (alignment, bytes, name)"""
    match = re.fullmatch(r"(?:\.align (\d+) )?\.(\w+) ([\w$]+)(?:\[(\d+)\])?", text)
    if not match or match[2] not in BITS:
        raise PtxError(f"variable '{text}'")
    size = BITS[match[2]] // 8
    return int(match[1] or size), size * int(match[4] or 1), match[3]


def read_params(kernel, text):
    offset = 0
    for param in split_operands(re.sub(r"\s+", " ", text)):
        if not param.startswith(".param "):
            raise PtxError(f"parameter '{param}'")
        alignment, size, name = variable(re.sub(r" \.ptr( \.\w+)?( \.align \d+)?", "", param[len(".param "):]))
        offset = align(offset, alignment)
        kernel.params.append((name, offset, size))
        offset += size
    kernel.param_bytes = offset


def add_shared(kernel, declaration):
    alignment, size, name = variable(declaration)
    kernel.shared[name] = align(kernel.shared_bytes, alignment)
    kernel.shared_bytes = kernel.shared[name] + size


class Body:
    """Reads the statements of a kernel from between its braces."""

    def __init__(self, kernel, text, line):
        self.kernel, self.text = kernel, text
        self.scopes, self.scopes_seen, self.at = [{}], 0, 0
        self.counted, self.lines = 0, line  # lines before text[counted]

    def line(self):
        self.lines += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.lines

    def rename(self, text):
        """Register names in `text` as the kernel knows them."""
        def unique(match):
            for scope in reversed(self.scopes):
                if match[0] in scope:
                    return scope[match[0]]
            return match[0]
        return re.sub(r"%?[A-Za-z_$][\w$]*", unique, text)

    def declare(self, statement):
        match = re.fullmatch(r"\.reg \.(\w+) (.*)", statement)
        if not match or match[1] not in BITS:
            raise PtxError(f"line {self.line()}: {statement}")
        for part in split_operands(match[2]):
            many = re.fullmatch(r"(%?\w+)<(\d+)>", part)
            names = [f"{many[1]}{i}" for i in range(int(many[2]))] if many else [part]
            for name in names:
                unique = name if len(self.scopes) == 1 else f"{name}_{self.scopes_seen}"
                self.scopes[-1][name] = unique
                self.kernel.registers[unique] = BITS[match[1]]

    def instruction(self, statement):
        match = re.fullmatch(r"(?:@(!?)(%?[\w$]+) )?([\w.]+)(?: (.*))?", statement)
        if not match:
            raise PtxError(f"line {self.line()}: {statement}")
        operands = [self.rename(operand) for operand in split_operands(match[4] or "")]
        self.kernel.statements.append(Instruction(self.line(), match[3], operands, self.rename(match[2] or ""),
                                                  match[1] == "!"))

    def statement(self, text):
        if text.startswith(".reg "):
            self.declare(text)
        elif text.startswith(".shared "):
            add_shared(self.kernel, text[len(".shared "):])
        elif text:
            self.instruction(text)

    def read(self):
        while match := re.compile(r"\s*(?:([\w$]+):|([{}])|([^;]*);)", re.S).match(self.text, self.at):
            self.at = match.end()
            if match[1]:
                self.kernel.statements.append(Label(match[1]))
            elif match[2] == "{":
                self.scopes.append({})
                self.scopes_seen += 1
            elif match[2] == "}":
                self.scopes.pop()
            else:
                self.statement(re.sub(r"\s+", " ", match[3]).strip())
        if self.text[self.at:].strip():
            raise PtxError(f"line {self.line()}: {self.text[self.at:].strip()[:80]}")


def matching_brace(text, opening):
    depth = 0
    for match in re.compile(r"[{}]").finditer(text, opening):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.start()
    raise PtxError("a brace is not closed")


def read_module(text):
    """The kernels of a PTX file."""
    text = strip(text)
    outside, kernels, at = "", [], 0
    for match in re.finditer(r"(?:\.visible |\.weak )?\.entry\s+(\w+)\s*\(([^)]*)\)([^{;]*)\{", text):
        outside += text[at:match.start()]
        kernel = Kernel(match[1])
        read_params(kernel, match[2])
        if bound := re.search(r"\.maxntid\s+(\d+)", match[3]):
            kernel.threads_max = int(bound[1])
        at = matching_brace(text, match.end() - 1) + 1
        body = text[match.end():at - 1]
        kernels.append((kernel, body, text[:match.end()].count("\n") + 1))
    outside += text[at:]
    shared = read_shared_outside(outside)
    for kernel, body, line in kernels:
        for name, declaration in shared.items():
            if name in body:
                add_shared(kernel, declaration)
        Body(kernel, body, line).read()
    return [kernel for kernel, _, _ in kernels]


def read_shared_outside(text):
    """Shared variables that functions of several kernels declare: {name: declaration}"""
    found = {}
    for statement in text.split(";"):
        statement = re.sub(r"\s+", " ", re.sub(r"\.(version|target|address_size) [^\n]*", "", statement)).strip()
        if not statement:
            continue
        if not statement.startswith(".shared "):
            raise PtxError(f"outside of kernels: {statement[:80]}")
        declaration = statement[len(".shared "):]
        found[variable(declaration)[2]] = declaration
    return found
