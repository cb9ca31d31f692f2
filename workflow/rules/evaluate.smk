# Evaluation. Needs: the runs of a method on a task and the lifted trajectory. Makes: metrics.json, predictions.h5, rollout.csv,
# rollout.h5 and physics.csv in each run folder, and the tables of the whole study.


EVALUATE_LOG = f"<logs>/evaluate/{BATCH}.log"


rule evaluate:
    input:
        script=script("evaluate.py"),
        trajectory=lifted,
        trained=done("trained"),
        changed=changed("trained"),
    output:
        record=batch_record("evaluated"),  # first: by it later steps ask for all
        files=update(batch_files("evaluated")),
    log:
        EVALUATE_LOG,
    benchmark:
        f"<benchmarks>/evaluate/{BATCH}.tsv"
    group:
        "runs"
    conda:
        environment_of_method
    resources:
        mem_mb=memory(EVALUATE_LOG, 2000),
        runtime=minutes(15),
    params:
        code=method_code("evaluate.py", task_system),
        folders=run_folders("evaluated"),
        forced=forced,
        steps=lookup(within=config, dpath="rollout/steps"),
        starts=lookup(within=config, dpath="rollout/starts"),
    message:
        f"Evaluating {{wildcards.method}} on {{wildcards.task}}{OF_SIZE}"
    shell:
        "NPROC={threads} python {input.script:q} --trajectory {input.trajectory:q} --runs {params.folders:q} "
        "--rollout-steps {params.steps} --rollout-starts {params.starts} --code {params.code} "
        "--forced {params.forced:q} --record {output.record:q} 2> {log:q}"


rule collect:
    input:
        script=script("collect.py"),
        trained=all_done("trained"),
        evaluated=all_done("evaluated"),
        audited=all_done("audited", AUDITED_PLAN),
        plan=setting("plan"),
        trajectories=expand("<results>/data/{source}/lifted.h5", source=STUDY_SOURCES),
    output:
        report(
            expand(
                "<results>/tables/{table}.csv",
                table=[
                    *("metrics", "summary", "audit", "probes", "controls", "rollout", "physics", "history"),
                    *("splits", "blocks", "worst", "sources"),
                ],
            ),
            caption="../report/table.rst",
            category="Tables",
        ),
        examples="<results>/tables/examples.h5",
        rollouts="<results>/tables/rollouts.h5",
    log:
        "<logs>/collect.log",
    benchmark:
        "<benchmarks>/collect.tsv"
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("<logs>/collect.log", 3000),
        runtime=minutes(15),
    params:
        code=code("collect.py"),
        runs=runs_folder,
        sizes=config["audit"].get("sizes", "all"),
        n_runs=len(plan.batches(PLAN)) * len(SEEDS),
        tables=lambda wildcards, output: Path(output[0]).parent,
        caption="Collected from the records of all runs of the study.",
    message:
        "Collecting the tables of {params.n_runs} runs"
    shell:
        "python {input.script:q} --runs {params.runs:q} --plan {input.plan:q} --audited {params.sizes} "
        "--trajectories {input.trajectories:q} "
        "--output {params.tables:q} 2> {log:q}"


rule routes:
    input:
        script=script("routes.py"),
        blocks="<results>/tables/blocks.csv",
        splits="<results>/tables/splits.csv",
        routes=setting("routes"),
    output:
        report(
            expand("<results>/tables/{table}.csv", table=["routes", "data_factors", "power_laws"]),
            caption="../report/table.rst",
            category="Tables",
        ),
    log:
        "<logs>/routes.log",
    benchmark:
        "<benchmarks>/routes.tsv"
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("<logs>/routes.log", 1500),
        runtime=minutes(15),
    params:
        code=code("routes.py"),
        tables=lambda wildcards, output: Path(output[0]).parent,
        caption="Each route to symmetry against the same model without it.",
    message:
        "Comparing routes to symmetry with the same models without them"
    shell:
        "python {input.script:q} --blocks {input.blocks:q} --splits {input.splits:q} --routes {input.routes:q} "
        "--output {params.tables:q} 2> {log:q}"
