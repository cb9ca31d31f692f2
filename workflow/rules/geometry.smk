# Frames of reference. Needs: <results>/data/{source}/lifted.h5. Makes: <results>/aligned/{task}/{alignment}.h5, each frame
# of a trajectory in its own frame of reference, and the table of what an alignment does to a task's data.


rule align:
    input:
        script=script("align.py"),
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
    resources:
        mem_mb=memory("<logs>/align/{task}/{alignment}.log", 1500),
        runtime=minutes(15),
    params:
        code=lambda wildcards: code("align.py", alignment_file(wildcards.alignment)),
        task=task_json,
        alignment=lambda wildcards: as_json(alignment_spec(wildcards.alignment)),
    message:
        "Aligning {wildcards.task} by {wildcards.alignment}"
    shell:
        "python {input.script:q} --trajectory {input.trajectory:q} --task {params.task:q} "
        "--name {wildcards.alignment} --alignment {params.alignment:q} --output {output.aligned:q} 2> {log:q}"


rule diagnose_alignments:
    input:
        script=script("diagnose.py"),
        tasks=setting("tasks"),
        alignments=setting("alignments"),
        aligned=expand(
            "<results>/aligned/{task}/{alignment}.h5",
            task=STUDY["tasks"],
            alignment=ALIGNMENTS,
        ),
        trajectories=expand("<results>/data/{source}/lifted.h5", source=STUDY_SOURCES),
    output:
        report(
            expand(
                "<results>/tables/{table}.csv",
                table=["alignment", "perturbation", "eigengap", "isotropy"],
            ),
            caption="../report/table.rst",
            category="Tables",
        ),
    log:
        "<logs>/diagnose_alignments.log",
    benchmark:
        "<benchmarks>/diagnose_alignments.tsv"
    group:
        "report"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("<logs>/diagnose_alignments.log", 1500),
        runtime=minutes(15),
    params:
        code=code("diagnose.py", *map(alignment_file, ALIGNMENTS)),
        # below which they lie as TASK/ALIGNMENT.h5
        folder=lambda wildcards, input: Path(input.aligned[0]).parents[1],
        tables=lambda wildcards, output: Path(output[0]).parent,
        caption="What each alignment does to the data of each task.",
    message:
        "Measuring what each alignment does to the data"
    shell:
        "python {input.script:q} --tasks {input.tasks:q} --alignments {input.alignments:q} "
        "--aligned {params.folder:q} --trajectories {input.trajectories:q} --output {params.tables:q} 2> {log:q}"
