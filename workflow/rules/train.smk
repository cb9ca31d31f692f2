# Training. Needs: the lifted and the aligned trajectory. Makes: <results>/runs/{task}/{method}/n{size}/seed{seed}/ with
# model.safetensors, run.json and history.csv. One job trains all seeds of a method on a task, so that a framework is
# imported and compiled once; one rule per framework, because each has its own environment.


rule train_numpy:
    input:
        script=script("train.py"),
        weights=weights,
        trajectory=lifted,
        aligned=aligned,
    output:
        batch_files("trained"),
        record=batch_record("trained"),
    log:
        "<logs>/train/{task}/{method}/n{size}.log",
    benchmark:
        "<benchmarks>/train/{task}/{method}/n{size}.tsv"
    wildcard_constraints:
        method=methods_of_framework("numpy"),
    conda:
        environment("../../envs/data.yaml")
    params:
        code=method_code("train.py", jax="training/jax.py", torch="training/torch.py"),
        task=task_json,
        method=method_json,
        seeds=SEEDS,
        folder=batch_folder,
        # Taking `input` makes it a derived parameter: it is not compared, so that another device retrains nothing.
        device=lambda wildcards, input: config["device"],
    message:
        "Fitting {wildcards.method} on {wildcards.task} (n={wildcards.size})"
    shell:
        "NPROC={threads} python {input.script:q} --task {params.task:q} --method {params.method:q} "
        "--size {wildcards.size} --seeds {params.seeds} --trajectory {input.trajectory:q} --aligned {input.aligned:q} "
        "--device {params.device} --folder {params.folder:q} --record {output.record:q} 2> {log:q}"


use rule train_numpy as train_jax with:
    wildcard_constraints:
        method=methods_of_framework("jax", gpu=False),
    conda:
        environment("../../envs/jax.yaml")
    message:
        "Training {wildcards.method} on {wildcards.task} (n={wildcards.size})"


use rule train_jax as train_jax_gpu with:
    wildcard_constraints:
        method=methods_of_framework("jax", gpu=True),
    resources:
        gpu=gpus,


use rule train_numpy as train_torch with:
    wildcard_constraints:
        method=methods_of_framework("torch", gpu=False),
    conda:
        environment("../../envs/torch.yaml")
    message:
        "Training {wildcards.method} on {wildcards.task} (n={wildcards.size})"


use rule train_torch as train_torch_gpu with:
    wildcard_constraints:
        method=methods_of_framework("torch", gpu=True),
    resources:
        gpu=gpus,
