"""Scenes without words: everything that can be shown, each kind in its own way, and what the viewer does not know is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from publisher import manifest, scene
from publisher.errors import InvalidInput
from publisher.facts import AnnotationFacts, AnnotationProperty, MeshFacts
from publisher.record import Described, Space
from publisher.scene import shaders
from tests.unit.test_scene import BASE, BOUNDS, IMAGE, LABELS, NM8, SKELETONS, artifact, sources

REGIONS = replace(
    LABELS, regions=(("1", "LH(R)"), ("2", "MB(R)")), segment_properties="v1/volumes/rois-segment-properties"
)
MESHES = MeshFacts(
    "multiresolution", sharded=False, segmentation="seg", ids=("7", "9"), bounds_nm=BOUNDS, vertex_nm=(8, 8, 8)
)
KINDS = (
    AnnotationProperty("confidence", "float32"),
    AnnotationProperty("roi", "uint8", "", (0, 1, 2), ("a", "b", "c")),
    AnnotationProperty("kind", "uint8", "", (0, 1), ("PostSyn", "PreSyn")),
)
SYNAPSES = AnnotationFacts(
    "POINT",
    dict.fromkeys("xyz", (8e-09, "m")),
    (0, 0, 0),
    (100, 200, 300),
    ("confidence", "roi", "kind"),
    ("body", "partner"),
    sharded=False,
    segmentation="seg",
    described=KINDS,
    example=(1.0, 2.0, 3.0),
)
SECTIONS = ("volumes", "skeletons", "meshes", "annotations")


def release(*shown: Described, **words: Any) -> manifest.Release:
    """A manifest of artifacts, as they would be described."""
    sections: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for item in shown:
        place = {"external": item.external} if item.external else {"source": item.name}
        more: dict[str, Any] = {"space": item.space.name} if item.space and item.space.name != "EM" else {}
        if item.section == "skeletons" and item.facts is not None:
            more["formats"] = list(item.facts.formats)  # type: ignore[union-attr]
        if of := getattr(item.facts, "segmentation", ""):
            more["segmentation"] = of
        sections[item.section].append({"name": item.name, **place, **more})
    dataset = {"name": "d", "title": "D", "description": "D.", "license": "CC0-1.0", "authors": [{"name": "A"}]}
    head = {"schema": 1, "version": "v1", "date": "2026-11-21", "status": "draft", "dataset": dataset}
    head["space"] = {"name": "EM", "voxel_size": [8, 8, 8], "units": "nm"}
    head["spaces"] = {"mirror": {"voxel_size": [8, 8, 8], "units": "nm"}}
    return manifest.Release.model_validate({**head, **sections, **words})


def state_of(*shown: Described, native: str = "", **words: Any) -> dict[str, Any]:
    (view,) = scene.build(release(*shown, **words), shown, BASE, native)
    return view.state


SEG = artifact("seg", LABELS, space=NM8)
EM = artifact("em", IMAGE, space=NM8)
ROIS = artifact("rois", REGIONS, space=NM8)
BONES = artifact("skeletons", SKELETONS, "skeletons", NM8)
SKINS = artifact("meshes", MESHES, "meshes", NM8)
POINTS = artifact("synapses", SYNAPSES, "annotations", NM8)
EVERYTHING = (POINTS, SKINS, BONES, ROIS, SEG, EM)


def test_a_release_without_scenes_shows_everything() -> None:
    state = state_of(*EVERYTHING)
    layers = {layer["name"]: layer for layer in state["layers"]}
    assert list(layers) == ["Em", "Seg", "Rois", "Skeletons", "Synapses"]  # images below, what is small on top
    assert [url.rpartition("/")[2] for url in sources(layers["Seg"])] == ["seg", "meshes"]
    assert layers["Skeletons"]["visible"] is False  # they lie inside the meshes
    assert layers["Skeletons"]["linkedSegmentationGroup"] == "Seg"
    assert "segments" not in layers["Skeletons"] or layers["Skeletons"]["segments"] == []
    assert layers["Synapses"]["linkedSegmentationLayer"] == {"body": "Seg", "partner": "Seg"}
    assert layers["Synapses"]["filterBySegmentation"] == ["body", "partner"]
    assert state["title"] == "D v1"
    assert state["selectedLayer"] == {"layer": "Seg", "visible": True}
    assert state["position"] == [1100.5, 2000.5, 3005]


def test_skeletons_without_meshes_are_in_the_layer_of_their_segmentation() -> None:
    (layer,) = state_of(SEG, BONES)["layers"]
    assert len(sources(layer)) == 2


def test_what_cannot_be_shown_and_other_spaces_are_left_out() -> None:
    mirror = Space("mirror", (8.0, 8.0, 8.0), "nm")
    swc = artifact("swc", replace(SKELETONS, formats=("swc",)), "skeletons", NM8)
    mirrored = artifact("mirrored", replace(SKELETONS), "skeletons", mirror)
    archive = artifact("archive", None, "skeletons", NM8, external="https://host/swc.tar.gz")
    (layer,) = state_of(SEG, swc, mirrored, archive)["layers"]
    assert len(sources(layer)) == 1


def test_no_scenes_are_none() -> None:
    assert release(SEG, scenes=[]).views == ()
    assert release().views == ()
    assert [view.name for view in release(SEG).views] == ["main"]
    only = release(SEG)
    assert only.scene_key(only.views[0]) == "v1/d-v1.json"


def test_a_scene_that_names_no_layers_shows_everything_in_its_own_way() -> None:
    state = state_of(SEG, EM, scenes=[{"name": "flat", "layout": "xy"}])
    assert (state["layout"], len(state["layers"])) == ("xy", 2)


def test_regions_are_seen_through_and_all_selected() -> None:
    (layer,) = state_of(ROIS)["layers"]
    assert (layer["objectAlpha"], layer["meshSilhouetteRendering"]) == (0.25, 2)
    assert layer["segments"] == ["1", "2"]
    assert sources(layer)[1].endswith("rois-segment-properties")
    assert len(set(layer["segmentColors"].values())) == 2


def test_the_second_image_lies_over_the_first() -> None:
    density = artifact("density", replace(IMAGE, data_type="float32", contrast=(0.5, 3.0)), space=NM8)
    base, over = state_of(EM, density)["layers"]
    assert "emitRGB(colour" in base["shader"]
    assert "emitRGBA" in over["shader"]
    assert "range=[0.5, 3.0]" in over["shader"]
    colored = artifact("rgb", replace(IMAGE, channels=3), space=NM8)
    assert "getDataValue(2)" in state_of(colored)["layers"][0]["shader"]
    said = {"name": "s", "layers": [{"artifact": "em", "contrast": [10, 99.6], "color": "#ff0000"}]}
    (layer,) = state_of(EM, scenes=[said])["layers"]
    assert "range=[10, 100]" in layer["shader"]
    assert 'default="#ff0000"' in layer["shader"]


def test_synapses_are_coloured_by_their_kind() -> None:
    shader = shaders.annotation("POINT", KINDS, None)
    assert "int(prop_kind())" in shader  # not the regions, which come first
    for word in ("postSyn", "preSyn"):
        assert f"#uicontrol bool {word} checkbox" in shader
        assert f"#uicontrol vec3 {word}_colour color" in shader
    assert "prop_confidence() < least_confidence" in shader
    plain = shaders.annotation("LINE", (), "#123456")
    assert 'default="#123456"' in plain
    assert "prop_" not in plain


def test_controls_have_names_that_the_viewer_sees() -> None:
    """A small letter first, no word of GLSL, and no two alike: else the whole layer is not drawn."""
    words = ("PreSyn", "pre syn", "Pre-Syn", "in", "(none)", "5HT", "ÄÖ", "size", "a", "A")
    enum = AnnotationProperty("t", "uint8", "", tuple(range(len(words))), words)
    shader = shaders.annotation("POINT", (enum,), None)
    names = [line.split()[2] for line in shader.splitlines() if line.startswith("#uicontrol")]
    assert len(set(names)) == len(names)
    assert all(name[0].islower() and name.isascii() and name.isidentifier() for name in names)
    assert "in" not in names


def test_without_neurons_the_view_is_on_an_annotation() -> None:
    assert state_of(POINTS)["position"] == pytest.approx([1, 2, 3])
    assert state_of(SKINS, SEG)["position"] == [1, 1, 1]


def test_a_neuron_can_be_chosen() -> None:
    bones = artifact("skeletons", replace(SKELETONS, nodes_nm=((8.0, 8.0, 8.0), (80.0, 88.0, 96.0))), "skeletons", NM8)
    assert state_of(SEG, bones, scenes=[{"name": "s", "focus": 7}])["position"] == [10, 11, 12]
    with pytest.raises(
        InvalidInput, match=r"scene 's': focuses on 8, of which no place is known → one of 9223372036854775809, 7"
    ):
        state_of(SEG, bones, scenes=[{"name": "s", "focus": 8}])


def test_addresses_as_pipes_and_of_the_cloud() -> None:
    elsewhere = artifact("em2", None, external="gs://bucket/em", space=NM8)
    words = {"scenes": [{"name": "s", "sources": "pipe", "addresses": "native"}]}
    state = state_of(SEG, EM, elsewhere, BONES, native="gs://mine/prefix", **words)
    found = [url for layer in state["layers"] for url in sources(layer)]
    assert sorted(found) == [
        "gs://bucket/em/|neuroglancer-precomputed:",
        "gs://mine/prefix/v1/skeletons/skeletons/skeletons-precomputed/|neuroglancer-precomputed:",
        "gs://mine/prefix/v1/volumes/em/|neuroglancer-precomputed:",
        "gs://mine/prefix/v1/volumes/seg/|neuroglancer-precomputed:",
    ]
    zarr = artifact("z", replace(IMAGE, format="zarr3"), space=NM8)
    assert sources(state_of(zarr, **words)["layers"][0]) == [f"{BASE}/v1/volumes/z/|zarr3:"]  # a folder has no other


def test_something_of_somebody_else_beside_our_own() -> None:
    other = {"source": "precomputed://gs://them/em", "name": "Their EM"}
    labels = {"source": "gs://them/seg", "type": "segmentation", "segments": [3]}
    state = state_of(SEG, scenes=[{"name": "s", "layers": [other, labels, {"artifact": "seg"}]}])
    assert [layer["name"] for layer in state["layers"]] == ["Their EM", "seg", "Seg"]
    assert [layer["type"] for layer in state["layers"]] == ["image", "segmentation", "segmentation"]
    assert sources(state["layers"][1]) == ["precomputed://gs://them/seg"]
    assert state["layers"][1]["segments"] == ["3"]


def test_more_fields_by_name() -> None:
    words = {
        "background": "#101010",
        "projection_background": "#202020",
        "projection_orientation": [0, 0, 0.6, 0.8],
        "orientation": [0.5, 0.5, 0.5, 0.5],
        "slices": True,
        "axis_lines": False,
        "scale_bar": False,
        "bounding_box": True,
        "layers": [
            {"artifact": "seg", "opacity": 0.4, "mesh_opacity": 0.5, "silhouette": 3, "segment_query": "DA1"},
            {"artifact": "em", "opacity": 0.7, "blend": "additive", "volume_rendering": "max"},
        ],
    }
    state = state_of(SEG, EM, scenes=[{"name": "s", **words}])
    assert (state["crossSectionBackgroundColor"], state["projectionBackgroundColor"]) == ("#101010", "#202020")
    assert state["projectionOrientation"] == pytest.approx([0, 0, 0.6, 0.8])
    assert (state["showSlices"], state["showAxisLines"], state["showScaleBar"]) == (True, False, False)
    assert state["layout"] == "xy-3d"  # a 3-d view of its own has no cross-sections
    labels, image = state["layers"]
    assert (labels["selectedAlpha"], labels["objectAlpha"], labels["meshSilhouetteRendering"]) == (0.4, 0.5, 3)
    assert (image["opacity"], image["blend"], image["volumeRendering"]) == (0.7, "additive", "max")


UNKNOWN = {
    "a typo in the scene": (
        {"state": {"showAxisLine": False}},
        "'showAxisLine' that the viewer does not know; did you mean 'showAxisLines'",
    ),
    "a typo in a layer": (
        {"layers": [{"artifact": "seg", "state": {"selectdAlpha": 1}}]},
        "layer 'Seg' has a field 'selectdAlpha' that the viewer does not know; did you mean 'selectedAlpha'",
    ),
    "a name of Python's": (
        {"state": {"show_slices": True}},
        "'show_slices' that the viewer does not know; did you mean 'showSlices'",
    ),
    "deeper": (
        {"layers": [{"artifact": "seg", "state": {"skeletonRendering": {"lineWidht3d": 2}}}]},
        "'skeletonRendering.lineWidht3d' that the viewer does not know; did you mean 'lineWidth3d'",
    ),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_the_viewer_does_not_know_is_told(case: str) -> None:
    words, message = UNKNOWN[case]
    with pytest.raises(InvalidInput) as told:
        state_of(SEG, scenes=[{"name": "s", **words}])
    assert message in str(told.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    words = {
        "state": {"showAxisLine": False, "position": "here"},
        "layers": [{"artifact": "seg", "state": {"nope": 1}}],
    }
    with pytest.raises(InvalidInput) as told:
        state_of(SEG, scenes=[{"name": "s", **words}])
    assert len(told.value.problems) == 3


def test_what_only_the_client_knows_passes() -> None:
    """The package's classes have not all of its keys; its own code has."""
    state = state_of(SEG, scenes=[{"name": "s", "state": {"selection": {"layers": {}}}}])
    assert state["selection"] == {"layers": {}}


@pytest.mark.parametrize(
    "layer",
    [
        {},
        {"artifact": "seg", "source": "gs://b/x"},
        {"source": "b/x"},
        {"artifact": "seg", "contrast": [5, 5]},
        {"artifact": "seg", "opacity": 2},
        {"artifact": "seg", "colors": {"1": "red"}},
        {"artifact": "seg", "segments": [-1]},
    ],
    ids=str,
)
def test_layers_that_make_no_sense_are_refused(layer: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        release(SEG, scenes=[{"name": "s", "layers": [layer]}])
