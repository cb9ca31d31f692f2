"""Motion capture as joint angles: a motion (AMC) of a skeleton (ASF).

The CMU Motion Capture Database uses these formats. Reference: M. Schafer, Acclaim Skeleton File
Definition V1.10 (1995), and http://mocap.cs.cmu.edu.
"""

from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.data.trajectory import Trajectory

SUFFIXES = (".amc",)
KEYS = ("topology", "topology_url", "topology_sha256", "time_step", "length_unit", "time_unit")
NEEDS = ("topology",)
ROOT = "root"
MEND = (
    "expected the .asf and the .amc file of one subject, "
    "as the CMU Motion Capture Database has them"
)


@dataclass(frozen=True)
class Bone:
    """A bone, or the root.

    Attributes:
        parent: name of the parent bone, "" for the root.
        offset: vector (3,) from the parent's end to the bone's end, in the pose of the skeleton
            file.
        axis: rotation of the bone's own axes.
        freedom: degrees of freedom, in the order of the motion file: `rx` is an angle about x, `tx`
            a shift along x.
    """

    parent: str
    offset: np.ndarray
    axis: Rotation
    freedom: tuple[str, ...]


def read(path: Path, source: dict, name: str) -> Trajectory:
    """The root and the ends of all bones, in the order and the length unit of the skeleton file.

    Species are the names of the joints. Each joint has a bond with its parent.

    Raises:
        ValueError: a file has another format, or the motion belongs to another skeleton.
    """
    topology = Path(source["topology"])
    bones, degrees = read_skeleton(_text(topology), topology.name)
    motion = read_motion(_text(path), name, bones)
    position = joints(bones, motion, degrees)
    names = list(bones)
    bonds = [
        (names.index(bone.parent), number)
        for number, bone in enumerate(bones.values())
        if bone.parent
    ]
    n_frames = len(position)
    return Trajectory(
        position=position,
        episode=np.zeros(n_frames, np.int64),
        time=np.arange(n_frames) * float(source.get("time_step", 1.0)),
        species=np.array(names),
        bonds=np.array(bonds).reshape(-1, 2),
        length_unit=source.get("length_unit", "reduced"),
        time_unit=source.get("time_unit", "reduced"),
    )


def joints(bones: dict[str, Bone], motion: dict[str, np.ndarray], degrees: bool) -> np.ndarray:
    """Positions (T, N, 3) of the joints by forward kinematics.

    `motion` has the values (T, F) of the degrees of freedom of each bone.
    """
    turned = {}
    ends = {}
    for name, bone in bones.items():
        values = motion[name]
        rotation = _rotation(bone, values, degrees)
        parent = bone.parent
        if not parent:
            shift = _shift(bone, values)
            turned[name] = rotation
            ends[name] = bone.offset + shift
            continue
        turned[name] = turned[parent] * rotation
        ends[name] = ends[parent] + turned[name].apply(bone.offset)
    positions = list(ends.values())
    return np.stack(positions, axis=1)


def _rotation(bone: Bone, values: np.ndarray, degrees: bool) -> Rotation:
    """The rotation C M C^-1 of a bone relative to its parent, in every frame.

    The bone turns in its own axes: C is from the skeleton file, M from the motion file.
    """
    is_angle = [each[0] == "r" for each in bone.freedom]
    order = "".join(each[1] for each in bone.freedom if each[0] == "r")
    rotation = Rotation.identity(len(values))
    if order:  # in lower case: about fixed axes, the first one first
        rotation = Rotation.from_euler(order, values[:, is_angle], degrees=degrees)
    return bone.axis * rotation * bone.axis.inv()


def _shift(bone: Bone, values: np.ndarray) -> np.ndarray:
    """The shift (T, 3) of the root."""
    shift = np.zeros((len(values), 3))
    for column, each in enumerate(bone.freedom):
        if each[0] == "t":
            axis = "xyz".index(each[1])
            shift[:, axis] = values[:, column]
    return shift


def read_skeleton(text: str, name: str) -> tuple[dict[str, Bone], bool]:
    """The bones by name, parents first, and whether angles are in degrees.

    Raises:
        ValueError: the text is not a skeleton file.
    """
    sections = _sections(text)
    try:
        root = {words[0].lower(): words[1:] for words in sections["root"]}
        entries = {entry["name"][0]: entry for entry in _entries(sections["bonedata"])}
        parents = {}
        for parent, *children in sections["hierarchy"]:
            parents.update(dict.fromkeys(children, parent))
        units = [" ".join(words).lower() for words in sections.get("units", [])]
        degrees = "angle rad" not in units
        freedom = _freedom(root["order"], "tr", ROOT)
        start = np.array(root["position"], float)
        turn = np.array(root["orientation"], float)
        axis = Rotation.from_euler(root["axis"][0].lower(), turn, degrees=degrees)
        bones = {ROOT: Bone("", start, axis, freedom)}
        for bone in _parents_first(parents, list(entries)):
            bones[bone] = _bone(entries[bone], parents[bone], degrees)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise ValueError(
            f"{name}: not a skeleton ({type(error).__name__}: {error}); {MEND}"
        ) from error
    return bones, degrees


