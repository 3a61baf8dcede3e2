"""What each PTX instruction does, in C.

Registers are C variables of unsigned integers as wide as they are (predicates: bool); a value is
reinterpreted as the type an instruction gives it. Functions named here are in device.h. A handler is
found by the first part of an opcode and names every modifier that it knows; another one is an error.
"""
import re

from parse import BITS, PtxError, split_operands

FLOATS = {"f16": "_Float16", "f32": "float", "f64": "double"}
ROUNDINGS = {"rn", "rz", "rm", "rp"}
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
UNSIGNED_COMPARISONS = {"lo": "<", "ls": "<=", "hi": ">", "hs": ">="}
SPECIAL = {"%tid": "here->thread", "%ntid": "here->threads", "%ctaid": "here->block", "%nctaid": "here->blocks"}
HANDLERS = {}


def instruction(names, modifiers=""):
    """Registers a function(i, type) for opcodes; i: an Operation."""
    def register(function):
        for name in names.split():
            HANDLERS[name] = (function, set(modifiers.split()))
        return function
    return register


def c_type(name):
    if name in FLOATS:
        return FLOATS[name]
    if name == "pred":
        return "bool"
    return f"{'' if name[0] == 's' else 'u'}int{BITS[name]}_t"


def c_name(register):
    return "r_" + re.sub(r"\W", "_", register)


def c_label(name):
    return "L" + re.sub(r"\W", "_", name)


class Operation:
    """An instruction of a kernel, with what handlers need to write its C."""

    def __init__(self, kernel, instruction_):
        self.kernel, self.operands, self.line = kernel, instruction_.operands, instruction_.line
        self.name, *self.parts = instruction_.opcode.split(".")

    def has(self, modifier):
        return modifier in self.parts

    def one_of(self, names, default=None):
        found = [part for part in self.parts if part in names]
        return found[0] if found else default

    def is_register(self, operand):
        return operand in self.kernel.registers

    def read(self, operand, type_):
        """A C expression of c_type(type_)."""
        operand = self.operands[operand] if isinstance(operand, int) else operand
        if operand.startswith("!"):
            return f"!{self.read(operand[1:], 'pred')}"
        if self.is_register(operand):
            if type_ in FLOATS:
                return f"{type_}_of({c_name(operand)})"
            return f"({c_type(type_)}){c_name(operand)}"
        if match := re.fullmatch(r"(%\w+)\.([xyz])", operand):
            if match[1] in SPECIAL:
                return f"({c_type(type_)}){SPECIAL[match[1]]}.{match[2]}"
        if operand == "%laneid":
            return "here->lane"
        if match := re.fullmatch(r"0[fFdD]([0-9a-fA-F]+)", operand):
            bits = f"0x{match[1]}{'u' if len(match[1]) == 8 else 'ull'}"
            return f"{type_}_of({bits})" if type_ in FLOATS else bits
        if re.fullmatch(r"-?(0x[0-9a-fA-F]+|\d+)U?", operand) and type_ not in FLOATS:
            return f"({c_type(type_)}){int(operand.rstrip('U'), 0) % 2 ** 64:#x}ull"
        for names in (self.kernel.shared, {name: offset for name, offset, _ in self.kernel.params}):
            if operand in names:
                return f"({c_type(type_)}){names[operand]}"
        raise PtxError(f"operand '{operand}'")

    def write(self, operand, type_, value):
        """A C statement that puts an expression into a register."""
        operand = self.operands[operand] if isinstance(operand, int) else operand
        if operand == "_":
            return f"(void)({value});"
        if not self.is_register(operand):
            raise PtxError(f"destination '{operand}'")
        bits = self.kernel.registers[operand]
        if bits == 1:
            return f"{c_name(operand)} = {value};"
        if type_ in FLOATS:
            return f"{c_name(operand)} = {type_}_bits({value});"
        extended = f"(int{bits}_t)" if type_[0] == "s" and BITS[type_] < bits else ""
        return f"{c_name(operand)} = (uint{bits}_t){extended}({c_type(type_)})({value});"

    def address(self, operand):
        match = re.fullmatch(r"\[\s*([^\]+\s]+)\s*(?:\+\s*(-?\d+))?\s*\]", operand)
        if not match:
            raise PtxError(f"address '{operand}'")
        return f"{self.read(match[1], 'u64')} + {int(match[2] or 0) % 2 ** 64:#x}ull"


