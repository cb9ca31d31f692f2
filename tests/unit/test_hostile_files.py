"""Files that mean harm: content in other files, bombs, heads that lie, pickles. Real ones, refused
before reading."""

import zipfile
from io import BytesIO

import h5py
import numpy as np
import pandas as pd
import pytest

from equitraj.data.sources import limits
from equitraj.data.sources.reading import read_file

POSITION = np.random.default_rng(0).normal(size=(5, 3, 2))


@pytest.fixture
def secret(tmp_path):
    """A file beside the one that is read."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = POSITION
    (tmp_path / "secret.bin").write_bytes(POSITION.tobytes())
    return tmp_path


def external_link(file):
    file["x"] = h5py.ExternalLink("secret.h5", "x")


def soft_link_through_an_external_one(file):
    file["folder/outside"] = h5py.ExternalLink("secret.h5", "/")
    file["x"] = h5py.SoftLink("/folder/outside/x")


def external_storage(file):
    file.create_dataset("x", POSITION.shape, "f8", external=[("secret.bin", 0, h5py.h5f.UNLIMITED)])


def virtual_data_set(file):
    layout = h5py.VirtualLayout(POSITION.shape, "f8")
    layout[...] = h5py.VirtualSource("secret.h5", "x", POSITION.shape)
    file.create_virtual_dataset("x", layout)


@pytest.mark.parametrize(
    ("make", "outside"),
    [
        (external_link, "x is a link into the file 'secret.h5'"),
        (soft_link_through_an_external_one, "folder/outside is a link into the file 'secret.h5'"),
        (external_storage, "the values of x lie in the file '.*secret.bin'"),
        (virtual_data_set, "the values of x lie in the file '.*secret.h5'"),
    ],
)
@pytest.mark.parametrize(
    "source", [{"array": "x"}, {"topology": "secret.bin"}, {}], ids=["array", "mdanalysis", "ours"]
)
def test_hdf5_content_in_other_files_is_refused(secret, monkeypatch, make, outside, source):
    monkeypatch.chdir(secret)
    with h5py.File("a.h5", "w") as file:
        file["own"] = POSITION
        make(file)
    with pytest.raises(ValueError, match=f"a.h5: {outside}"):
        read_file({"path": "a.h5"} | source)


def test_soft_links_within_a_file_are_followed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/x"] = POSITION
        file["position"] = h5py.SoftLink("/run/x")
    np.testing.assert_array_equal(
        read_file({"path": str(tmp_path / "a.h5"), "array": "position"}).position, POSITION
    )


@pytest.fixture
def small(monkeypatch):
    """High ratios are refused from 1 MiB on, so that the bombs of the tests are made quickly."""
    monkeypatch.setattr(limits, "SMALL_BYTES", 1 << 20)


def bomb(path, frames=40_000):
    """An archive of 10 kB that unpacks to 9.6 MB: its member is written in pieces, never held
    whole."""
    head = BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (frames, 10, 3)}
    )
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as member,
    ):
        member.write(head.getvalue())
        for _ in range(frames // 20_000):
            member.write(bytes(20_000 * 240))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, small, monkeypatch):
    bomb(tmp_path / "a.npz")
    source, unpacked, read = {"path": str(tmp_path / "a.npz")}, [], zipfile.ZipExtFile._read1

    def counted(self, n: int) -> bytes:
        unpacked.append(read(self, n))
        return unpacked[-1]

    monkeypatch.setattr(zipfile.ZipExtFile, "_read1", counted)
    with pytest.raises(
        ValueError, match="a.npz: .* bytes that unpack to 9600128.*decompression bomb.*`max_bytes:`"
    ):
        read_file(source)
    with pytest.raises(
        ValueError, match="9600128 bytes when unpacked, more than `max_bytes: 1000000`"
    ):
        read_file(source | {"max_bytes": 1_000_000})
    assert not unpacked
    np.savez(tmp_path / "b.npz", x=POSITION)
    assert (
        len(read_file({"path": str(tmp_path / "b.npz")}).position) == 5 and unpacked
    )  # it does count


def test_a_bomb_of_hdf5_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:  # chunks that were never written read as zeros
        file.create_dataset("x", (10**12, 4, 3), "f8", chunks=(1000, 4, 3), compression="gzip")
    with pytest.raises(
        ValueError, match="a.h5: 96000000000000 bytes when unpacked, more than `max_bytes: 1717"
    ):
        read_file({"path": str(tmp_path / "a.h5"), "array": "x"})


def test_a_bomb_of_parquet_is_refused(tmp_path, small):
    rows = pd.DataFrame({k: np.zeros(1_000_000) for k in ("frame", "id", "x", "y")})
    rows.to_parquet(tmp_path / "a.parquet", compression="gzip")
    with pytest.raises(ValueError, match="a.parquet: .*decompression bomb"):
        read_file({"path": str(tmp_path / "a.parquet")})


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_head_that_lies_about_its_shape(tmp_path, name):
    head = BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (10**15, 4, 3)}
    )
    if name == "a.npy":
        (tmp_path / name).write_bytes(head.getvalue() + bytes(96))
    else:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("x.npy", head.getvalue() + bytes(96))
    with pytest.raises(ValueError, match=f"{name}: not a"):
        read_file({"path": str(tmp_path / name)})


def test_a_pickle_in_an_archive_is_never_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    np.savez(tmp_path / "a.npz", x=np.array([Harm()], dtype=object))
    with pytest.raises(ValueError, match="a.npz: holds Python objects"):
        read_file({"path": str(tmp_path / "a.npz")})
    assert not (tmp_path / "harm").exists()


def test_a_pickle_under_the_name_of_a_trajectory_is_never_run(tmp_path):
    import pickle

    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    for name in ("a.npy", "a.npz", "a.h5", "a.pkl", "a.xyz", "a.parquet"):
        (tmp_path / name).write_bytes(pickle.dumps(Harm()))
        with pytest.raises(ValueError, match=name):
            read_file({"path": str(tmp_path / name)})
    assert not (tmp_path / "harm").exists()
