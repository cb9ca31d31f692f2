"""Configurations that are wrong in one place: key, value, and what the message says after the key.

Those of AT_PARSING are refused when the workflow is parsed; alignments and methods stand in
wrong_methods.py. What needs the data is in IN_THE_FIRST_JOB, with what the job says.
"""

from wrong_methods import INFINITY, NAN, WRONG_METHODS

CYCLE: list = []
CYCLE.append(CYCLE)

# What they are set into: the tiny study, with one entry for each thing that has options.
BASE = {
    "sources": {
        "web": {"kind": "download", "url": "https://host/walk.npz", "sha256": "0" * 64},
        "own": {"kind": "file", "path": "README.md", "format": "arrays"},
    },
    "alignments": {
        "some": {"frames": "gram_schmidt", "options": {"points": [0, 6, 11]}},
        "random": {"frames": "haar_averaging"},
        "frame": {"frames": "kabsch_reference"},
        "learned": {"frames": "learned_frame"},
    },
    "methods": {
        "mlp": {"model": "mlp", "alignment": "some"},
        "egnn": {"model": "egnn"},
        "e3nn": {"model": "e3nn_network"},
        "sgd": {"model": "linear_sgd"},
    },
    "study": {"methods": ["persistence", "constant_velocity", "mlp"]},
}