def translate(kernel, instruction_):
    """The C of one instruction, its guard included."""
    operation = Operation(kernel, instruction_)
    if operation.name not in HANDLERS:
        raise PtxError(f"instruction '{instruction_.opcode}'")
    handler, modifiers = HANDLERS[operation.name]
    unknown = [part for part in operation.parts if part not in modifiers and part not in BITS]
    if unknown:
        raise PtxError(f"'{unknown[0]}' in '{instruction_.opcode}'")
    text = handler(operation, operation.parts[-1] if operation.parts else "")
    if instruction_.guard:
        return f"if ({'!' if instruction_.negated else ''}{c_name(instruction_.guard)}) {{ {text} }}"
    return text


# ---- control ----

@instruction("bra", "uni")
def branch(i, _):
    return f"goto {c_label(i.operands[0])};"


@instruction("ret exit")
def leave(_i, _):
    return "return;"


@instruction("bar barrier", "sync aligned warp")
def barrier(i, _):
    if i.has("warp"):
        return f"host->exchange({i.read(0, 'u32')}, WARP_SYNC, 0, {i.line});"
    if i.operands != ["0"]:
        raise PtxError("a barrier of some threads")
    return f"host->barrier({i.line});"


@instruction("membar fence", "cta gl sys acq_rel sc gpu")
def fence(_i, _):
    return ";"  # one thread runs at a time


# ---- moving ----

def pieces(i, operand, type_):
    """The registers of '{a, b}' and the type of each."""
    names = split_operands(operand[1:-1])
    return names, f"b{BITS[type_] // len(names)}"


@instruction("mov")
def move(i, type_):
    if i.operands[0].startswith("{"):
        names, part = pieces(i, i.operands[0], type_)
        writes = [i.write(name, part, f"whole >> {n * BITS[part]}") for n, name in enumerate(names)]
        return f"{{ uint64_t whole = {i.read(1, 'b' + str(BITS[type_]))}; {' '.join(writes)} }}"
    if i.operands[1].startswith("{"):
        names, part = pieces(i, i.operands[1], type_)
        values = [f"(uint64_t){i.read(name, part)} << {n * BITS[part]}" for n, name in enumerate(names)]
        return i.write(0, f"b{BITS[type_]}", " | ".join(values))
    if type_ != "pred":
        type_ = f"b{BITS[type_]}"
    return i.write(0, type_, i.read(1, type_))


@instruction("cvta", "to global shared")
def convert_address(i, type_):
    if not i.has("shared"):
        return i.write(0, type_, i.read(1, type_))
    return i.write(0, type_, f"{i.read(1, type_)} {'-' if i.has('to') else '+'} SHARED_ADDRESSES")


@instruction("selp")
def select(i, type_):
    type_ = f"b{BITS[type_]}"
    return i.write(0, type_, f"{i.read(3, 'pred')} ? {i.read(1, type_)} : {i.read(2, type_)}")


# ---- memory ----

def place(i, operand, size, access):
    """A pointer to memory that may be accessed."""
    space = i.one_of({"global", "shared"}, "generic")
    return f"{space}_memory(host, &window_{i.line}, {i.address(operand)}, {size}, {access}, {i.line})"


@instruction("ld", "param global shared v2 v4 nc volatile relaxed acquire gpu cta")
def load(i, type_):
    names = split_operands(i.operands[0].strip("{}"))
    size = BITS[type_] // 8
    kept = f"b{BITS[type_]}" if type_[0] in "bf" else type_
    if i.has("param"):
        at = f"param_memory(param, PARAM_BYTES, {i.address(i.operands[1])}, {size * len(names)}, {i.line})"
    else:
        at = place(i, i.operands[1], size * len(names), "READ")
    c = c_type("u" + str(BITS[type_]))
    loads = [i.write(name, kept, f"at[{n}]") for n, name in enumerate(names)]
    return f"{{ const {c} *at = {at}; {' '.join(loads)} }}"


