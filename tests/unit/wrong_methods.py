"""Wrong alignments and methods, for wrong_configurations.py: key, value, and what the message says
after the key."""

NAN, INFINITY = float("nan"), float("inf")

WRONG_METHODS = {
    # alignments
    "alignments.some.frames": [
        ("gram_schmid", "unknown name 'gram_schmid'; allowed: "),
        (3, "3; expected string"),
    ],
    "alignments.point0": [
        ({"frames": "none"}, "this is the name of a file in alignments/; choose another name")
    ],
    "alignments.some.options": [
        ({"point": [0, 1]}, "unknown name 'point'; allowed: points. Did you mean 'points'?")
    ],
    "alignments.some.options.points": [
        (
            [0, 6, 12],
            "alignments.some",
            "points [0, 6, 12], but source 'tiny' of tasks.tiny_k1 has 12 points",
        ),
        ([0, -1], "[0, -1]; expected list, 2 to 3 different indices of points, counted from 0"),
        ([0, 0, 1], "[0, 0, 1]; expected list, 2 to 3 different indices"),
        ([0], "[0]; expected list, 2 to 3 different indices"),
        ([0, 1, 2, 3], "[0, 1, 2, 3]; expected list, 2 to 3 different indices"),
        ([0, 1.0], "[0, 1.0]; expected list, 2 to 3 different indices"),
        ([False, True], "[False, True]; expected list, 2 to 3 different indices"),
        ([0, "1"], "[0, '1']; expected list, 2 to 3 different indices"),
        ([[0], [1]], "[[0], [1]]; expected list, 2 to 3 different indices"),
        (3, "3; expected list, as in (0, 1, 2)"),
    ],
    "alignments.random.options.rotations": [
        (0, "0; expected int, 1 to 10000"),
        (10**9, "1000000000; expected int, 1 to 10000"),
        (True, "True; expected int, as in 8"),
    ],
    "alignments.frame.options.frame": [
        (-1, "-1; expected int, at least 0"),
        ("first", "'first'; expected int, as in 0"),
    ],
    "alignments.learned.options.width": [(0, "0; expected int, 1 to 16384")],
    # methods
    "methods.mlp.model": [
        ("egn", "unknown name 'egn'; allowed: "),
        ("../mlp", "unknown name '../mlp'; allowed: "),
    ],
    "methods.mlp.alignment": [
        ("point_0", "unknown name 'point_0'; allowed: "),
        (None, "None; expected string"),
    ],
    "methods.sgd.alignment": [
        ("learned", "'learned' is trained by gradients together with the model, but 'linear_sgd'")
    ],
    "methods.sgd.training": [
        ({"epochs": 3}, "{'epochs': 3} has no effect on 'linear_sgd', which is fitted in")
    ],
    "methods.sgd.augmentation": [
        ("rotation", "'rotation' has no effect on 'linear_sgd', which is fitted in closed form")
    ],
    "methods.mlp.augmentation": [
        (
            "rotations",
            "unknown value 'rotations'; allowed: none, rotation, rotation_z. Did you mean 'rot",
        )
    ],
    "methods.mlp.options": [
        ({"widht": 3}, "unknown name 'widht'; allowed: width, depth. Did you mean 'width'?")
    ],
    "methods.mlp.options.width": [
        (0, "0; expected int, 1 to 16384"),
        (-4, "-4; expected int, 1 to 16384"),
        (10**9, "1000000000; expected int, 1 to 16384"),
        (True, "True; expected int, as in 128"),
        (12.0, "12.0; expected int, as in 128"),
        (None, "None; expected int, as in 128"),
    ],
    "methods.mlp.options.depth": [
        (-1, "-1; expected int, 0 to 64"),
        (INFINITY, "inf; expected a finite number"),
    ],
    "methods.egnn.options.layers": [(0, "0; expected int, 1 to 64")],
    "methods.egnn.options.max_radius": [(-1.0, "-1.0; expected float, at least 0")],
    "methods.egnn.options.identity": [
        (1, "1; expected bool, as in False"),
        ("no", "'no'; expected bool, as in False"),
    ],
    "methods.e3nn.options.lmax": [
        (40, "40; expected int, 1 to 11"),
        (-1, "-1; expected int, 1 to 11"),
    ],
    "methods.e3nn.options.layers": [(0, "0; expected int, 1 to 64")],
    "methods.e3nn.options.irreps_hidden": [
        ("nonsense", "'nonsense'; expected str, irreps of degrees up to 11, as in '5x0e"),
        ("", "''; expected str, irreps of degrees up to 11"),
        ("4x0e +", "'4x0e +'; expected str, irreps"),
        ("4x0e 4x1o", "'4x0e 4x1o'; expected str, irreps"),
        ("0x0e", "'0x0e'; expected str, irreps"),
        ("-4x1o", "'-4x1o'; expected str, irreps"),
        ("4x12o", "'4x12o'; expected str, irreps"),
        ("4x1g", "'4x1g'; expected str, irreps"),
    ],
    "methods.e3nn.options.max_radius": [(-1.0, "-1.0; expected float, at least 0")],
    "methods.e3nn.options.number_of_basis": [(0, "0; expected int, 1 to 1024")],
    "methods.sgd.options.learning_rate": [(0.0, "0.0; expected float, above 0")],
    "methods.mlp.training": [
        ({"epoch": 3}, "unknown name 'epoch'; allowed: epochs"),
        (None, "None; expected object"),
    ],
    "methods.mlp.training.epochs": [
        (-1, "-1; expected int, 0 to 1000000"),
        (10**12, "1000000000000; expected int, 0 to 1000000"),
        (True, "True; expected int, as in 100"),
    ],
    "methods.mlp.training.batch_size": [
        (0, "0; expected int, 1 to 1000000"),
        (-64, "-64; expected int, 1 to 1000000"),
    ],
    "methods.mlp.training.learning_rate": [
        (NAN, "nan; expected a finite number"),
        (INFINITY, "inf; expected a finite number"),
        (0, "0; expected float, above 0"),
        (-1e-3, "-0.001; expected float, above 0"),
        (
            "1e-3",
            "'1e-3'; expected float, as in 0.001; write 1.0e-3 for 1e-3, which YAML reads as text",
        ),
        (10**400, "expected a finite number"),
        (True, "True; expected float, as in 0.001"),
    ],
    "methods.mlp.training.warmup": [
        (5, "5; expected float, at least 0 and below 1"),
        (-0.1, "-0.1; expected float, at least 0 and below 1"),
    ],
    "methods.mlp.training.schedule": [
        ("linear", "unknown value 'linear'; allowed: cosine, constant"),
        (None, "unknown value None; allowed: cosine, constant"),
    ],
    "methods.mlp.training.weight_decay": [(-0.1, "-0.1; expected float, at least 0")],
    "methods.mlp.training.clip": [(0.0, "0.0; expected float, above 0")],
    "methods.mlp.training.huber": [(-1, "-1; expected float, at least 0")],
    "methods.mlp.training.symmetry_penalty": [(-1.0, "-1.0; expected float, at least 0")],
    "methods.mlp.training.copies": [
        (-1, "-1; expected int, 0 to 1024"),
        (2000, "2000; expected int, 0 to 1024"),
        (True, "True; expected int, as in 0"),
    ],
    "methods.mlp.training.pushforward": [
        (-1, "-1; expected int, 0 to 1024"),
        (0.5, "0.5; expected int, as in 0"),
    ],
    "methods.mlp": [
        (
            {"model": "mlp", "alignment": "random", "training": {"copies": 2}},
            "methods.mlp.training.copies",
            "2; 'haar_averaging' has several frames for each sample, and copies are for one; use "
            "augmentation",
        ),
        (
            {"model": "mlp", "alignment": "kabsch_mean", "training": {"pushforward": 2}},
            "methods.mlp.training.pushforward",
            "2, but 'kabsch_mean' turns each state anew; take alignment: centre_of_mass or none",
        ),
        (
            {"model": "e3nn_network", "training": {"pushforward": 2}},
            "methods.mlp.training.pushforward",
            "2, but 'e3nn_network' is trained by torch, which has no such option; take a model in "
            "JAX",
        ),
        (
            {"model": "egnn", "options": {"max_radius": 1.0}, "training": {"pushforward": 2}},
            "methods.mlp.training.pushforward",
            "2, but neighbour lists are those of the data; take all pairs of points",
        ),
        (
            {"model": "mlp", "training": {"pushforward": 2, "residual": "none"}},
            "methods.mlp.training.pushforward",
            "2, but residual: none leaves it open where a step begins; take another residual",
        ),
    ],
    "methods.egnn.against": [
        ("mlpp", "unknown name 'mlpp'; allowed: "),
        ("egnn", "'egnn' is the method itself; name the one without its symmetry"),
        (["mlp"], "expected string"),
    ],
    "methods.egnn.options.vertical": [(1, "1; expected bool, as in False")],
    "methods.mlp.training.ema": [
        (1.5, "1.5; expected float, at least 0 and below 1"),
        (1, "1; expected float, at least 0 and below 1"),
    ],
    "methods.mlp.training.patience": [(-1, "-1; expected int, 0 to 1000000")],
    "methods.mlp.training.residual": [
        ("velocty", "unknown value 'velocty'; allowed: auto, none, last, velocity")
    ],
    "methods.mlp.training.precision": [
        ("float16", "unknown value 'float16'; allowed: float32, float64"),
        (32, "unknown"),
    ],
    "methods.mlp.training.time_limit": [(-1, "-1; expected float, at least 0")],
    "methods.mlp.training.checkpoint_seconds": [(-30, "-30; expected float, at least 0")],
}
