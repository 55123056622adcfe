"""What is wrong with a shader, as far as words tell: the viewer's own compiler says the rest, when the scene is opened.

A shader may call functions of GLSL, its own, those of its controls and properties, and what the viewer's client defines:
all of these names are known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from publisher.words import did_you_mean

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_CONTROL = re.compile(
    r"#uicontrol\s+(?:(?:invlerp|transferFunction)\s+(\w+)|\w+\s+(\w+)\s+(?:slider|checkbox|color)\b)"
)
_DEFINED = re.compile(r"#define\s+(\w+)")
_FUNCTION = re.compile(r"\b[A-Za-z_]\w*\s+([A-Za-z_]\w*)\s*\([^()]*\)\s*\{")
_CALL = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\s*\(")
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_WORDS = frozenset({"if", "for", "while", "switch", "return", "else", "do", "layout", "defined"})
_TYPES = re.compile(r"(void|bool|int|uint|float|u?int\d+_t|u?int\d+x\d_t|[biu]?vec[234]|mat[234](x[234])?)")
_BUILT_IN = frozenset(
    [
        "abs",
        "acos",
        "acosh",
        "all",
        "any",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "ceil",
        "clamp",
        "cos",
        "cosh",
        "cross",
        "dFdx",
        "dFdy",
        "degrees",
        "determinant",
        "distance",
        "dot",
        "equal",
        "exp",
        "exp2",
        "faceforward",
        "floatBitsToInt",
        "floatBitsToUint",
        "floor",
        "fract",
        "fwidth",
        "greaterThan",
        "greaterThanEqual",
        "intBitsToFloat",
        "inverse",
        "inversesqrt",
        "isinf",
        "isnan",
        "length",
        "lessThan",
        "lessThanEqual",
        "log",
        "log2",
        "matrixCompMult",
        "max",
        "min",
        "mix",
        "mod",
        "modf",
        "normalize",
        "not",
        "notEqual",
        "outerProduct",
        "packHalf2x16",
        "packSnorm2x16",
        "packUnorm2x16",
        "pow",
        "radians",
        "reflect",
        "refract",
        "round",
        "roundEven",
        "sign",
        "sin",
        "sinh",
        "smoothstep",
        "sqrt",
        "step",
        "tan",
        "tanh",
        "texelFetch",
        "texture",
        "textureLod",
        "textureSize",
        "transpose",
        "trunc",
        "uintBitsToFloat",
        "unpackHalf2x16",
        "unpackSnorm2x16",
        "unpackUnorm2x16",
    ]
)
# What people write; the client's code has these, and more.
_USUAL = [
    "emitGrayscale",
    "emitRGB",
    "emitRGBA",
    "emitIntensity",
    "emitTransparent",
    "getDataValue",
    "getInterpolatedDataValue",
    "toNormalized",
    "toRaw",
    "setColor",
    "setPointMarkerSize",
    "setPointMarkerColor",
    "setPointMarkerBorderColor",
    "setPointMarkerBorderWidth",
    "setLineWidth",
    "setLineColor",
    "setEndpointMarkerSize",
    "setBoundingBoxBorderWidth",
    "setBoundingBoxFillColor",
    "setEllipsoidFillColor",
    "segmentColor",
]


def trouble(shader: str, known: Callable[[str], bool]) -> Iterator[str]:
    """Yield what is wrong with a shader; `known` tells whether the viewer's client defines a function of a name."""
    code = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), shader)
    controls = set[str]()
    for number, line in enumerate(code.splitlines(), 1):
        if line.lstrip().startswith("#uicontrol"):
            found = _CONTROL.match(line.strip())
            if found is None:
                yield f"line {number} of its shader is no #uicontrol that the viewer reads"
            else:
                controls.add(found[1] or found[2])
    defined = {*_DEFINED.findall(code)}
    body = "\n".join("" if line.lstrip().startswith("#") else line for line in code.splitlines())
    own = {*_FUNCTION.findall(body)}
    if "main" not in own and "main" not in defined:
        yield "its shader has no `void main() { … }`"
    yield from _unbalanced(body)
    mine = {*own, *controls, *defined}
    for name in dict.fromkeys(_CALL.findall(body)):
        usual = name in mine or name in _BUILT_IN or name in _WORDS or name.startswith("prop_")
        if not usual and not _TYPES.fullmatch(name) and not known(name):
            yield f"its shader calls {name!r}, which the viewer does not know{did_you_mean(name, (*mine, *_USUAL))}"


def _unbalanced(code: str) -> Iterator[str]:
    opened: list[tuple[str, int]] = []
    for number, line in enumerate(code.splitlines(), 1):
        for mark in line:
            if mark in _BRACKETS.values():
                opened.append((mark, number))
            elif mark in _BRACKETS and (not opened or opened.pop()[0] != _BRACKETS[mark]):
                yield f"line {number} of its shader has a {mark!r} that nothing opens"
                return
    if opened:
        yield f"line {opened[-1][1]} of its shader has a {opened[-1][0]!r} that nothing closes"