AT_PARSING = WRONG_METHODS | {
    # the whole
    "studdy": [
        ({}, "the configuration", "unknown key 'studdy'; allowed: pathvars, mirror, device")
    ],
    "study": [(None, "None; expected object"), ([], "[]; expected object")],
    "tune": [
        (
            {
                "s": {
                    "task": "chain_k3",
                    "method": "mlpp",
                    "trials": 1,
                    "space": {"options.width": {"choices": [1]}},
                }
            },
            "tune.s.method",
            "unknown name 'mlpp'",
        ),
        (
            {
                "s": {
                    "task": "chain",
                    "method": "mlp",
                    "trials": 1,
                    "space": {"options.width": {"choices": [1]}},
                }
            },
            "tune.s.task",
            "unknown name 'chain'",
        ),
        (
            {
                "s": {
                    "task": "chain_k3",
                    "method": "persistence",
                    "trials": 1,
                    "space": {"options.width": {"choices": [1]}},
                }
            },
            "tune.s.method",
            "'persistence' is no network in JAX; expected one, which a search trains",
        ),
        (
            {
                "s": {
                    "task": "chain_k3",
                    "method": "mlp",
                    "trials": 0,
                    "space": {"options.width": {"choices": [1]}},
                }
            },
            "tune.s.trials",
            "0",
        ),
        (
            {
                "s": {
                    "task": "chain_k3",
                    "method": "mlp",
                    "trials": 1,
                    "space": {"options.width": {"low": 1}},
                }
            },
            "tune.s.space.options.width",
            "expected low and high, or choices",
        ),
        (
            {
                "s": {
                    "task": "chain_k3",
                    "method": "mlp",
                    "trials": 1,
                    "space": {"options.size": {"choices": [1]}},
                }
            },
            "tune.s.space",
            "unknown name 'options.size'",
        ),
    ],
    "published": [
        ({"elsewhere": [{"name": "A", "mse": 1.0, "source": "B"}]}, "unknown name 'elsewhere'"),
        (
            {"chain_k3": [{"name": "A", "mse": 1.0, "source": "B"}] * 2},
            "published.chain_k3.1.name",
            "stands twice",
        ),
        (
            {"chain_k3": [{"name": "A", "mse": 0, "source": "B"}]},
            "published.chain_k3.0.mse",
            "expected a number above 0",
        ),
        ({"chain_k3": [{"name": "A", "mse": 1.0}]}, "published.chain_k3.0", "source"),
        (
            {"chain_k3": [{"name": "A", "mse": 1.0, "source": "B", "method": "elsewhere"}]},
            "published.chain_k3.0.method",
            "unknown name 'elsewhere'",
        ),
        (
            {"chain_k3": [{"name": "A", "mse": 1.0, "source": "B", "year": 1}]},
            "published.chain_k3.0",
            "unknown key 'year'",
        ),
    ],
    "rollout": [(7, "7; expected object")],
    "device": [
        ("gpu", "unknown value 'gpu'; allowed: auto, cpu, cuda. Did you mean 'cpu'?"),
        (True, "unknown value True; allowed: auto, cpu, cuda"),
        (0, "unknown value 0; allowed: auto, cpu, cuda"),
    ],
    "mirror": [
        (3, "3; expected string or null"),
        ("", "''; expected some text"),
        (
            "ftp://host/data",
            "'ftp://host/data'; expected a folder, or an address such as https://host/folder",
        ),
        ("file:///data", "'file:///data'; expected a folder, or an address"),
        ("http://", "'http://'; expected a folder, or an address"),
        (["a", "b"], "['a', 'b']; expected string or null"),
    ],
    "pathvars": [("results", "'results'; expected object")],
    "pathvars.results": [
        ("", "''; expected a folder below the working directory"),
        (".", "'.'; expected a folder below the working directory"),
        ("/tmp/results", "'/tmp/results'; expected a folder below the working directory"),
        ("../results", "'../results'; expected a folder below the working directory"),
        (
            "runs/../../results",
            "'runs/../../results'; expected a folder below the working directory",
        ),
        ("{task}", "'{task}'; expected a name without line breaks and {}<>*?"),
        ("results\n", r"'results\n'; expected"),
        (None, "None; expected string"),
    ],
    "pathvars.reports": [
        ("./results/", "'./results/' is pathvars.results too; expected a folder of its own")
    ],
    "pathvars.logz": [
        (
            "logs",
            "pathvars",
            "unknown key 'logz'; allowed: results, reports, logs, benchmarks. Did you",
        )
    ],
    # names and keys
    "methods.a/b": [
        (
            {"model": "mlp"},
            "methods",
            "the name 'a/b' is not allowed; expected letters, digits and under",
        )
    ],
    "methods.mine\n": [
        ({"model": "mlp"}, "methods", r"the name 'mine\n' is not allowed; expected letters")
    ],
    ("methods", ""): [
        ({"model": "mlp"}, "methods", "the name '' is not allowed; expected letters")
    ],
    "methods." + "a" * 65: [
        (
            {"model": "mlp"},
            "methods",
            "is not allowed; expected letters, digits and underscores, at",
        )
    ],
    "tasks.tâche": [({}, "tasks", "the name 'tâche' is not allowed; expected letters")],
    "sources.two words": [({"kind": "simulate"}, "sources", "the name 'two words' is not allowed")],
    ("alignments", ".."): [({"frames": "none"}, "alignments", "the name '..' is not allowed")],
    ("methods", 0): [({"model": "mlp"}, "methods", "the key 0 is not text; write it in quotes")],
    ("methods", None): [
        ({"model": "mlp"}, "methods", "the key None is not text; write it in quotes")
    ],
    ("methods", True): [
        ({"model": "mlp"}, "methods", "the key True is not text; write it in quotes")
    ],
    ("tasks", 2.5): [({}, "tasks", "the key 2.5 is not text; write it in quotes")],
    # sources
    "sources.tiny.kind": [
        (
            "simulation",
            "unknown value 'simulation'; allowed: download, simulate, file. Did you mean",
        )
    ],
    "sources.tiny.system": [
        ("bead_chan", "Did you mean 'bead_chain'?"),
        (None, "None; expected string"),
    ],
    "sources.tiny.frames": [
        (1, "1; expected at least 2"),
        (10**12, "1000000000000; expected at most 10000000"),
        (200.0, "200.0; expected integer"),
        ("200", "'200'; expected integer"),
        (True, "True; expected integer"),
    ],
    "sources.tiny.bonds": [("ring", "unknown value 'ring'; allowed: chain, none")],
    "sources.tiny.lift": [
        ("zero", "unknown value 'zero'; allowed: zeros, random_plane. Did you mean 'zeros'?")
    ],
    "sources.tiny.lift_seed": [
        (-1, "-1; expected at least 0"),
        (2**32, "4294967296; expected at most 4294967295"),
    ],
    "sources.tiny.options": [
        ({"bead": 4}, "unknown name 'bead'; allowed: seed, beads"),
        (None, "None; expected object"),
    ],
    "sources.tiny.options.seed": [
        (0, "0; expected int, 1 to 2147483647"),
        (2**31, "2147483648; expected int, 1 to 2147483647"),
        (1.0, "1.0; expected int, as in 1"),
    ],
    "sources.tiny.options.beads": [
        (1, "1; expected int, 2 to 10000"),
        (-3, "-3; expected int, 2 to 10000"),
    ],
    "sources.tiny.options.mass": [
        (0, "0; expected float, above 0"),
        (NAN, "nan; expected a finite number"),
    ],
    "sources.tiny.options.time_step": [
        (-0.002, "-0.002; expected float, above 0"),
        (INFINITY, "inf; expected a finite"),
    ],
    "sources.tiny.options.stride": [(0, "0; expected int, 1 to 1000000")],
    "sources.tiny.options.temperature": [("hot", "'hot'; expected float, as in 300.0")],
    "sources.web.url": [
        ("host/walk.npz", "'host/walk.npz'; expected the http(s) address of a file"),
        ("https:///walk.npz", "'https:///walk.npz'; expected the http(s) address of a file"),
        ("http://:80/walk.npz", "'http://:80/walk.npz'; expected the http(s) address of a file"),
        (
            "http://host:99999/walk.npz",
            "'http://host:99999/walk.npz'; expected the http(s) address of a file",
        ),
        (
            "http://ho st/walk.npz",
            "'http://ho st/walk.npz'; expected the http(s) address of a file",
        ),
        ("file:///walk.npz", "'file:///walk.npz'; expected the http(s) address of a file"),
        ("ftp://host/walk.npz", "'ftp://host/walk.npz'; expected the http(s) address of a file"),
        ("https://host/", "'https://host/'; expected the http(s) address of a file"),
        (
            "https://host/walk.npz\n",
            r"'https://host/walk.npz\n'; expected the http(s) address of a file",
        ),
    ],
    "sources.web.sha256": [
        ("0" * 63, "'" + "0" * 63 + "'; expected"),
        ("0" * 64 + "\n", "expected"),
        ("g" * 64, "'" + "g" * 64 + "'; expected"),
        (0, "0; expected"),
    ],
    "sources.web.episodes": [
        ([], "expected at least 1"),
        ([1, 1], "[1, 1]; expected"),
        ([-1], "-1; expected"),
    ],
    "sources.own.path": [
        ("nowhere.npz", "no file 'nowhere.npz'; paths are relative to the working directory"),
        ("", "''; expected"),
        (7, "7; expected string or array"),
    ],
    "sources.new": [
        ({"url": "https://host/walk.npz"}, "the key 'kind' is missing; How the data are obtained")
    ],
    # tasks
    "tasks.tiny_k1.source": [
        ("tinny", "unknown name 'tinny'; allowed: "),
        (None, "None; expected string"),
    ],
    "tasks.tiny_k1.histroy": [
        (2, "tasks.tiny_k1", "unknown key 'histroy'; allowed: source, history, lag, inputs, split")
    ],
    "tasks.tiny_k1.history": [
        (0, "0; expected at least 1"),
        (-1, "-1; expected at least 1"),
        (1.0, "1.0; expected integer"),
        (True, "True; expected integer"),
        ("three", "'three'; expected integer"),
        (
            150,
            "tasks.tiny_k1.split.train",
            "100 leaves no sample with history 150 and lag 1 in 200 frames",
        ),
        (10**9, "1000000000; expected at most 10000"),
    ],
    "tasks.tiny_k1.lag": [
        (0, "0; expected at least 1"),
        (0.5, "0.5; expected integer"),
        (
            190,
            "tasks.tiny_k1.split",
            "train 100 + validation 30 + test 60 = 190 samples, but the data have 10",
        ),
    ],
    "tasks.tiny_k1.split": [
        ({"train": 100, "test": 60}, "the key 'validation' is missing"),
        (
            {"train": 1.5, "validation": 0.2, "test": 0.3},
            "train 1.5, validation 0.2, test 0.3; expected whole numbers",
        ),
        (
            {"train": 0.8, "validation": 20, "test": 20},
            "train 0.8, validation 20, test 20; expected whole numbers only",
        ),
        ({"train": 0.8, "validation": 0.2, "test": 0.2}, "with a sum of at most 1"),
        (
            {"by": "random", "train": 100, "validation": 50, "test": 50},
            "train 100 + validation 50 + test 50 = 200 samples, but the data have 199",
        ),
        (
            {"train": 1.0, "validation": 0.1, "test": 0.1},
            "train 1.0, validation 0.1, test 0.1; expected whole numbers",
        ),
    ],
    "tasks.tiny_k1.split.by": [("frame", "unknown value 'frame'; allowed: time, episode, random")],
    "tasks.tiny_k1.split.seed": [(1, "has no effect without `by: random`; leave it out")],
    "tasks.tiny_k1.split.train": [
        (INFINITY, "inf; expected a finite number"),
        (NAN, "nan; expected a finite number"),
        (0, "0; expected a number above 0"),
        (-0.5, "-0.5; expected a number above 0"),
        (True, "True; expected number"),
        (
            100.5,
            "tasks.tiny_k1.split",
            "train 100.5, validation 30, test 60; expected whole numbers only",
        ),
        (
            150,
            "tasks.tiny_k1.split",
            "train 150 + validation 30 + test 60 = 240 samples, but the data have 199",
        ),
    ],
    "tasks.tiny_k3.split.validation": [
        (1, "1 leaves no sample with history 3 and lag 1 in 200 frames; enlarge it")
    ],
    # the study
    "study.title": [
        (2026, "2026; expected string"),
        (None, "None; expected string"),
        ("", "''; expected some text"),
    ],
    "study.question": [(["a", "b"], "['a', 'b']; expected string")],
    "study.tasks": [
        ([], "[]; expected at least 1 of them: Names of tasks"),
        (["tiny_k9"], "unknown name 'tiny_k9'; allowed: "),
        (["tiny_k1", "tiny_k1"], "['tiny_k1', 'tiny_k1']; expected each only once"),
        (
            ["tiny_k1"],
            "study.methods",
            "'constant_velocity' needs a history of 2 frames, which none of study.tasks has",
        ),
        ([None], "study.tasks.0", "None; expected string"),
        ("tiny_k1", "'tiny_k1'; expected array"),
        (CYCLE, "study.tasks.0", "contains itself"),
    ],
    "study.methods": [
        ([], "[]; expected at least 1 of them: Names of methods"),
        (["persistance"], "unknown name 'persistance'; allowed: "),
        (["mlp", "mlp"], "['mlp', 'mlp']; expected each only once"),
        ([3], "study.methods.0", "3; expected string"),
    ],
    "study.train_sizes": [
        ([], "[]; expected at least 1 of them"),
        ([0], "study.train_sizes.0", "0; expected at least 1"),
        ([-5], "study.train_sizes.0", "-5; expected at least 1"),
        ([50.0], "study.train_sizes.0", "50.0; expected integer or string"),
        (["some"], "study.train_sizes.0", "'some'; expected: a number of training samples or all"),
        ([5000], "5000 samples, but the training split of tasks.tiny_k1 has 99"),
        ([100], "100 samples, but the training split of tasks.tiny_k1 has 99"),
        (["all", "all"], "['all', 'all']; expected each only once"),
        (50, "50; expected array"),
    ],
    "study.seeds": [
        ([], "[]; expected at least 1 of them"),
        ([-1], "study.seeds.0", "-1; expected at least 0"),
        ([2**32], "study.seeds.0", "4294967296; expected at most 4294967295"),
        ([0, 0], "[0, 0]; expected each only once"),
        ([1.0], "study.seeds.0", "1.0; expected integer"),
        ([True], "study.seeds.0", "True; expected integer"),
    ],
    "study.figures": [
        ([], "[]; expected at least 1 of them: Names of the figures"),
        (None, "None; expected array"),
        ([3], "study.figures.0", "3; expected string"),
        (["acuracy"], "unknown name 'acuracy'; allowed: "),
        (["accuracy", "accuracy"], "['accuracy', 'accuracy']; expected each only once"),
        (["chapter_loss"], "'chapter_loss' shows the chapters; it needs study.chapter: true"),
    ],
    "study.chapter": [("yes", "'yes'; expected boolean"), (1, "1; expected boolean")],
    # rollout and audit
    "rollout.steps": [
        (0, "0; expected at least 1"),
        (10**12, "1000000000000; expected at most 1000000"),
        (61, "61, but the test split of tasks.tiny_k1 has only 60 samples; take fewer steps"),
        (None, "None; expected integer"),
    ],
    "rollout.starts": [(0, "0; expected at least 1"), (2.5, "2.5; expected integer")],
    "audit.samples": [
        (0, "0; expected at least 1"),
        (10**9, "1000000000; expected at most 100000"),
    ],
    "audit.elements": [
        (-2, "-2; expected at least 1"),
        (10**9, "1000000000; expected at most 100000"),
    ],
    "audit.sizes": [
        ("large", "unknown value 'large'; allowed: all, largest. Did you mean 'largest'?"),
        (50, "unknown value 50; allowed: all, largest"),
    ],
    "audit.strict": [("yes", "'yes'; expected boolean"), (None, "None; expected boolean")],
}

