# Figures, each by the file in figures/ that has its name. Needs: the tables. Makes: <results>/figures/{name}.svg, .png and
# .json (title, caption, and the finding computed from the data). One job draws them all, because what they import takes
# longer than a figure; those that are there, and are as the tables have it, are not drawn again.

RUN_TABLES = ["metrics", "summary", "audit", "probes", "controls", "rollout", "physics", "history"]
ROUTE_TABLES = ["routes", "data_factors", "power_laws"]
DATA_TABLES = ["floor", "splits", "sources", "worst", "isotropy", "published"]
TABLES = [*RUN_TABLES, *ROUTE_TABLES, *DATA_TABLES, "alignment", "perturbation", "eigengap"]
FIGURE_INPUTS = {name: f"<results>/tables/{name}.csv" for name in TABLES} | {
    "examples": "<results>/tables/examples.h5",
    "lifted": "<results>/data/paths/lifted.h5",
    "baseline": "<results>/chapter/baseline.npz",
    "network": "<results>/chapter/network.npz",
    "chapter_table": "<results>/tables/chapter.csv",
    "ladder": "<results>/tables/invariance_ladder.csv",
}
CHAPTER_TABLES = (
    expand("<results>/tables/{name}.csv", name=["chapter", "invariance_ladder"]) if STUDY.get("chapter") else []
)
FIGURES = STUDY.get(
    "figures",
    [name for name in figures.names() if STUDY.get("chapter") or not name.startswith("chapter_")],
)

# Figures whose files the call names are drawn alone. Jobs of a cluster have another call.
NAMED = "EQUITRAJ_FIGURES"
if workflow.is_main_process:
    os.environ[NAMED] = " ".join(jobs.named_figures(sys.argv[1:]))
DRAWN = [name for name in os.environ.get(NAMED, "").split() if name in figures.names()] or FIGURES


rule figures:
    """Draw all figures of the study from its tables; --forcerun figures draws them anew."""
    input:
        **{key: FIGURE_INPUTS[key] for key in sorted({key for name in DRAWN for key in figures.read_by(name)})},
        script=script("figure.py"),
    output:
        svg=[
            update(
                report(
                    f"<results>/figures/{name}.svg",
                    caption="../report/figure.rst",
                    category="Figures",
                    labels={"figure": name.replace("_", " ")},
                )
            )
            for name in DRAWN
        ],
        others=[update(f"<results>/figures/{name}.{suffix}") for name in DRAWN for suffix in ("png", "json")],
    log:
        "<logs>/figures.log",
    benchmark:
        "<benchmarks>/figures.tsv"
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("<logs>/figures.log", 2000),
        runtime=minutes(15),
    params:
        codes=[f"{name}={code('figure.py', f'report/figures/{name}.py')}" for name in DRAWN],
        captions=jobs.digest({name: figures.caption(name) for name in DRAWN}),
        forced=forced,
        folder=lambda wildcards, output: Path(output.svg[0]).parent,
        pairs=input_pairs,
        n_figures=len(DRAWN),
    message:
        "Drawing {params.n_figures} figures"
    shell:
        "python {input.script:q} --codes {params.codes:q} --forced {params.forced:q} --input {params.pairs:q} "
        "--folder {params.folder:q} 2> {log:q}"


rule tables:
    """Make all tables of the study, and stop there."""
    input:
        tables=expand("<results>/tables/{name}.csv", name=TABLES),
        chapter=CHAPTER_TABLES,


# The film shows how frames of reference turn: alignments of the study whose axes turn, one frame at a time. Of many, the
# first of these and then others, three in all.
FILMED_FIRST = ["vector01", "principal_axes_signed", "kabsch_reference"]
NOT_FILMED = {
    *("none", "centre_of_mass", "point0"),  # their axes stay
    *("frame_averaging", "weighted_frames", "haar_averaging", "stochastic_frame_averaging"),  # several, or drawn
}
FILMED = sorted(
    (
        a
        for a in ALIGNMENTS
        if (file := alignment_spec(a)["frames"]) not in NOT_FILMED and not registry.is_learned(file)
    ),
    key=lambda alignment: (alignment not in FILMED_FIRST, alignment),
)[:3]


rule film:
    input:
        script=script("film.py"),
        trajectory=f"<results>/data/{config['tasks'][STUDY['tasks'][0]]['source']}/lifted.h5",
        aligned=expand("<results>/aligned/{task}/{alignment}.h5", task=STUDY["tasks"][0], alignment=FILMED),
    output:
        film=report(
            "<results>/figures/film.gif",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "film"},
        ),
        text="<results>/figures/film.json",
    log:
        "<logs>/figures/film.log",
    benchmark:
        "<benchmarks>/figures/film.tsv"
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("<logs>/figures/film.log", 1500),
        runtime=minutes(15),
    params:
        code=code("film.py"),
        aligned=lambda wildcards, input: [f"{Path(path).stem}={path}" for path in input.aligned],
        caption="One trajectory as recorded and in three alignments, with the jumps of their frames.",
    message:
        "Filming a trajectory in several frames"
    shell:
        "python {input.script:q} --trajectory {input.trajectory:q} --aligned {params.aligned:q} "
        "--output {output.film:q} 2> {log:q}"
