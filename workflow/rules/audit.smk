# The symmetry audit. Needs: the runs of a method on a task and the lifted trajectory. Makes: audit.csv, probes.csv and
# controls.csv in each run folder, and, where the study is strict, the check that every claim holds.


AUDIT_LOG = f"<logs>/audit/{BATCH}.log"


rule audit:
    input:
        script=script("audit.py"),
        trajectory=lifted,
        trained=done("trained"),
        changed=changed("trained"),
    output:
        record=batch_record("audited"),  # first: by it later steps ask for all
        files=update(batch_files("audited")),
    log:
        AUDIT_LOG,
    benchmark:
        f"<benchmarks>/audit/{BATCH}.tsv"
    group:
        "runs"
    conda:
        environment_of_method
    resources:
        mem_mb=memory(AUDIT_LOG, 2000),
        runtime=minutes(15),
    params:
        code=method_code("audit.py"),
        folders=run_folders("audited"),
        forced=forced,
        first=SEEDS[0],  # meets more of the group than the others
        samples=lookup(within=config, dpath="audit/samples"),
        elements=lookup(within=config, dpath="audit/elements"),
    message:
        f"Auditing the symmetry of {{wildcards.method}} on {{wildcards.task}}{OF_SIZE}"
    shell:
        "NPROC={threads} python {input.script:q} --trajectory {input.trajectory:q} --runs {params.folders:q} "
        "--samples {params.samples} --elements {params.elements} --processes {threads} --code {params.code} "
        "--forced {params.forced:q} --record {output.record:q} 2> {log:q}"


rule audited:
    """Train and audit every method of the study, and stop there."""
    input:
        audited=all_done("audited", AUDITED_PLAN),


rule check_claims:
    input:
        script=script("check_claims.py"),
        table="<results>/tables/audit.csv",
        report="<reports>/report.html",  # first, so that it is there to be read when this fails
    output:
        text="<results>/tables/claims.txt",
    log:
        "<logs>/check_claims.log",
    benchmark:
        "<benchmarks>/check_claims.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code("check_claims.py"),
    message:
        "Checking that every method has the symmetries that it claims"
    shell:
        "python {input.script:q} --audit {input.table:q} --output {output.text:q} 2> {log:q} || {{ cat {log:q} >&2; exit 1; }}"
