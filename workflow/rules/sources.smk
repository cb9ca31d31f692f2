# Where trajectories come from. Needs: config["sources"], one entry each. Makes: <results>/data/{source}/raw.h5 as the
# source has it, by one rule per kind of source, and <results>/data/{source}/lifted.h5 in three dimensions.


rule fetch:
    input:
        script=script("fetch.py"),
    output:
        trajectory="<results>/data/{source}/raw.h5",
    log:
        "<logs>/fetch/{source}.log",
    benchmark:
        "<benchmarks>/fetch/{source}.tsv"
    wildcard_constraints:
        source=sources_of_kind("download"),
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        code=fetching_code,
        source=source_json,
        # Taking `input` makes it a derived parameter: it is not compared, so that another mirror fetches nothing again.
        mirror=lambda wildcards, input: config.get("mirror") or "",
    message:
        "Fetching {wildcards.source}"
    shell:
        "python {input.script:q} --source {params.source:q} --mirror={params.mirror:q} "
        "--output {output.trajectory:q} 2> {log:q}"


rule read_file:
    input:
        script=script("fetch.py"),
        own=own_files,
    output:
        trajectory="<results>/data/{source}/raw.h5",
    log:
        "<logs>/read_file/{source}.log",
    benchmark:
        "<benchmarks>/read_file/{source}.tsv"
    wildcard_constraints:
        source=sources_of_kind("file"),
    group:
        "data"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("<logs>/read_file/{source}.log", 1500),
        runtime=minutes(15),
    params:
        code=fetching_code,
        source=file_source_json,
        others=files_of_odd_names,
    message:
        "Reading the file of {wildcards.source}"
    shell:
        "python {input.script:q} --source {params.source:q} --output {output.trajectory:q} 2> {log:q}"


rule simulate:
    input:
        script=script("simulate.py"),
    output:
        trajectory="<results>/data/{source}/raw.h5",
    log:
        "<logs>/simulate/{source}.log",
    benchmark:
        "<benchmarks>/simulate/{source}.tsv"
    wildcard_constraints:
        source=sources_of_kind("simulate"),
    group:
        "data"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("<logs>/simulate/{source}.log", 1500),
        runtime=minutes(60),
    params:
        code=simulation_code,
        source=source_json,
    message:
        "Simulating {wildcards.source}"
    shell:
        "python {input.script:q} --source {params.source:q} --output {output.trajectory:q} 2> {log:q}"


rule lift:
    input:
        script=script("lift.py"),
        trajectory="<results>/data/{source}/raw.h5",
    output:
        trajectory="<results>/data/{source}/lifted.h5",
    log:
        "<logs>/lift/{source}.log",
    benchmark:
        "<benchmarks>/lift/{source}.tsv"
    group:
        "data"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("<logs>/lift/{source}.log", 1500),
        runtime=minutes(15),
    params:
        code=code("lift.py"),
        source=source_json,
    message:
        "Lifting {wildcards.source} to three dimensions"
    shell:
        "python {input.script:q} --input {input.trajectory:q} --source {params.source:q} "
        "--output {output.trajectory:q} 2> {log:q}"