@instruction("st", "global shared v2 v4 volatile relaxed release gpu cta")
def store(i, type_):
    names = split_operands(i.operands[1].strip("{}"))
    c = c_type("u" + str(BITS[type_]))
    stores = [f"at[{n}] = ({c}){i.read(name, 'b' + str(BITS[type_]))};" for n, name in enumerate(names)]
    return f"{{ {c} *at = {place(i, i.operands[0], BITS[type_] // 8 * len(names), 'WRITE')}; {' '.join(stores)} }}"


@instruction("atom red", "global shared add min max and or xor exch cas relaxed gpu cta")
def atomic(i, type_):
    first = 1 if i.name == "atom" else 0
    value, c = i.read(first + 1, type_), c_type(type_)
    kind = i.one_of({"add", "min", "max", "and", "or", "xor", "exch", "cas"})
    if type_ in FLOATS:
        raise PtxError("an atomic operation on floats, whose order would show")
    result = {"add": f"old + {value}", "min": f"{value} < old ? {value} : old",
              "max": f"{value} > old ? {value} : old", "and": f"old & {value}", "or": f"old | {value}",
              "xor": f"old ^ {value}", "exch": value}.get(kind)
    if kind == "cas":
        result = f"old == {value} ? {i.read(first + 2, type_)} : old"
    text = (f"{c} *at = {place(i, i.operands[first], BITS[type_] // 8, 'ATOMIC')}; {c} old = *at; "
            f"*at = ({c})({result});")
    return f"{{ {text} {i.write(0, type_, 'old') if first else ''} }}"


# ---- between the lanes of a warp ----

@instruction("shfl", "sync up down bfly idx")
def shuffle(i, type_):
    kind = i.one_of({"up", "down", "bfly", "idx"}).upper()
    value, _, valid = (part.strip() for part in i.operands[0].partition("|"))
    reads = ", ".join(i.read(n, "u32") for n in range(1, 5))
    text = i.write(value, type_, f"shuffle(host, here, SHUFFLE_{kind}, {reads}, &valid, {i.line})")
    return f"{{ bool valid; {text} {i.write(valid, 'pred', 'valid') if valid else ''} }}"


@instruction("vote", "sync ballot any all")
def vote(i, _):
    kind = i.one_of({"ballot", "any", "all"})
    ballot = f"ballot(host, {i.read(1, 'pred')}, {i.read(2, 'u32')}, {i.line})"
    if kind == "ballot":
        return i.write(0, "b32", ballot)
    return i.write(0, "pred", f"{ballot} {'!= 0' if kind == 'any' else '== ' + i.read(2, 'u32')}")


# ---- comparing ----

def compare(name, a, b, type_):
    """PTX: eq … are false for NaNs, equ … are true."""
    if type_ not in FLOATS:
        sign = {**COMPARISONS, **UNSIGNED_COMPARISONS}.get(name)
        if not sign:
            raise PtxError(f"comparison '{name}' of integers")
        return f"{a} {sign} {b}"
    if name in ("num", "nan"):
        return f"{'!' if name == 'num' else ''}unordered({a}, {b})"
    if name in COMPARISONS:
        return f"!unordered({a}, {b}) && {a} {COMPARISONS[name]} {b}"
    if name[:-1] in COMPARISONS and name[-1] == "u":
        return f"(unordered({a}, {b}) || {a} {COMPARISONS[name[:-1]]} {b})"
    raise PtxError(f"comparison '{name}' of floats")


COMPARISON_NAMES = " ".join([*COMPARISONS, *UNSIGNED_COMPARISONS, "num nan equ neu ltu leu gtu geu"])


@instruction("setp", COMPARISON_NAMES + " and or xor")
def set_predicate(i, type_):
    result = f"({compare(i.parts[0], i.read(1, type_), i.read(2, type_), type_)})"
    first, _, second = (part.strip() for part in i.operands[0].partition("|"))
    combined = {"and": "&", "or": "|", "xor": "^"}.get(i.one_of({"and", "or", "xor"}))
    if second:
        raise PtxError("a comparison with two results")
    if combined:
        result = f"{result} {combined} {i.read(3, 'pred')}"
    return i.write(first, "pred", result)


# ---- bits ----

