# Figures: one rule each, named after the file in figures/ that draws it. Needs: the tables. Makes:
# <results>/figures/{name}.svg, .png and .json (title, caption, and the finding computed from the data).

from equitraj import figures

TABLES = ["metrics", "summary", "audit", "rollout", "history", "alignment"]
FIGURE_INPUTS = {name: f"<results>/tables/{name}.csv" for name in TABLES} | {
    "examples": "<results>/tables/examples.h5",
    "lifted": "<results>/data/paths/lifted.h5",
    "baseline": "<results>/chapter/baseline.npz",
    "network": "<results>/chapter/network.npz",
    "chapter_table": "<results>/tables/chapter.csv",
    "ladder": "<results>/tables/invariance_ladder.csv",
}
FIGURES = [name for name in figures.names() if STUDY.get("chapter") or not name.startswith("chapter_")]

for figure in figures.names():

    rule:
        name:
            f"figure_{figure}"
        input:
            **{key: FIGURE_INPUTS[key] for key in figures.inputs(figure)},
            script=script("figure.py"),
            code=code("figure.py", f"figures/{figure}.py"),
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
            name=figure,
            pairs=input_pairs,
            caption=figures.caption(figure),
        message:
            f"Drawing {figure}"
        shell:
            "python {input.script:q} {params.name} --input {params.pairs:q} --output {output.svg:q} 2> {log:q}"
