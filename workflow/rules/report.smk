# The report. Needs: every table and figure of the study. Makes: <reports>/report.html, one file that opens anywhere.


rule setting:
    input:
        script=script("setting.py"),
    output:
        part="<results>/{setting}.json",
    log:
        "<logs>/setting/{setting}.log",
    benchmark:
        "<benchmarks>/setting/{setting}.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code("setting.py"),
        part=lambda wildcards: jobs.digest(SETTINGS[wildcards.setting]),
        # Taking `input` makes it a derived parameter: it is not compared, as the whole of which `part` is one.
        given=lambda wildcards, input: GIVEN,
    message:
        "Writing down the {wildcards.setting} of the study"
    shell:
        "python {input.script:q} --settings {params.given:q} --part {wildcards.setting} --output {output.part:q} 2> {log:q}"


rule published:
    input:
        script=script("published.py"),
        published=setting("published"),
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
        caption="Errors that others published, with their sources.",
    message:
        "Writing down what others published"
    shell:
        "python {input.script:q} --published {input.published:q} --output {output.table:q} 2> {log:q}"


rule report:
    """Write the report, with all that it needs."""
    input:
        script=script("report.py"),
        template=[local(relative(path)) for path in sorted((SCRIPTS.parent / "report").glob("report.*"))],
        config=setting("config"),
        plan=setting("plan"),
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
    resources:
        mem_mb=memory("<logs>/report.log", 2000),
        runtime=minutes(15),
    params:
        code=code("report.py"),
        tables=lambda wildcards, input: Path(input.tables[0]).parent,
        figures=lambda wildcards, input: Path(input.figures[0]).parent,
        benchmarks=workflow.pathvars.apply("<benchmarks>"),
        runs=workflow.pathvars.apply("<results>/runs"),
        film=lambda wildcards, input: ["--film", input.film[0]] if input.film else [],
        show=FIGURES,
    message:
        "Writing the report"
    shell:
        "python {input.script:q} --tables {params.tables:q} --figures {params.figures:q} "
        "--config {input.config:q} --benchmarks {params.benchmarks:q} --runs {params.runs:q} "
        "{params.film:q} --show {params.show:q} --plan {input.plan:q} "
        "--output {output.html:q} 2> {log:q}"
