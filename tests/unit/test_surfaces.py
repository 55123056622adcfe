"""Files of meshes: every format gives the same surface, and what is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from publisher.builders.mesh_sources import SUFFIXES
from publisher.errors import InvalidInput
from publisher.formats import surfaces
from publisher.formats.surfaces import Surface, ngmesh
from tests import shapes

VERTICES, FACES = shapes.torus(12, 8, radius=100, centre=(500, 40, -3))


def same(surface: Surface) -> None:
    assert surface.faces.shape == FACES.shape
    assert np.abs(surface.vertices[surface.faces] - VERTICES[FACES]).max() < 1e-4
    assert surfaces.open_edges(surface) == 0
    assert surfaces.repaired(surface).dropped == 0


@pytest.mark.parametrize(
    ("name", "form"),
    [("7.obj", ""), ("7.stl", ""), ("7.stl", "stl-text"), ("7.ply", ""), ("7.ply", "ply-big"), ("7.ply", "ply-text"),
     ("7.ngmesh", "")],
)  # fmt: skip
def test_every_format_gives_the_same_surface(name: str, form: str, tmp_path: Path) -> None:
    same(surfaces.read(shapes.write(tmp_path / name, VERTICES, FACES, form), name))


def test_fragments_of_a_manifest_are_one_surface(tmp_path: Path) -> None:
    for name, part in (("a", FACES[:50]), ("b", FACES[50:])):
        (tmp_path / name).write_bytes(ngmesh.encode(VERTICES, part))
    (tmp_path / "7:0").write_text('{"fragments": ["a", "b"]}')
    surface = surfaces.read(tmp_path / "7:0", "7:0")
    assert np.abs(surface.vertices[surface.faces] - VERTICES[FACES]).max() < 1e-4


def test_every_ending_has_a_reader() -> None:
    assert tuple(surfaces.READERS) == SUFFIXES


CUBE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


@pytest.mark.parametrize(
    ("text", "faces", "split"),
    [
        ("f 1 2 3 4\n", [[0, 1, 2], [0, 2, 3]], 1),
        ("f 1/1/1 2/2/2 3/3/3\n", [[0, 1, 2]], 0),
        ("f 1//1 2//2 3//3\nf 1 2 4\n", [[0, 1, 2], [0, 1, 3]], 0),
        ("f -4 -3 -2\n", [[0, 1, 2]], 0),
        ("vt 0 0\nvn 0 0 1\ng x\ns off\nusemtl y\n\n# note\nf 1 2 3\n", [[0, 1, 2]], 0),
        ("f\t1\t2\t3\r\n", [[0, 1, 2]], 0),
    ],
)
def test_what_obj_files_also_hold(text: str, faces: list[list[int]], split: int, tmp_path: Path) -> None:
    (tmp_path / "7.obj").write_text(CUBE + text)
    surface = surfaces.read(tmp_path / "7.obj", "7.obj")
    assert (surface.faces.tolist(), surface.split) == (faces, split)
    assert surface.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]


def test_colours_and_weights_of_vertices_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "7.obj").write_text("v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 1 1 0 1 0 0\nf 1 2 3\n")
    assert surfaces.read(tmp_path / "7.obj", "").vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]


def test_polygons_in_ply(tmp_path: Path) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    head += "element face 2\nproperty list uchar int vertex_index\nend_header\n"
    (tmp_path / "7.ply").write_text(head + "0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n3 0 1 2\n")
    surface = surfaces.read(tmp_path / "7.ply", "7.ply")
    assert (surface.faces.tolist(), surface.split) == ([[0, 1, 2], [0, 2, 3], [0, 1, 2]], 1)


PLY = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
PLY += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("7.obj", "", "7.obj: holds no vertex"),
        ("7.obj", CUBE, "7.obj: holds no face"),
        ("7.obj", "v 0 0 nan\n" + CUBE + "f 1 2 3\n", "7.obj:1: is not a vertex: 'v 0 0 nan'"),
        ("7.obj", CUBE + "v 1 x 2\nf 1 2 3\n", "7.obj:5: is not a vertex: 'v 1 x 2'"),
        ("7.obj", CUBE + "v 1 2\nf 1 2 3\n", "7.obj:5: is not a vertex"),
        ("7.obj", CUBE + "f 1 2 3\nf 1 2 9\n", "7.obj:6: has vertex 9, and there are 4"),
        ("7.obj", CUBE + "f 0 1 2\n", "7.obj:5: is not a face: 'f 0 1 2'"),
        ("7.obj", CUBE + "f 1 2\n", "7.obj:5: is not a face"),
        ("7.obj", CUBE + "f 1.5 2 3\n", "7.obj:5: is not a face"),
        ("7.ply", "plain", "7.ply: has no PLY header"),
        ("7.ply", PLY.replace("face", "thing"), "has no vertices with x, y, z, or no faces"),
        ("7.ply", PLY.replace("uchar", "uword"), "7.ply:8: is no line of a PLY header"),
        ("7.ply", PLY + "0 0 0\n1 0 0\n0 x 0\n3 0 1 2\n", "7.ply:12: is no vertex: '0 x 0'"),
        ("7.ply", PLY + "0 0 0\n1 0 0\n0 1 0\n3 0 1\n", "7.ply:13: is no face: '3 0 1'"),
        ("7.ply", PLY + "0 0 0\n1 0 0\n0 1 0\n3 0 1 5\n", "7.ply: face 1 has vertex 6, and there are 3"),
        ("7.ply", PLY + "0 0 0\n1 0 0\n", "7.ply: breaks off: 3 of vertex are announced, 2 there"),
        ("7.ply", PLY.replace("ascii", "binary_little_endian") + "0", "7.ply: breaks off within its 3 of vertex"),
        ("7.stl", "solid x\nvertex 0 0 0\nvertex 1 0 b\n", "7.stl:3: is not a vertex: 'vertex 1 0 b'"),
        ("7.stl", "solid x\nvertex 0 0 0\nvertex 1 0 0\n", "7.stl: has 2 vertices, which are no whole triangles"),
        ("7.stl", "x" * 100, "7.stl: is 100 bytes long, and"),
        ("7.ngmesh", "\x05\x00\x00\x00abc", "7.ngmesh: is 7 bytes long, which 5 vertices and whole faces cannot be"),
        ("7:0", "[]", "7:0: is not a list of fragments"),
        ("7:0", '{"fragments": ["a"]}', "7:0: names the fragment 'a', which is not there"),
        ("7:0", '{"fragments": ["../a"]}', "7:0: is not a list of fragments"),
        ("7:0", '{"fragments": []}', "7:0: holds no vertex"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(name: str, content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidInput) as error:
        surfaces.read(tmp_path / name, name)
    assert told in str(error.value)


@pytest.mark.parametrize("form", ["ply", "ngmesh", "stl"])
def test_vertices_that_are_no_numbers(form: str, tmp_path: Path) -> None:
    vertices = VERTICES.copy()
    vertices[3, 1] = np.nan
    with pytest.raises(InvalidInput, match="is not finite"):
        surfaces.read(shapes.write(tmp_path / f"7.{form}", vertices, FACES), "7")


def test_faces_without_an_area_are_dropped_and_counted() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]], float)
    found = surfaces.repaired(Surface(vertices, np.array([[0, 1, 2], [0, 0, 1], [0, 1, 3]])))
    assert (found.faces.tolist(), found.dropped) == ([[0, 1, 2]], 2)


def test_open_edges_are_counted() -> None:
    assert surfaces.open_edges(Surface(VERTICES, FACES[1:])) == 3
