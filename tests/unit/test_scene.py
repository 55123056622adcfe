"""Scenes: what the viewer is told follows from the facts, survives a link, and can be overridden field by field."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import neuroglancer as ng
import pytest

from publisher import manifest, scene
from publisher.errors import InvalidInput
from publisher.facts import AnnotationFacts, Facts, MeshFacts, Scale, SkeletonFacts, TableFacts, VolumeFacts
from publisher.record import Described, Space

BASE = "https://data.example.org/release"
NM8 = Space("EM", (8.0, 8.0, 8.0), "nm")
SCALE = Scale("8", (8, 8, 40), (1000, 500, 100), (100, 0, 0), (64, 64, 64), "raw", sharded=False)
LABELS = VolumeFacts("precomputed", "segmentation", "uint64", 1, (SCALE,))
IMAGE = VolumeFacts("precomputed", "image", "uint8", 1, (SCALE,))
BOUNDS = ((8000.0, 16000.0, 24000.0), (16000.0, 24000.0, 64000.0))
SKELETONS = SkeletonFacts(
    ("swc", "precomputed"), 2, 9, 8.0, BOUNDS, (8804.0, 16004.0, 24040.0), (str(2**63 + 1), "7"), "seg"
)
SYNAPSES = AnnotationFacts("POINT", {"x": (8e-9, "m")}, (0,), (9,), (), (), sharded=False, segmentation="seg")


def artifact(
    name: str, facts: Facts | None, section: str = "volumes", space: Space | None = None, **more: Any
) -> Described:
    key = "" if more.get("external") else f"v1/{section}/{name}"
    return Described(name, section, name.title(), "", "Data", key, space, facts=facts, **more)


def built(*shown: Described, also: tuple[Described, ...] = (), space: object = None, **words: Any) -> dict[str, Any]:
    """Return the state of a scene that shows these artifacts; each round trip is checked on the way."""
    layers = words.pop("layers", None) or [{"artifact": item.name} for item in shown]
    release = manifest.Release.model_validate(
        {
            "schema": 1,
            "version": "v1",
            "date": "2026-11-21",
            "status": "draft",
            "dataset": {
                "name": "d",
                "title": "D",
                "description": "D.",
                "license": "CC0-1.0",
                "authors": [{"name": "A"}],
            },
            "space": space,
            "scenes": [{"name": "main", "layers": layers, **words}],
        }
    )
    (view,) = scene.build(release, (*shown, *also), f"{BASE}/")
    assert view.ref.key == "v1/d-v1.json"
    state = json.loads(view.dump())
    assert state == view.state
    assert ng.ViewerState(state).to_json() == ng.ViewerState(ng.ViewerState(state).to_json()).to_json()
    link = scene.link(state)
    assert json.loads(unquote(link.partition("#!")[2])) == state
    assert not set(link.partition("#!")[2]) & set(" '\"()[]{}<>`|\\")
    return state  # type: ignore[no-any-return]


def sources(layer: dict[str, Any]) -> list[str]:
    found = layer["source"] if isinstance(layer["source"], list) else [layer["source"]]
    return [source["url"] if isinstance(source, dict) else source for source in found]


def test_dimensions_are_those_of_the_space_and_else_of_the_finest_scale() -> None:
    seg = artifact("seg", LABELS)
    assert built(seg)["dimensions"] == {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [4e-8, "m"]}
    spaced = artifact("seg", LABELS, space=Space("EM", (4.0, 4.0, 30.0), "nm"))
    assert built(spaced)["dimensions"] == {"x": [4e-9, "m"], "y": [4e-9, "m"], "z": [3e-8, "m"]}
    micro = artifact("seg", LABELS, space=Space("LM", (0.5, 0.5, 1.0), "um"))
    assert built(micro)["dimensions"] == {"x": [5e-7, "m"], "y": [5e-7, "m"], "z": [1e-6, "m"]}
    unknown = artifact(
        "seg",
        VolumeFacts(
            "zarr2", "image", "uint8", 1, (Scale("", (0, 0, 0), (9, 9, 9), (0, 0, 0), (9, 9, 9), "raw", sharded=False),)
        ),
    )
    wanted = {"voxel_size": [16, 16, 16], "units": "nm", "name": "EM"}
    assert built(unknown, space=wanted)["dimensions"]["x"] == [1.6e-8, "m"]
    assert built(unknown)["dimensions"]["x"] == [1e-9, "m"]


def test_the_view_is_at_the_centre_of_a_volume_and_holds_it() -> None:
    state = built(artifact("seg", LABELS))
    # From 100 to 1100 voxels of 8 nm, 0 to 500 of 8 nm, 0 to 100 of 40 nm.
    assert state["position"] == [600, 250, 50]
    assert state["projectionScale"] == pytest.approx(1.5 * 1000)
    assert state["crossSectionScale"] == pytest.approx(1000 / 800)
    spaced = built(artifact("seg", LABELS, space=NM8))
    assert spaced["position"] == [600, 250, 250]  # the same place, in voxels of 8 nm


def test_neurons_draw_the_view_to_them() -> None:
    seg = artifact("seg", LABELS, space=NM8)
    skeletons = artifact("skeletons", SKELETONS, "skeletons")
    state = built(seg, also=(skeletons,))
    assert state["position"] == [1100.5, 2000.5, 3005]  # a node: the cross-section shows something there
    assert state["projectionScale"] == pytest.approx(1.5 * 40000 / 8)
    flat, solid = state["layout"]["children"]
    assert (flat["layout"], solid["layout"]) == ("xy", "3d")
    assert solid["position"] == {"link": "unlinked", "value": [1500, 2500, 5500]}  # the middle of the neurons
    (layer,) = state["layers"]
    assert layer["segments"] == [str(2**63 + 1), "7"] or sorted(layer["segments"]) == sorted([str(2**63 + 1), "7"])
    assert len(set(layer["segmentColors"].values())) == 2
    assert "position" in built(artifact("em", IMAGE, space=NM8))


def test_what_belongs_to_a_segmentation_is_in_its_layer_unless_it_has_its_own() -> None:
    seg = artifact(
        "seg", LABELS.__class__(**{**_fields(LABELS), "segment_properties": "v1/volumes/seg-segment-properties"})
    )
    skeletons, meshes = (
        artifact("skeletons", SKELETONS, "skeletons"),
        artifact("meshes", MeshFacts("legacy", sharded=False, segmentation="seg"), "meshes"),
    )
    others = artifact("other", MeshFacts("legacy", sharded=False, segmentation="another"), "meshes")
    state = built(seg, also=(skeletons, meshes, others))
    assert sources(state["layers"][0]) == [
        f"precomputed://{BASE}/v1/volumes/seg",
        f"precomputed://{BASE}/v1/volumes/seg-segment-properties",
        f"precomputed://{BASE}/v1/skeletons/skeletons/skeletons-precomputed",
        f"precomputed://{BASE}/v1/meshes/meshes",
    ]
    assert state["selectedLayer"] == {"layer": "Seg", "visible": True}
    apart = built(seg, meshes, also=(skeletons,))
    assert len(sources(apart["layers"][0])) == 3
    assert sources(apart["layers"][1]) == [f"precomputed://{BASE}/v1/meshes/meshes"]
    swc = SkeletonFacts(("swc",), 2, 9, 8.0, BOUNDS, None, ("7",), "seg")
    assert len(sources(built(artifact("seg", LABELS), also=(artifact("s", swc, "skeletons"),))["layers"][0])) == 1


def _fields(facts: VolumeFacts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in facts.__slots__}


@pytest.mark.parametrize(
    ("facts", "section", "kind"),
    [
        (LABELS, "volumes", "segmentation"),
        (IMAGE, "volumes", "image"),
        (SKELETONS, "skeletons", "segmentation"),
        (MeshFacts("legacy", sharded=False), "meshes", "segmentation"),
        (SYNAPSES, "annotations", "annotation"),
    ],
)
def test_each_kind_of_artifact_has_its_kind_of_layer(facts: Facts, section: str, kind: str) -> None:
    (layer,) = built(artifact("a", facts, section))["layers"]
    assert (layer["type"], layer["name"]) == (kind, "A")
    assert not isinstance(facts, TableFacts)


@pytest.mark.parametrize(
    ("form", "scheme"), [("precomputed", "precomputed"), ("n5", "n5"), ("zarr2", "zarr"), ("zarr3", "zarr")]
)
def test_a_source_says_its_format(form: Any, scheme: str) -> None:
    (layer,) = built(artifact("a", VolumeFacts(form, "image", "uint8", 1, (SCALE,))))["layers"]
    assert sources(layer) == [f"{scheme}://{BASE}/v1/volumes/a"]


EXTERNAL = {
    "gs://bucket/em": ({}, "precomputed://gs://bucket/em"),
    "s3://bucket/em": ({"format": "N5"}, "n5://s3://bucket/em"),
    "https://host/em.zarr": ({"format": "OME-Zarr"}, "zarr://https://host/em.zarr"),
    "https://host/em": ({"format": "neuroglancer precomputed"}, "precomputed://https://host/em"),
    "precomputed://gs://bucket/em": ({}, "precomputed://gs://bucket/em"),
    "n5://s3://bucket/em.n5": ({"format": "N5"}, "n5://s3://bucket/em.n5"),
    "graphene://https://host/segmentation/table/x": ({}, "graphene://https://host/segmentation/table/x"),
    "dvid://https://host/uuid/name": ({}, "dvid://https://host/uuid/name"),
    "brainmaps://a:b:c": ({}, "brainmaps://a:b:c"),
    "gs://bucket/em/|neuroglancer-precomputed:": ({}, "gs://bucket/em/|neuroglancer-precomputed:"),
    "s3://bucket/em.zarr/|zarr3:": ({"format": "zarr"}, "s3://bucket/em.zarr/|zarr3:"),
}


@pytest.mark.parametrize("address", EXTERNAL)
def test_an_external_source_is_named_as_the_viewer_does(address: str) -> None:
    stated, wanted = EXTERNAL[address]
    (layer,) = built(artifact("em", None, external=address, stated=stated))["layers"]
    assert sources(layer) == [wanted]
    assert layer["type"] == "image"


def test_what_an_owner_states_draws_the_view() -> None:
    stated = {"dtype": "uint64", "extent": [1000, 2000, 3000], "voxel_size": [8, 8, 8], "units": "nm"}
    state = built(artifact("em", None, external="gs://b/x", stated=stated, space=NM8))
    assert state["layers"][0]["type"] == "segmentation"
    assert state["position"] == [500, 1000, 1500]
    stated = {**stated, "voxel_size": [0.008, 0.008, 0.008], "units": "um"}
    assert built(artifact("em", None, external="gs://b/x", stated=stated, space=NM8))["position"] == [500, 1000, 1500]
    stated = {**stated, "voxel_size": [1, 1, 1], "units": "8 nm"}
    assert built(artifact("em", None, external="gs://b/x", stated=stated, space=NM8))["position"] == [500, 1000, 1500]


def test_every_field_can_be_said_otherwise() -> None:
    seg, skeletons = artifact("seg", LABELS, space=NM8), artifact("skeletons", SKELETONS, "skeletons")
    layer = {
        "artifact": "seg",
        "name": "Bodies",
        "segments": [5, 2**63 + 1],
        "visible": False,
        "color": "#ff8800",
        "state": {"selectedAlpha": 0.3, "meshSilhouetteRendering": 2},
    }
    words = {
        "title": "Mine",
        "position": [300, 2, 3],
        "zoom": 16,
        "projection_zoom": 80000,
        "layout": "4panel",
        "selected": "seg",
        "segment_query": "DA1",
        "state": {"showAxisLines": False, "selectedLayer": {"size": 400}, "crossSectionBackgroundColor": "#000000"},
    }
    state = built(seg, also=(skeletons,), layers=[layer], **words)
    assert state["position"] == [300, 2, 3]
    assert (state["crossSectionScale"], state["projectionScale"]) == (2, 10000)
    assert (state["layout"], state["title"]) == ("4panel", "D v1: Mine")
    assert state["selectedLayer"] == {"layer": "Bodies", "visible": True, "size": 400}  # objects into objects
    assert (state["showAxisLines"], state["crossSectionBackgroundColor"]) == (False, "#000000")
    (made,) = state["layers"]
    assert (made["name"], made["visible"], made["segmentDefaultColor"]) == ("Bodies", False, "#ff8800")
    assert sorted(made["segments"]) == sorted(["5", str(2**63 + 1)])
    assert (made["selectedAlpha"], made["meshSilhouetteRendering"], made["segmentQuery"]) == (0.3, 2, "DA1")
    assert sources(made)[0] == f"precomputed://{BASE}/v1/volumes/seg"  # what is not said stays


def test_a_shader_and_a_colour_go_where_they_belong() -> None:
    image, points = artifact("em", IMAGE), artifact("points", SYNAPSES, "annotations")
    layers = [{"artifact": "em", "shader": "void main() {}"}, {"artifact": "points", "color": "#00ff00"}]
    first, second = built(image, points, layers=layers)["layers"]
    assert first["shader"] == "void main() {}"
    assert second["annotationColor"] == "#00ff00"


def test_odd_names_survive_the_link() -> None:
    odd = artifact("seg", LABELS)
    state = built(odd, layers=[{"artifact": "seg", "name": "100% (é) 'x' \"y\" #1 + &a=b"}], title="50 % <b>")
    assert state["layers"][0]["name"] == "100% (é) 'x' \"y\" #1 + &a=b"


def test_the_short_link_names_the_hosted_scene() -> None:
    url = f"{BASE}/v1/d-v1.json"
    assert scene.short_link(url) == f"https://neuroglancer-demo.appspot.com/#!{url}"
    assert scene.link({}, "https://viewer.example.org/").startswith("https://viewer.example.org/#!")


WRONG: tuple[dict[str, Any], ...] = (
    {"state": {"position": "here"}},
    {"state": {"crossSectionScale": "wide"}},
    {"state": {"layout": "diagonal"}},
    {"state": {"projectionOrientation": [1, 2]}},
    {"layers": [{"artifact": "seg", "state": {"selectedAlpha": {"much": 1}}}]},
)


@pytest.mark.parametrize("words", WRONG, ids=str)
def test_what_the_viewer_cannot_hold_is_refused(words: dict[str, Any]) -> None:
    with pytest.raises(
        InvalidInput, match=r"scene 'main': (layer 'Seg' )?has a field '\w+' that the viewer cannot hold"
    ):
        built(artifact("seg", LABELS), **words)
