"""A real Slurm cluster on this machine: munge, slurmctld and three slurmd (c1, c2 and g1 with two
pretended GPUs).

python tests/slurm/cluster.py start FOLDER     prints the environment to use
python tests/slurm/cluster.py stop FOLDER      ends the processes that `start` began, and no other

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge. State, sockets, keys and
logs lie in FOLDER.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
NODES = ("c1", "c2", "g1")
MARK = "  # a Slurm cluster of tests\n"
SYSTEM = Path(
    "/etc/slurm"
)  # where the steps of a job look for the configuration: they lose SLURM_CONF
FILES = ("slurm.conf", "gres.conf")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
# containers have neither systemd nor writable cgroups
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
MinJobAge=3600
KillWait=3
EnforcePartLimits=ALL
JobRequeue=0
PropagateResourceLimits=NONE
NodeName=c1 NodeHostname={host} NodeAddr=127.0.0.1 Port={c1} CPUs=8 RealMemory=64000
NodeName=c2 NodeHostname={host} NodeAddr=127.0.0.1 Port={c2} CPUs=8 RealMemory=64000
NodeName=g1 NodeHostname={host} NodeAddr=127.0.0.1 Port={g1} CPUs=8 RealMemory=64000 Gres=gpu:h200:2
PartitionName=cpu Nodes=c[1-2] Default=YES MaxTime=7-0 DefaultTime=5
PartitionName=gpu Nodes=g1 MaxTime=2-0 DefaultTime=5
"""


def obstacle() -> str | None:
    """Why a cluster cannot be started here, or None."""
    if os.name != "posix" or os.getuid() != 0:
        return "starting a Slurm cluster needs root"
    if not Path("/etc/debian_version").exists():
        return "the Slurm cluster of the tests is set up for Debian"
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"no {', '.join(missing)}; apt-get install slurmctld slurmd slurm-client munge"
    link = SYSTEM / FILES[0]
    folder = link.resolve().parents[1]
    if link.exists() and not (link.is_symlink() and (folder / "munge/munge.key").exists()):
        return f"{link} exists: this machine has a Slurm of its own"
    if link.exists() and running(folder):
        return (
            f"a test cluster runs already; to end it: python tests/slurm/cluster.py stop {folder}"
        )
    return None


def environment(folder: Path) -> dict[str, str]:
    """What a process needs to talk to the cluster of a folder."""
    return {"SLURM_CONF": str(folder / "etc/slurm.conf")}


def start(folder: Path, seconds: float = 60) -> None:
    """Start a cluster with fresh state in `folder` and wait until its nodes are idle.

    Raises:
        RuntimeError: it did not come up; the message holds the ends of its logs.
    """
    try:
        _start_daemons(folder)
        ready = wait(
            lambda: set(_query(folder, "sinfo", "-h", "-N", "-t", "idle", "-o", "%N"))
            == set(NODES),
            seconds,
        )
    except BaseException:
        stop(folder)
        raise
    if not ready:
        logs = [f"{log}:\n{log.read_text()[-2000:]}" for log in (folder / "log").glob("*.log")]
        stop(folder)
        raise RuntimeError("the Slurm cluster did not come up\n" + "\n".join(logs))


