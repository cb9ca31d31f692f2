# Figures: one rule each, named after the file in figures/ that draws it. Needs: the tables. Makes:
# <results>/figures/{name}.svg, .png and .json (title, caption, and the finding computed from the data).

from equitraj.report import figures

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
FIGURES = STUDY.get(
    "figures",
    [name for name in figures.names() if STUDY.get("chapter") or not name.startswith("chapter_")],
)

for figure in figures.names():

    rule:
        name:
            f"figure_{figure}"
        input:
            **{key: FIGURE_INPUTS[key] for key in figures.read_by(figure)},
            script=script("figure.py"),
        output:
            svg=report(
                f"<results>/figures/{figure}.svg",
                caption="../report/figure.rst",
                category="Figures",
                labels={"figure": figure.replace("_", " ")},
            ),
            png=f"<results>/figures/{figure}.png",
            text=f"<results>/figures/{figure}.json",
        log:
            f"<logs>/figures/{figure}.log",
        benchmark:
            f"<benchmarks>/figures/{figure}.tsv"
        group:
            "report"
        conda:
            "../../envs/report.yaml"
        params:
            code=code("figure.py", f"report/figures/{figure}.py"),
            name=figure,
            pairs=input_pairs,
            caption=figures.caption(figure),
        message:
            f"Drawing {figure}"
        shell:
            "python {input.script:q} {params.name} --input {params.pairs:q} --output {output.svg:q} 2> {log:q}"


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
    params:
        code=code("film.py"),
        aligned=lambda wildcards, input: [f"{Path(path).stem}={path}" for path in input.aligned],
        caption="One trajectory as recorded and in three alignments, with the jumps of their frames.",
    message:
        "Filming a trajectory in several frames"
    shell:
        "python {input.script:q} --trajectory {input.trajectory:q} --aligned {params.aligned:q} "
        "--output {output.film:q} 2> {log:q}"
