"""How things are drawn: GLSL in the viewer's dialect, with controls that people set beside the layer.

Source of the dialect: neuroglancer, src/sliceview/image_layer_rendering.md and src/annotation/rendering.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from publisher.facts import AnnotationProperty, VolumeFacts
from publisher.scene.colors import COLORS

_WHOLE = frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32"})
_MOST_KINDS = 20  # more kinds than colours and checkboxes that anybody would look through
_KIND = ("kind", "type", "class", "category")
_SURE = ("confidence", "conf", "score", "probability")
# Pink and lime first: bright on black and grey, unlike any neuron's colour, and told apart by how light they are.
_KINDS = ("#ff3fb4", "#c8ff5a", "#35e0ff", "#ffffff", *COLORS)
_RGB = 3


def image(facts: VolumeFacts | None, contrast: tuple[float, float] | None, color: str | None, *, over: bool) -> str:
    """Return the shader of an image: a range of values, and a colour.

    An image that lies `over` another is as opaque as its values are high, so that it hides nothing where it is empty.
    Without a range the viewer takes all values of the data type.
    """
    if facts is not None and facts.channels == _RGB and not over:
        return COLOURED
    contrast = contrast or (facts.contrast if facts is not None else None)
    whole = facts is None or facts.data_type in _WHOLE
    given = "" if contrast is None else f"(range=[{_number(contrast[0], whole)}, {_number(contrast[1], whole)}])"
    drawn = "emitRGBA(vec4(colour, contrast()))" if over else "emitRGB(colour * contrast())"
    return (
        f"#uicontrol invlerp contrast{given}\n"
        f'#uicontrol vec3 colour color(default="{color or "#ffffff"}")\n'
        f"void main() {{\n  {drawn};\n}}\n"
    )


COLOURED = """\
#uicontrol float brightness slider(min=-1, max=1, default=0, step=0.01)
#uicontrol float contrast slider(min=-3, max=3, default=0, step=0.01)
void main() {
  vec3 seen = vec3(toNormalized(getDataValue(0)), toNormalized(getDataValue(1)), toNormalized(getDataValue(2)));
  emitRGB((seen + brightness) * exp(contrast));
}
"""


def annotation(kind: str, properties: Sequence[AnnotationProperty], color: str | None) -> str:
    """Return the shader of annotations: a size, and for each word of an enumeration a colour and a checkbox.

    Where a property says how sure each one is, from 0 to 1, a slider hides what is less.
    """
    enums = [each for each in properties if 0 < len(each.labels) <= _MOST_KINDS]
    enum = min(enums, key=lambda each: (each.id.lower() not in _KIND, len(each.labels)), default=None)
    sure = next((each for each in properties if each.type == "float32" and each.id.lower() in _SURE), None)
    width = "Width of lines" if kind != "POINT" else "Diameter of points"
    controls = [f"// {width} in pixels.", "#uicontrol float size slider(min=1, max=20, default=3, step=0.5)"]
    body = []
    if sure is not None:
        controls.append(f"#uicontrol float least_{sure.id} slider(min=0, max=1, default=0, step=0.01)")
        body.append(f"if (prop_{sure.id}() < least_{sure.id}) discard;")
    body += [
        "setPointMarkerSize(size);",
        "setPointMarkerBorderWidth(0.0);",
        "setLineWidth(0.4 * size);",
        "setEndpointMarkerSize(size);",
        "setBoundingBoxBorderWidth(0.4 * size);",
    ]
    if enum is None:
        controls.append(f'#uicontrol vec3 colour color(default="{color or _KINDS[0]}")')
        body.append("setColor(colour);")
        return _joined(controls, body)
    names = _identifiers(enum.labels)
    body.append(f"int kind = int(prop_{enum.id}());")
    for at, (value, name) in enumerate(zip(enum.values, names, strict=True)):
        controls.append(f'#uicontrol vec3 {name}_colour color(default="{_KINDS[at % len(_KINDS)]}")')
        controls.append(f"#uicontrol bool {name} checkbox(default=true)")
        body.append(f"if (kind == {round(value)}) {{ if (!{name}) discard; setColor({name}_colour); }}")
    return _joined(controls, body)


def _joined(controls: list[str], body: list[str]) -> str:
    lines = "\n".join(f"  {line}" for line in body)
    return "\n".join(controls) + f"\nvoid main() {{\n{lines}\n}}\n"


def _identifiers(words: Sequence[str]) -> list[str]:
    """Return words as names of controls, each once: a small letter first, or the viewer does not see the control."""
    found: list[str] = []
    for word in words:
        name = re.sub(r"[^A-Za-z0-9]+", "_", word).strip("_") or "none"
        name = name[0].lower() + name[1:]
        name = name if name[0].isalpha() and name not in _TAKEN else f"is_{name}"
        while name in found or f"{name}_colour" in found:
            name += "_2"
        found.append(name)
    return found


# Words of GLSL, and names that the shader has for something else.
_TAKEN = frozenset(
    {
        "in",
        "out",
        "inout",
        "int",
        "uint",
        "float",
        "bool",
        "true",
        "false",
        "if",
        "else",
        "for",
        "while",
        "do",
        "switch",
    }
    | {"case", "default", "return", "break", "continue", "discard", "const", "uniform", "varying", "attribute", "void"}
    | {"struct", "flat", "smooth", "common", "partition", "active", "filter", "input", "output", "sample", "texture"}
    | {"main", "size", "kind", "colour"}
)


def _number(value: float, whole: bool) -> str:  # noqa: FBT001 - of a value
    return str(round(value)) if whole else repr(float(value))
