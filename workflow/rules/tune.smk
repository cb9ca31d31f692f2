# Searches for hyperparameters. Needs: the lifted trajectory of a task and the aligned one of a method. Makes:
# <results>/tuning/{search}/ with trials.csv and best.yaml, a method that a study can use, and <results>/tables/trials.csv,
# all searches together. Trials are kept in journal.log beside them, from which a search that was killed goes on.


rule tune:
    input:
        script=script("tune.py"),
        trajectory=of_search(lifted),
        aligned=of_search(aligned),
    output:
        trials="<results>/tuning/{search}/trials.csv",
        best="<results>/tuning/{search}/best.yaml",
    log:
        "<logs>/tune/{search}.log",
    benchmark:
        "<benchmarks>/tune/{search}.tsv"
    wildcard_constraints:
        search=pattern(SEARCHES),
    conda:
        "../../envs/tune.yaml"
    resources:
        gpu=gpus_of_search,
        mem_mb=memory("<logs>/tune/{search}.log", 4000),
        runtime=minutes(480),
    params:
        code=of_search(method_code("tune.py")),
        task=of_search(task_json),
        method=of_search(method_json),
        search=search_json,
        journal="<results>/tuning/{search}/journal.log",
        # Taking `input` makes it a derived parameter: it is not compared, so that another device searches nothing anew.
        device=lambda wildcards, input: config["device"],
    message:
        "Searching hyperparameters: {wildcards.search}"
    shell:
        "NPROC={threads} python {input.script:q} --name {wildcards.search} --search {params.search:q} --task {params.task:q} "
        "--method {params.method:q} --trajectory {input.trajectory:q} --aligned {input.aligned:q} --device {params.device} "
        "--journal {params.journal:q} --trials {output.trials:q} --best {output.best:q} 2> {log:q}"


rule all_trials:
    input:
        script=script("join.py"),
        tables=collect("<results>/tuning/{search}/trials.csv", search=sorted(SEARCHES)),
    output:
        table=report("<results>/tables/trials.csv", caption="../report/table.rst", category="Tables"),
    log:
        "<logs>/trials.log",
    benchmark:
        "<benchmarks>/trials.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code("join.py"),
        caption="All trials of all searches.",
    message:
        "Collecting the trials of all searches"
    shell:
        "python {input.script:q} --tables {input.tables:q} --output {output.table:q} 2> {log:q}"
