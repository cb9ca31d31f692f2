"""What does building Euclidean symmetry into a model buy, and is it really there?"""

from snakemake.utils import min_version

min_version("9.19")


include: "workflow/rules/start.smk"


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/sources.smk"
include: "workflow/rules/geometry.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/tune.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/floor.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/chapter.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        "<reports>/report.html",
        ["<results>/tables/claims.txt"] if config["audit"]["strict"] else [],
        ["<results>/tables/trials.csv"] if SEARCHES else [],
    message:
        "The report is in {input[0]}"
