"""Scenes that cannot be right are refused without a browser: a view beside the data, shaders that call what nobody has."""

from __future__ import annotations

from typing import Any

import pytest

from publisher.errors import InvalidInput
from publisher.scene import glsl, sense, shaders
from publisher.scene.shaders import COLOURED
from tests.unit.test_scene import IMAGE, LABELS, NM8, artifact
from tests.unit.test_scene_defaults import KINDS, state_of

EM = artifact("em", IMAGE, space=NM8)

GOOD = {
    "ours": shaders.image(IMAGE, (1, 2), None, over=True),
    "colours": COLOURED,
    "annotations": shaders.annotation("POINT", KINDS, None),
    "the viewer's own default": "#uicontrol invlerp normalized\nvoid main() {\n  emitGrayscale(normalized());\n}\n",
    "functions, types and macros": """
        #define twice(x) ((x) * 2.0)
        #uicontrol float gain slider(min=0, max=2, default=1, step=0.01)
        #uicontrol transferFunction curve
        /* setNothing(); in a comment */ // void main( {
        float bright(float value) { return clamp(twice(value), 0.0, 1.0); }
        void main() {
          uint8_t raw = getDataValue(0);
          float sum = 0.0;
          for (int at = 0; at < 3; ++at) { if (at > 1) sum += bright(toNormalized(raw)) * gain; }
          emitRGBA(vec4(colormapJet(sum), 0.5) * curve());
        }""",
    "properties and segments": """void main() { setColor(defaultColor()); if (prop_sure() < 0.5) discard;
        setPointMarkerSize(float(prop_size())); }""",
}
BAD = {
    "a misspelt function": (
        "void main() { emitRGB(toNormalised(getDataValue())); }",
        "its shader calls 'toNormalised', which the viewer does not know; did you mean 'toNormalized'?",
    ),
    "a control that is not there": (
        "#uicontrol invlerp contrast\nvoid main() { emitGrayscale(contrasts()); }",
        "its shader calls 'contrasts', which the viewer does not know; did you mean 'contrast'?",
    ),
    "no main": ("void draw() { emitGrayscale(1.0); }", "its shader has no `void main() { … }`"),
    "a brace": ("void main() {\n  emitGrayscale(1.0);\n", "line 1 of its shader has a '{' that nothing closes"),
    "a bracket": ("void main() {\n emitGrayscale(1.0));\n}", "line 2 of its shader has a ')' that nothing opens"),
    "a control": (
        "#uicontrol float size slidr(min=1)\nvoid main() { setLineWidth(size); }",
        "line 1 of its shader is no #uicontrol that the viewer reads",
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_good_shaders(case: str) -> None:
    assert list(glsl.trouble(GOOD[case], sense.known_to_viewer)) == []


@pytest.mark.parametrize("case", BAD)
def test_bad_shaders(case: str) -> None:
    shader, said = BAD[case]
    assert list(glsl.trouble(shader, sense.known_to_viewer)) == [said]


def refused(**scene: Any) -> list[str]:
    layers = scene.pop("layers", [{"artifact": "em"}])
    with pytest.raises(InvalidInput) as caught:
        state_of(EM, artifact("seg", LABELS, space=NM8), scenes=[{"name": "main", "layers": layers, **scene}])
    return [problem.message for problem in caught.value.problems]


def test_a_bad_shader_is_refused_with_its_layer() -> None:
    bad = "void main() { emitGrayscale(nothing()); }"
    (message,) = refused(layers=[{"artifact": "em", "shader": bad}])
    assert message.startswith("layer 'Em': its shader calls 'nothing'")


def test_a_view_beside_the_data_is_refused() -> None:
    (message,) = refused(position=[10**6, 1, 1])
    assert message == "looks at x = 8,000,000 nm, and all that it shows lies between 800 and 8,800 nm"
    assert refused(state={"position": [10**6, 1, 1]}) == [message]
    scene = {"name": "main", "position": [10**6, 1, 1]}
    assert state_of(EM, scenes=[{**scene, "position": [200, 1, 1]}])["position"] == [200, 1, 1]
    foreign = {"source": "precomputed://gs://elsewhere/em", "name": "EM"}  # nobody knows where that lies
    assert state_of(EM, scenes=[{**scene, "layers": [{"artifact": "em"}, foreign]}])["position"] == [10**6, 1, 1]