def _bone(entry: dict[str, list[str]], parent: str, degrees: bool) -> Bone:
    """The bone of an entry in the section of bones."""
    direction = np.array(entry["direction"], float).reshape(3)
    *angles, order = entry["axis"]
    axis = Rotation.from_euler(order.lower(), np.array(angles, float), degrees=degrees)
    name = entry["name"][0]
    freedom = _freedom(entry.get("dof", []), "r", name)
    length = float(entry["length"][0])
    return Bone(parent, direction * length, axis, freedom)


def _freedom(words: list[str], kinds: str, bone: str) -> tuple[str, ...]:
    """Degrees of freedom in lower case, each one of `kinds` and an axis."""
    freedom = tuple(word.lower() for word in words)
    for each in freedom:
        if len(each) != 2 or each[0] not in kinds or each[1] not in "xyz":
            raise ValueError(f"{bone} has the degree of freedom {each!r}, which is not supported")
    return freedom


def _parents_first(parents: dict[str, str], names: list[str]) -> list[str]:
    """The bones in the order of the file, but each after its parent."""
    before = {name: {parents[name]} for name in names}
    depth = {ROOT: 0}
    for name in TopologicalSorter(before).static_order():  # raises ValueError if there is a cycle
        if name != ROOT:
            depth[name] = depth[parents[name]] + 1
    place = {name: i for i, name in enumerate([ROOT, *names])}
    if all(place[parents[name]] < place[name] for name in names):
        return names
    return sorted(names, key=depth.__getitem__)


def _sections(text: str) -> dict[str, list[list[str]]]:
    """The lines of each section as words.

    Comments, and `begin` and `end` of the hierarchy, are left out.
    """
    sections: dict[str, list[list[str]]] = {}
    lines: list[list[str]] = []
    for line in text.splitlines():
        content = line.split("#")[0]
        words = content.replace("(", " ").replace(")", " ").split()
        if not words:
            continue
        first = words[0]
        if first.startswith(":"):
            section = first[1:].lower()
            lines = sections.setdefault(section, [])
            continue
        is_hierarchy = lines is sections.get("hierarchy")
        if not (is_hierarchy and first in ("begin", "end")):
            lines.append(words)
    return sections


def _entries(lines: list[list[str]]) -> list[dict[str, list[str]]]:
    """The lines between each `begin` and `end` of the section of bones, by their first words."""
    entries: list[dict[str, list[str]]] = []
    for first, *others in lines:
        if first == "begin":
            entries.append({})
        elif first != "end":
            entries[-1][first.lower()] = others
    return entries


def read_motion(text: str, name: str, bones: dict[str, Bone]) -> dict[str, np.ndarray]:
    """The values (T, F) of each bone's degrees of freedom; a fixed bone has F = 0.

    Raises:
        ValueError: a bone that the skeleton does not have, a bone that is missing, or a value that
            is not a number; the message has the line or the frame.
    """
    values: dict[str, list[list[float]]] = {bone: [] for bone in bones}
    n_frames = 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words or words[0].startswith(":"):
            continue
        if len(words) == 1 and words[0].isdigit():
            _check_frame(values, bones, n_frames, name)
            n_frames += 1
            continue
        bone, *numbers = words
        is_expected = bone in bones and len(values[bone]) == n_frames - 1
        if not is_expected or len(numbers) != len(bones[bone].freedom):
            raise ValueError(
                f"{name}: line {number}: {line.strip()[:60]!r} does not fit the skeleton; {MEND}"
            )
        try:
            row = [float(each) for each in numbers]
        except ValueError as error:
            raise ValueError(f"{name}: line {number}: {error}; {MEND}") from error
        values[bone].append(row)
    _check_frame(values, bones, n_frames, name)
    if not n_frames:
        raise ValueError(f"{name}: no frames; {MEND}")
    return {bone: np.array(rows).reshape(n_frames, -1) for bone, rows in values.items()}


def _check_frame(values: dict[str, list], bones: dict[str, Bone], frames: int, name: str) -> None:
    """Check that the last of `frames` frames has all bones that move."""
    for bone, rows in values.items():
        is_missing = len(rows) != frames
        if is_missing and bones[bone].freedom:
            raise ValueError(f"{name}: frame {frames} has no {bone}; {MEND}")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
