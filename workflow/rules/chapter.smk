# The two textbook chapters, number by number. Needs: <results>/data/paths/lifted.h5, the chapters' trajectory. Makes: the
# arrays of both models of the trajectory chapter, the table of printed, reproduced and corrected numbers, and the table
# of the untrained butane models.


rule chapter_baseline:
    input:
        script=script("chapter.py"),
        trajectory="<results>/data/paths/lifted.h5",
    output:
        arrays="<results>/chapter/baseline.npz",
    log:
        "<logs>/chapter/baseline.log",
    benchmark:
        "<benchmarks>/chapter/baseline.tsv"
    conda:
        "../../envs/jax.yaml"
    resources:
        mem_mb=memory("<logs>/chapter/baseline.log", 1500),
        runtime=minutes(30),
    params:
        code=code("chapter/baseline.py"),
        command=library_code.syntax_digest(SCRIPTS / "chapter.py"),
    message:
        "Training the chapter's linear baseline as printed"
    shell:
        "python {input.script:q} baseline --input {input.trajectory:q} --output {output.arrays:q} 2> {log:q}"


rule chapter_network:
    input:
        script=script("chapter.py"),
        trajectory="<results>/data/paths/lifted.h5",
    output:
        arrays="<results>/chapter/network.npz",
    log:
        "<logs>/chapter/network.log",
    benchmark:
        "<benchmarks>/chapter/network.tsv"
    priority: 100  # the longest job of the study starts first
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=memory("<logs>/chapter/network.log", 4000),
        runtime=minutes(120),
    params:
        code=code("chapter/network.py"),
        command=library_code.syntax_digest(SCRIPTS / "chapter.py"),
        epochs=16,
        seed=0,
    message:
        "Training the chapter's e3nn network as printed, 16 epochs in batches of one frame"
    shell:
        "python {input.script:q} network --input {input.trajectory:q} --output {output.arrays:q} "
        "--epochs {params.epochs} --seed {params.seed} 2> {log:q}"


rule chapter_ladder:
    input:
        script=script("chapter.py"),
    output:
        table="<results>/tables/invariance_ladder.csv",
    log:
        "<logs>/chapter/ladder.log",
    benchmark:
        "<benchmarks>/chapter/ladder.tsv"
    group:
        "report"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("<logs>/chapter/ladder.log", 1500),
        runtime=minutes(15),
    params:
        code=code("chapter/ladder.py"),
        command=library_code.syntax_digest(SCRIPTS / "chapter.py"),
    message:
        "Measuring the invariances of the chapter's butane models"
    shell:
        "python {input.script:q} ladder --output {output.table:q} 2> {log:q}"


rule chapter_table:
    input:
        script=script("chapter.py"),
        trajectory="<results>/data/paths/lifted.h5",
        baseline="<results>/chapter/baseline.npz",
        network="<results>/chapter/network.npz",
    output:
        table="<results>/tables/chapter.csv",
    log:
        "<logs>/chapter/table.log",
    benchmark:
        "<benchmarks>/chapter/table.tsv"
    group:
        "report"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("<logs>/chapter/table.log", 1500),
        runtime=minutes(15),
    params:
        code=code("chapter/table.py"),
        command=library_code.syntax_digest(SCRIPTS / "chapter.py"),
    message:
        "Setting the correct measurement beside each number of the chapters"
    shell:
        "python {input.script:q} table --input {input.trajectory:q} --baseline {input.baseline:q} "
        "--network {input.network:q} --output {output.table:q} 2> {log:q}"
