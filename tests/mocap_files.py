"""Small files of motion capture: the skeleton of a leg, and motions of it."""

from pathlib import Path

import numpy as np

SKELETON = """# a leg
:version 1.10
:units
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name hip
     direction 0.6 -0.8 0
     length 2.5
     axis 0 0 0  XYZ
  end
  begin
     id 2
     name femur
     direction 0 -1 0
     length 7.2
     axis 10 -30 20  XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
     id 3
     name tibia
     direction 0.36 -0.48 0.8
     length 7
     axis 0 40 20  ZYX
    dof rx
    limits (-10.0 170.0)
  end
:hierarchy
  begin
    root hip
    hip femur
    femur tibia
  end
"""


def angles(frames: int, seed: int) -> dict[str, np.ndarray]:
    """The values (T, F) of each joint in a motion, drawn at random."""
    random = np.random.default_rng(seed)
    return {
        name: random.uniform(-60, 60, (frames, n))
        for name, n in (("root", 6), ("femur", 3), ("tibia", 1))
    }


def written_motion(path: Path, values: dict[str, np.ndarray]) -> None:
    """Write a motion as an AMC file."""
    lines = ["#!OML:ASF", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(len(values["root"])):
        lines.append(str(frame + 1))
        lines += [
            f"{name} {' '.join(map(repr, row[frame].tolist()))}" for name, row in values.items()
        ]
    path.write_text("\n".join(lines) + "\n")
