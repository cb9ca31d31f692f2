# The symmetry audit. Needs: the runs of a method on a task and the lifted trajectory. Makes: audit.csv in each run folder.


rule audit_numpy:
    input:
        script=script("audit.py"),
        code=code("audit.py"),
        method=method_code,
        trajectory=lifted,
        runs=batch_files("run.json", "model.safetensors"),
    output:
        batch_files("audit.csv"),
    log:
        "<logs>/audit/{task}/{method}/n{size}.log",
    benchmark:
        "<benchmarks>/audit/{task}/{method}/n{size}.tsv"
    wildcard_constraints:
        method=methods_of_framework("numpy"),
    group:
        "runs"
    conda:
        "../../envs/data.yaml"
    params:
        folders=run_folders,
        samples=lookup(within=config, dpath="audit/samples"),
        elements=lookup(within=config, dpath="audit/elements"),
    message:
        "Auditing the symmetry of {wildcards.method} on {wildcards.task} (n={wildcards.size})"
    shell:
        "NPROC={threads} python {input.script:q} --trajectory {input.trajectory:q} --runs {params.folders:q} "
        "--samples {params.samples} --elements {params.elements} 2> {log:q}"


use rule audit_numpy as audit_jax with:
    wildcard_constraints:
        method=methods_of_framework("jax"),
    conda:
        "../../envs/jax.yaml"


use rule audit_numpy as audit_torch with:
    wildcard_constraints:
        method=methods_of_framework("torch"),
    conda:
        "../../envs/torch.yaml"