# What only the data tell: the alignment (a job on four points, 60 frames of them in the training
# split), the task's changes, and what the job says.
IN_THE_FIRST_JOB = {
    "a point beyond the points": (
        {"frames": "gram_schmidt", "options": {"points": [0, 1, 4]}},
        {},
        "alignment gram_schmidt: points: (0, 1, 4), but the data have 4 points; choose indices "
        "from 0 to 3",
    ),
    "a reference beyond the training split": (
        {"frames": "kabsch_reference", "options": {"frame": 60}},
        {},
        "alignment kabsch_reference: frame: 60, but the training split has 59 frames; choose one "
        "from 0 to 58",
    ),
    "a history longer than the training split": (
        {"frames": "none", "options": {}},
        {"history": 61},
        "split: train = 60 leaves no sample of 61 frames in 100 frames",
    ),
    "a split larger than the data": (
        {"frames": "none", "options": {}},
        {"split": {"train": 90, "validation": 20, "test": 20}},
        "split: train 90 + validation 20 + test 20 = 130 samples, but the data have 99",
    ),
    "more episodes than there are": (
        {"frames": "none", "options": {}},
        {"split": {"by": "episode", "train": 1, "validation": 1, "test": 1}},
        "split: train 1 + validation 1 + test 1 = 3 episodes, but the data have 1",
    ),
}
