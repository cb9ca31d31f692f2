# Frames of reference. Needs: <results>/data/{source}/lifted.h5. Makes: <results>/aligned/{task}/{alignment}.h5, each frame
# of a trajectory in its own frame of reference, and the table of what an alignment does to a task's data.


rule align:
    input:
        script=script("align.py"),
        code=code("align.py"),
        alignment=lambda wildcards: code(f"alignments/{wildcards.alignment}.py"),
        trajectory=lifted,
    output:
        aligned="<results>/aligned/{task}/{alignment}.h5",
    log:
        "<logs>/align/{task}/{alignment}.log",
    benchmark:
        "<benchmarks>/align/{task}/{alignment}.tsv"
    group:
        "data"
    conda:
        "../../envs/data.yaml"
    params:
        task=task_json,
    message:
        "Aligning {wildcards.task} by {wildcards.alignment}"
    shell:
        "python {input.script:q} --trajectory {input.trajectory:q} --task {params.task:q} "
        "--alignment {wildcards.alignment} --output {output.aligned:q} 2> {log:q}"


rule diagnose_alignments:
    input:
        script=script("diagnose.py"),
        code=code("diagnose.py", *[f"alignments/{name}.py" for name in ALIGNMENTS]),
        aligned=expand(
            "<results>/aligned/{task}/{alignment}.h5",
            task=STUDY["tasks"],
            alignment=ALIGNMENTS,
        ),
        trajectories=expand("<results>/data/{source}/lifted.h5", source=STUDY_SOURCES),
    output:
        table=report(
            "<results>/tables/alignment.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "alignment"},
        ),
    log:
        "<logs>/diagnose_alignments.log",
    benchmark:
        "<benchmarks>/diagnose_alignments.tsv"
    group:
        "report"
    conda:
        "../../envs/data.yaml"
    params:
        tasks=as_json({t: config["tasks"][t]["source"] for t in STUDY["tasks"]}),
        caption="What each alignment does to the data of each task.",
    message:
        "Measuring what each alignment does to the data"
    shell:
        "python {input.script:q} --tasks {params.tasks:q} --aligned {input.aligned:q} "
        "--trajectories {input.trajectories:q} --output {output.table:q} 2> {log:q}"