@instruction("and or xor")
def bitwise(i, type_):
    sign = {"and": "&", "or": "|", "xor": "^"}[i.name]
    return i.write(0, type_, f"{i.read(1, type_)} {sign} {i.read(2, type_)}")


@instruction("not")
def invert(i, type_):
    return i.write(0, type_, f"{'!' if type_ == 'pred' else '~'}({i.read(1, type_)})")


@instruction("shl shr")
def shift(i, type_):
    name = f"{i.name}_{'s' if type_[0] == 's' and i.name == 'shr' else 'u'}{BITS[type_]}"
    kept = type_ if i.name == "shr" else f"u{BITS[type_]}"
    return i.write(0, kept, f"{name}({i.read(1, kept)}, {i.read(2, 'u32')})")


@instruction("popc")
def count_bits(i, type_):
    return i.write(0, "u32", f"__builtin_popcountll({i.read(1, 'u' + str(BITS[type_]))})")


@instruction("clz")
def leading_zeros(i, type_):
    return i.write(0, "u32", f"leading_zeros({i.read(1, 'u' + str(BITS[type_]))}, {BITS[type_]})")


@instruction("bfi")
def insert_bits(i, type_):
    type_ = f"u{BITS[type_]}"
    reads = ", ".join([i.read(1, type_), i.read(2, type_), i.read(3, "u32"), i.read(4, "u32")])
    return i.write(0, type_, f"insert_bits({reads}, {BITS[type_]})")


@instruction("bfe")
def extract_bits(i, type_):
    if type_ != "u32":
        raise PtxError("bfe of another type than u32")
    return i.write(0, type_, f"extract_bits({i.read(1, type_)}, {i.read(2, 'u32')}, {i.read(3, 'u32')})")


@instruction("prmt")
def permute_bytes(i, _):
    return i.write(0, "b32", f"permute_bytes({', '.join(i.read(n, 'u32') for n in (1, 2, 3))})")


@instruction("shf", "l r wrap clamp")
def funnel_shift(i, _):
    if not i.has("wrap"):
        raise PtxError("shf.clamp")
    name = "funnel_left" if i.has("l") else "funnel_right"
    return i.write(0, "b32", f"{name}({', '.join(i.read(n, 'u32') for n in (1, 2, 3))})")


@instruction("lop3")
def three_inputs(i, _):
    return i.write(0, "b32", f"three_inputs({', '.join(i.read(n, 'u32') for n in (1, 2, 3, 4))})")


# ---- conversion ----

WHOLE = {"rni": "rint", "rzi": "trunc", "rmi": "floor", "rpi": "ceil"}


@instruction("cvt", "sat ftz rn rz rm rp rni rzi rmi rpi")
def convert(i, _):
    to, from_ = i.parts[-2], i.parts[-1]
    if to not in BITS or from_ not in BITS:
        raise PtxError("cvt between these types")
    value, whole, rounding = i.read(1, from_), i.one_of(WHOLE), i.one_of(ROUNDINGS, "rn")
    if i.has("ftz"):
        raise PtxError("cvt.ftz")
    if from_ not in FLOATS:
        if i.has("sat") or rounding != "rn":
            raise PtxError("cvt.sat or a rounding of integers")
        return i.write(0, to, f"({c_type(to)})({value})")
    if to not in FLOATS:
        if not whole or i.has("sat"):
            raise PtxError("cvt from float to integer without rounding")
        return i.write(0, to, f"{to}_of_double({WHOLE[whole]}((double){value}))")
    if whole:
        value = f"{WHOLE[whole]}((double){value})"
    if rounding != "rn":
        raise PtxError(f"cvt.{rounding}")
    value = f"({c_type(to)})({value})"
    return i.write(0, to, f"saturate({value})" if i.has("sat") else value)


# ---- arithmetic ----

