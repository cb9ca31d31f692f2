# The floor: the error that nobody can get below. Needs: lifted trajectories of the study's sources; those that were simulated
# are simulated again from their test states. Makes: <results>/tables/floor.csv, a row per task.


rule floor:
    input:
        script=script("floor.py"),
        tasks=setting("tasks"),
        trajectories=expand("<results>/data/{source}/lifted.h5", source=STUDY_SOURCES),
    output:
        report(
            "<results>/tables/floor.csv",
            caption="../report/table.rst",
            category="Tables",
        ),
    log:
        "<logs>/floor.log",
    benchmark:
        "<benchmarks>/floor.tsv"
    group:
        "report"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("<logs>/floor.log", 1500),
        runtime=minutes(15),
    params:
        code=code("floor.py", *sorted({file for name in STUDY_SOURCES for file in system_files(name)})),
        n_tasks=len(STUDY["tasks"]),
        caption="The test error that is irreducible, by simulating again from the test states of simulated data.",
    message:
        "Simulating again from the test states, for the floor of {params.n_tasks} tasks"
    shell:
        "python {input.script:q} --tasks {input.tasks:q} --trajectories {input.trajectories:q} --output {output:q} 2> {log:q}"
