# Training. Needs: the lifted and the aligned trajectory. Makes: <results>/runs/{task}/{method}/n{size}/seed{seed}/ with
# model.safetensors, run.json and history.csv. One job trains all sizes and seeds of a method on a task, so that a framework
# is imported and a network compiled once (with `batch: size` all seeds of one size); what is there already is kept. One rule
# per framework, with and without a GPU, because each needs other resources.

TRAIN_LOG = f"<logs>/train/{BATCH}.log"


rule train_numpy:
    input:
        script=script("train.py"),
        weights=weights,
        trajectory=lifted,
        aligned=aligned,
    output:
        record=batch_record("trained"),  # first: by it later steps ask for all
        files=update(batch_files("trained")),
    log:
        TRAIN_LOG,
    benchmark:
        f"<benchmarks>/train/{BATCH}.tsv"
    wildcard_constraints:
        method=methods_of_framework("numpy"),
    conda:
        environment("numpy")
    resources:
        mem_mb=memory(TRAIN_LOG, 1500),
        runtime=minutes(15),
    params:
        code=method_code("train.py"),
        task=task_json,
        method=method_json,
        sizes=sizes,
        seeds=seeds,
        forced=forced,
        folder=batch_folder,
        # Taking `input` makes it a derived parameter: it is not compared, so that another device retrains nothing.
        device=lambda wildcards, input: config["device"],
    message:
        f"Fitting {{wildcards.method}} on {{wildcards.task}}{OF_SIZE}"
    shell:
        "NPROC={threads} python {input.script:q} --task {params.task:q} --method {params.method:q} "
        "--sizes {params.sizes} --seeds {params.seeds} --trajectory {input.trajectory:q} --aligned {input.aligned:q} "
        "--device {params.device} --code {params.code} --forced {params.forced:q} --folder {params.folder:q} "
        "--record {output.record:q} 2> {log:q}"


use rule train_numpy as train_jax with:
    wildcard_constraints:
        method=methods_of_framework("jax", gpu=False),
    conda:
        environment("jax")
    resources:
        mem_mb=memory(TRAIN_LOG, 3000),
        runtime=minutes(60),
    message:
        f"Training {{wildcards.method}} on {{wildcards.task}}{OF_SIZE}"


use rule train_jax as train_jax_gpu with:
    wildcard_constraints:
        method=methods_of_framework("jax", gpu=True),
    resources:
        gpu=gpus,
        mem_mb=memory(TRAIN_LOG, 6000),
        runtime=minutes(240),


use rule train_numpy as train_torch with:
    wildcard_constraints:
        method=methods_of_framework("torch", gpu=False),
    conda:
        environment("torch")
    resources:
        mem_mb=memory(TRAIN_LOG, 4000),
        runtime=minutes(60),
    message:
        f"Training {{wildcards.method}} on {{wildcards.task}}{OF_SIZE}"


use rule train_torch as train_torch_gpu with:
    wildcard_constraints:
        method=methods_of_framework("torch", gpu=True),
    resources:
        gpu=gpus,
        mem_mb=memory(TRAIN_LOG, 8000),
        runtime=minutes(240),


rule trained:
    """Train every method of the study, and stop there."""
    input:
        trained=all_done("trained"),