def _start_daemons(folder: Path) -> None:
    host = socket.gethostname().split(".")[0]
    for name in (
        "etc",
        "run",
        "log",
        "state",
        "dev",
        "munge",
        *(f"spool/{node}" for node in NODES),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for path in (folder, folder / "munge"):
        path.chmod(0o755)
    _write_configuration(folder, host)
    _start_munge(folder / "munge")
    variables = os.environ | environment(folder)
    # The daemons must not hold the caller's folder, and -c forgets jobs of an earlier cluster.
    subprocess.run(["slurmctld", "-c"], env=variables, cwd="/", check=True)
    for node in NODES:
        subprocess.run(["slurmd", "-c", "-N", node], env=variables, cwd="/", check=True)


def _write_configuration(folder: Path, host: str) -> None:
    ports = dict(zip(("port", *NODES), _free_ports(1 + len(NODES)), strict=True))
    (folder / "etc/slurm.conf").write_text(CONFIGURATION.format(folder=folder, host=host, **ports))
    (folder / "etc/gres.conf").write_text(
        f"NodeName=g1 Name=gpu Type=h200 File={folder}/dev/nvidia[0-1]\n"
    )
    for name in ("nvidia0", "nvidia1"):  # Slurm accepts devices only; these are copies of /dev/null
        if not (folder / "dev" / name).exists():
            os.mknod(folder / "dev" / name, 0o020666, os.makedev(1, 3))
    SYSTEM.mkdir(exist_ok=True)
    for name in FILES:
        (SYSTEM / name).unlink(missing_ok=True)
        (SYSTEM / name).symlink_to(folder / "etc" / name)
    hosts = Path("/etc/hosts")
    if host not in hosts.read_text().split():
        hosts.write_text(hosts.read_text() + f"127.0.0.1 {host}{MARK}")


def _free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _start_munge(folder: Path) -> None:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    places = {"key-file": key, "socket": folder / "socket", "pid-file": folder / "munged.pid"}
    places |= {"log-file": folder / "munged.log", "seed-file": folder / "seed"}
    subprocess.run(
        ["munged", *(f"--{option}={path}" for option, path in places.items())], check=True
    )


def _query(folder: Path, *command: str) -> list[str]:
    """The words a Slurm command prints; none where there is no answer."""
    variables = os.environ | environment(folder)
    try:
        return subprocess.run(
            command, env=variables, capture_output=True, text=True, timeout=20
        ).stdout.split()
    except subprocess.TimeoutExpired:
        return []


def running(folder: Path) -> list[int]:
    """The processes of the cluster in `folder` that are alive: those of its pid files that are
    still its daemons."""
    files = [*(folder / "run").glob("*.pid"), *(folder / "munge").glob("*.pid")]
    texts = [_text(file) for file in files]
    return [int(text) for text in texts if text.isdigit() and _is_daemon(int(text))]


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:  # a daemon takes its pid file with it when it ends
        return ""


def _is_daemon(pid: int) -> bool:
    try:
        command = Path(
            f"/proc/{pid}/cmdline"
        ).read_text()  # empty for one that has ended and was not waited for
    except FileNotFoundError:
        return False
    return Path(command.split("\0")[0]).name in ("munged", "slurmctld", "slurmd")


def stop(folder: Path) -> None:
    """Cancel the cluster's jobs, end its processes, and take its configuration off the system's
    path."""
    if running(folder):
        jobs = _query(folder, "squeue", "-h", "-o", "%A")
        if jobs:
            subprocess.run(
                ["scancel", *set(jobs)], env=os.environ | environment(folder), check=False
            )
        wait(lambda: not _query(folder, "squeue", "-h", "-o", "%A"), 20)
    for pid in running(folder):
        os.kill(pid, signal.SIGTERM)
    if not wait(lambda: not running(folder), 20):
        for pid in running(folder):
            os.kill(pid, signal.SIGKILL)
    for name in FILES:
        link = SYSTEM / name
        if link.is_symlink() and link.readlink() == folder / "etc" / name:
            link.unlink()
    hosts = Path("/etc/hosts")
    if MARK in hosts.read_text():
        lines = hosts.read_text().splitlines(keepends=True)
        hosts.write_text("".join(line for line in lines if not line.endswith(MARK)))


def wait(condition: Callable[[], object], seconds: float) -> bool:
    """Whether a condition comes true within a time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return bool(condition())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=["start", "stop"])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if arguments.verb == "stop":
        stop(folder)
        return
    if reason := obstacle():
        raise SystemExit(f"error: {reason}")
    start(folder)
    print("\n".join(f"export {name}={value}" for name, value in environment(folder).items()))


if __name__ == "__main__":
    main()
