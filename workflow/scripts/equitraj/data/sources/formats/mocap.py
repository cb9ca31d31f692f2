"""Motion capture as joint angles: a motion (AMC) over a skeleton (ASF), the files of the CMU Motion
Capture Database.

Reference: M. Schafer, Acclaim Skeleton File Definition V1.10 (1995), and http://mocap.cs.cmu.edu.
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
MEND = "expected the .asf and the .amc file of one subject, as the CMU Motion Capture Database has them"


@dataclass(frozen=True)
class Bone:
    """A bone, or the root.

    Attributes:
        parent: its name, "" for the root.
        offset: (3,) from the parent's end to its own, in the pose of the skeleton file.
        axis: the rotation of its own axes.
        freedom: what the motion file gives of it, in order: `rx` an angle about x, `tx` a shift
        along x.
    """

    parent: str
    offset: np.ndarray
    axis: Rotation
    freedom: tuple[str, ...]


def read(path: Path, source: dict, name: str) -> Trajectory:
    """The root and the ends of all bones, in the order of the skeleton file, in its own length
    unit.

    Species are the names of the joints, bonds those of each joint with its parent.

    Raises:
        ValueError: a file that is not of this layout, or a motion of another skeleton.
    """
    topology = Path(source["topology"])
    bones, degrees = read_skeleton(_text(topology), topology.name)
    motion = read_motion(_text(path), name, bones)
    position = joints(bones, motion, degrees)
    place = {bone: i for i, bone in enumerate(bones)}
    n_frames = len(position)
    return Trajectory(
        position=position,
        episode=np.zeros(n_frames, np.int64),
        time=np.arange(n_frames) * float(source.get("time_step", 1.0)),
        species=np.array(list(bones)),
        bonds=np.array([[place[b.parent], place[n]] for n, b in bones.items() if b.parent]).reshape(
            -1, 2
        ),
        length_unit=source.get("length_unit", "reduced"),
        time_unit=source.get("time_unit", "reduced"),
    )


def joints(bones: dict[str, Bone], motion: dict[str, np.ndarray], degrees: bool) -> np.ndarray:
    """Positions (T, N, 3) of the joints by forward kinematics.

    `motion` has the values (T, F) of the freedoms of each bone. A bone turns in its own axes: its
    rotation is its parent's times C M C^-1, with C of the skeleton file and M of the motion file.
    """
    n_frames = len(motion[ROOT])
    turned: dict[str, Rotation] = {}
    ends: dict[str, np.ndarray] = {}
    for name, bone in bones.items():
        order = "".join(each[1] for each in bone.freedom if each[0] == "r")
        angles = motion[name][:, [each[0] == "r" for each in bone.freedom]]
        # lower case: about fixed axes, the first one first
        own = (
            Rotation.from_euler(order, angles, degrees=degrees)
            if order
            else Rotation.identity(n_frames)
        )
        own = bone.axis * own * bone.axis.inv()
        turned[name] = turned[bone.parent] * own if bone.parent else own
        if bone.parent:
            ends[name] = ends[bone.parent] + turned[name].apply(bone.offset)
        else:
            shift = np.zeros((n_frames, 3))
            for column, each in enumerate(bone.freedom):
                if each[0] == "t":
                    shift[:, "xyz".index(each[1])] = motion[name][:, column]
            ends[name] = bone.offset + shift
    return np.stack(list(ends.values()), axis=1)


def read_skeleton(text: str, name: str) -> tuple[dict[str, Bone], bool]:
    """The bones by name, parents first, and whether angles are in degrees.

    Raises:
        ValueError: not such a file.
    """
    sections = _sections(text)
    try:
        root = {words[0].lower(): words[1:] for words in sections["root"]}
        entries = {entry["name"][0]: entry for entry in _entries(sections["bonedata"])}
        parents = {
            child: parent for parent, *children in sections["hierarchy"] for child in children
        }
        degrees = ["angle", "rad"] not in [
            [w.lower() for w in words] for words in sections.get("units", [])
        ]
        order = tuple(each.lower() for each in root["order"])
        start, turn = (np.array(root[key], float) for key in ("position", "orientation"))
        axis = Rotation.from_euler(root["axis"][0].lower(), turn, degrees=degrees)
        bones = {ROOT: Bone("", start, axis, _freedom(order, ("t", "r"), ROOT))}
        for bone in _parents_first(parents, list(entries)):
            bones[bone] = _bone(entries[bone], parents[bone], degrees)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise ValueError(
            f"{name}: not a skeleton ({type(error).__name__}: {error}); {MEND}"
        ) from error
    return bones, degrees


def _bone(entry: dict[str, list[str]], parent: str, degrees: bool) -> Bone:
    direction = np.array(entry["direction"], float).reshape(3)
    *angles, order = entry["axis"]
    axis = Rotation.from_euler(order.lower(), np.array(angles, float), degrees=degrees)
    freedom = _freedom(
        tuple(each.lower() for each in entry.get("dof", [])), ("r",), entry["name"][0]
    )
    return Bone(parent, direction * float(entry["length"][0]), axis, freedom)


def _freedom(order: tuple[str, ...], kinds: tuple[str, ...], bone: str) -> tuple[str, ...]:
    for each in order:
        if len(each) != 2 or each[0] not in kinds or each[1] not in "xyz":
            raise ValueError(f"{bone} has the freedom {each!r}, which is not read")
    return order


def _parents_first(parents: dict[str, str], names: list[str]) -> list[str]:
    """The bones in the order of the file, but each after its parent."""
    before = {bone: {parents[bone]} for bone in names}
    depth = {ROOT: 0}
    for bone in TopologicalSorter(
        before
    ).static_order():  # raises a ValueError where bones hang on themselves
        if bone != ROOT:
            depth[bone] = depth[parents[bone]] + 1
    place = {bone: i for i, bone in enumerate(names)}
    if all(parents[bone] == ROOT or place[parents[bone]] < place[bone] for bone in names):
        return names
    return sorted(names, key=depth.__getitem__)


def _sections(text: str) -> dict[str, list[list[str]]]:
    """The lines of each section as words, without comments, `begin` and `end` of the hierarchy."""
    sections: dict[str, list[list[str]]] = {}
    here: list[list[str]] = []
    for line in text.splitlines():
        words = line.split("#")[0].replace("(", " ").replace(")", " ").split()
        if words and words[0].startswith(":"):
            here = sections.setdefault(words[0][1:].lower(), [])
        elif words and not (here is sections.get("hierarchy") and words[0] in ("begin", "end")):
            here.append(words)
    return sections


def _entries(lines: list[list[str]]) -> list[dict[str, list[str]]]:
    """What stands between each `begin` and `end` of the section of bones, by its first word."""
    entries: list[dict[str, list[str]]] = []
    for words in lines:
        if words[0] == "begin":
            entries.append({})
        elif words[0] != "end":
            entries[-1][words[0].lower()] = words[1:]
    return entries


def read_motion(text: str, name: str, bones: dict[str, Bone]) -> dict[str, np.ndarray]:
    """The values (T, F) of each bone's freedoms in every frame; a bone without any has F = 0.

    Raises:
        ValueError: a bone that the skeleton does not have, one that is missing, or what is no
        number, with its line.
    """
    values: dict[str, list[list[float]]] = {bone: [] for bone in bones}
    frames = 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words or words[0].startswith(":"):
            continue
        if len(words) == 1 and words[0].isdigit():
            _check_frame(values, bones, frames, name)
            frames += 1
            continue
        bone, *numbers = words
        if (
            bone not in bones
            or len(numbers) != len(bones[bone].freedom)
            or len(values[bone]) != frames - 1
        ):
            raise ValueError(
                f"{name}: line {number}: {line.strip()[:60]!r} does not fit the skeleton; {MEND}"
            )
        try:
            values[bone].append([float(each) for each in numbers])
        except ValueError as error:
            raise ValueError(f"{name}: line {number}: {error}; {MEND}") from error
    _check_frame(values, bones, frames, name)
    if not frames:
        raise ValueError(f"{name}: no frames; {MEND}")
    return {
        bone: np.array(rows).reshape(frames, len(bones[bone].freedom))
        for bone, rows in values.items()
    }


def _check_frame(values: dict[str, list], bones: dict[str, Bone], frames: int, name: str) -> None:
    """Refuse a frame that lacks a bone which moves."""
    for bone, rows in values.items():
        if bones[bone].freedom and len(rows) != frames:
            raise ValueError(f"{name}: frame {frames} has no {bone}; {MEND}")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
