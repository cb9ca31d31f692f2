# The report. Needs: every table and figure of the study. Makes: <reports>/report.html, one file that opens anywhere.

CHAPTER_TABLES = (
    expand("<results>/tables/{name}.csv", name=["chapter", "invariance_ladder"]) if STUDY.get("chapter") else []
)


rule resolve_config:
    input:
        script=script("resolve_config.py"),
    output:
        config="<results>/config.json",
    log:
        "<logs>/resolve_config.log",
    benchmark:
        "<benchmarks>/resolve_config.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code("resolve_config.py"),
        config=as_json({k: v for k, v in config.items() if k != "mirror"}),
    message:
        "Writing down the configuration of the study"
    shell:
        "python {input.script:q} --config {params.config:q} --output {output.config:q} 2> {log:q}"


rule published:
    input:
        script=script("published.py"),
    output:
        table=report("<results>/tables/published.csv", caption="../report/table.rst", category="Tables"),
    log:
        "<logs>/published.log",
    benchmark:
        "<benchmarks>/published.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code("published.py"),
        published=as_json({t: rows for t, rows in config.get("published", {}).items() if t in STUDY["tasks"]}),
        caption="Errors that others published, with their sources.",
    message:
        "Writing down what others published"
    shell:
        "python {input.script:q} --published {params.published:q} --output {output.table:q} 2> {log:q}"


rule report:
    input:
        script=script("report.py"),
        template=[local(relative(path)) for path in sorted((SCRIPTS.parent / "report").glob("report.*"))],
        config="<results>/config.json",
        tables=expand("<results>/tables/{name}.csv", name=TABLES),
        chapter=CHAPTER_TABLES,
        figures=expand("<results>/figures/{name}.{suffix}", name=FIGURES, suffix=["svg", "json"]),
        film=rules.film.output if FILMED else [],
        rollouts="<results>/tables/rollouts.h5",
        vendor=[local(relative(path)) for path in sorted((SCRIPTS.parent / "report/vendor").iterdir())],
    output:
        html="<reports>/report.html",
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("report.py"),
        study=as_json(STUDY),
        tables=lambda wildcards, input: Path(input.tables[0]).parent,
        figures=lambda wildcards, input: Path(input.figures[0]).parent,
        benchmarks=workflow.pathvars.apply("<benchmarks>"),
        runs=workflow.pathvars.apply("<results>/runs"),
        film=lambda wildcards, input: ["--film", input.film[0]] if input.film else [],
        show=FIGURES,
        plan=as_json(PLAN),
    message:
        "Writing the report"
    shell:
        "python {input.script:q} --study {params.study:q} --tables {params.tables:q} --figures {params.figures:q} "
        "--config {input.config:q} --benchmarks {params.benchmarks:q} --runs {params.runs:q} "
        "{params.film:q} --show {params.show:q} --plan {params.plan:q} "
        "--output {output.html:q} 2> {log:q}"