def integer_arithmetic(i, type_):
    unsigned = f"u{BITS[type_]}"
    if i.name in ("add", "sub"):
        return i.write(0, unsigned, f"{i.read(1, unsigned)} {'+' if i.name == 'add' else '-'} {i.read(2, unsigned)}")
    if i.name in ("mul", "mad"):
        return multiply(i, type_)
    if i.name in ("div", "rem"):
        return i.write(0, type_, f"{i.name}_{type_}(host, {i.read(1, type_)}, {i.read(2, type_)}, {i.line})")
    if i.name in ("min", "max"):
        a, b = i.read(1, type_), i.read(2, type_)
        return i.write(0, type_, f"{a} {'<' if i.name == 'min' else '>'} {b} ? {a} : {b}")
    if i.name == "neg":
        return i.write(0, unsigned, f"0 - {i.read(1, unsigned)}")
    if i.name == "abs":
        return i.write(0, unsigned, f"{i.read(1, type_)} < 0 ? 0 - {i.read(1, unsigned)} : {i.read(1, unsigned)}")
    raise PtxError(f"'{i.name}' of integers")


def multiply(i, type_):
    """lo and hi halves of a product, or all of it, plus an addend"""
    bits, sign = BITS[type_], type_[0]
    double = {16: f"{sign}32", 32: f"{sign}64"}.get(bits)
    wide_c = c_type(double) if double else ("__int128" if sign == "s" else "unsigned __int128")
    product = f"({wide_c}){i.read(1, type_)} * ({wide_c}){i.read(2, type_)}"
    if i.has("wide"):
        if not double:
            raise PtxError("mul.wide of 64 bits")
        unsigned = f"u{bits * 2}"
        result = f"({c_type(unsigned)})({product})"
        return i.write(0, unsigned, result if i.name == "mul" else f"{result} + {i.read(3, unsigned)}")
    unsigned = f"u{bits}"
    if i.has("hi"):
        result = f"({c_type(unsigned)})(({product}) >> {bits})"
    else:
        wide = "uint64_t" if bits < 64 else "unsigned __int128"
        result = f"({c_type(unsigned)})(({wide}){i.read(1, unsigned)} * ({wide}){i.read(2, unsigned)})"
    return i.write(0, unsigned, result if i.name == "mul" else f"{result} + {i.read(3, unsigned)}")


def float_arithmetic(i, type_):
    rounding, suffix = i.one_of(ROUNDINGS, "rn"), "f" if type_ == "f32" else ""
    values = [i.read(n, type_) for n in range(1, len(i.operands))]
    if type_ == "f16":
        raise PtxError("arithmetic in float16: kernels compute in float32")
    if i.name in ("fma", "mad", "add", "sub", "mul") and rounding != "rn":
        a, b, c = {"add": (values[0], "1", values[-1]), "sub": (values[0], "1", "-" + values[-1]),
                   "mul": (values[0], values[-1], "-0.0")}.get(i.name, values)
        result = f"rounded_fma_{type_}({a}, {b}, {c}, ROUND_{rounding.upper()})"
    elif rounding != "rn":
        raise PtxError(f"{i.name}.{rounding}")
    else:
        form = {"add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}", "div": "{0} / {1}",
                "fma": f"fma{suffix}({{0}}, {{1}}, {{2}})", "min": f"fmin{suffix}({{0}}, {{1}})",
                "max": f"fmax{suffix}({{0}}, {{1}})", "neg": "-{0}", "abs": f"fabs{suffix}({{0}})",
                "sqrt": f"sqrt{suffix}({{0}})", "rcp": "1 / {0}", "rsqrt": f"1 / sqrt{suffix}({{0}})",
                "ex2": f"exp2{suffix}({{0}})", "lg2": f"log2{suffix}({{0}})",
                "copysign": f"copysign{suffix}({{1}}, {{0}})"}.get(i.name)
        if not form:
            raise PtxError(f"'{i.name}' of floats")
        if i.has("ftz"):
            values = [f"flush({value})" for value in values]
        result = form.format(*values)
    result = f"flush({result})" if i.has("ftz") else result
    return i.write(0, type_, f"saturate({result})" if i.has("sat") else result)


@instruction("add sub mul mad fma div rem min max neg abs", "lo hi wide rn rz rm rp ftz sat")
def arithmetic(i, type_):
    if type_ in FLOATS:
        return float_arithmetic(i, type_)
    if i.has("sat"):
        raise PtxError("saturation of integers")
    return integer_arithmetic(i, type_)


@instruction("sqrt rcp rsqrt ex2 lg2 copysign", "rn approx ftz")
def function(i, type_):
    return float_arithmetic(i, type_)
