"""The report: findings in words, tables and figures of a study on one self-contained HTML page."""
