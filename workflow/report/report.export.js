// Figures as SVG, PNG and their data as CSV; tables as CSV, Markdown and LaTeX: made here, nothing is asked of a server.
"use strict";

function save(name, content, type) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// a drawing that stands alone: without hidden methods, and variables become the colours they have now
function svgText(drawn) {
  const style = getComputedStyle(document.documentElement), svg = drawn.cloneNode(true);
  for (const method of state.hidden) for (const part of all(`.m-${method}`, svg)) part.remove();
  const text = new XMLSerializer().serializeToString(svg);
  const plain = text.replace(/var\((--[\w-]+),\s*(#[0-9a-f]{6})\)/g, (_, name, otherwise) => style.getPropertyValue(name).trim() || otherwise);
  return `<?xml version="1.0" encoding="utf-8"?>\n${plain.replaceAll("var(--ink)", style.getPropertyValue("--ink").trim())}`;
}

function png(svg, name) {
  const box = svg.viewBox.baseVal, canvas = document.createElement("canvas"), image = new Image();
  [canvas.width, canvas.height] = [3 * box.width, 3 * box.height];
  image.width = canvas.width;
  image.height = canvas.height;
  image.onload = () => {
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(name, blob));
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(svg))}`;
}

const quoted = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
const csv = (rows) => rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n";

function figureData(name) {
  const figure = data.figures.find((one) => one.name === name);
  const shown = figure.series.filter(({ panel, method }) => !state.hidden.has(method) && !state.tasks.has(figure.panels[panel].title));
  const rows = shown.flatMap(({ panel, method, points }) => points.map(([, , x, y]) => [figure.panels[panel].title, method, x, y]));
  return csv([["panel", "method", "x", "y"], ...rows]);
}

for (const button of all("figure [data-save]")) {
  const figure = button.closest("figure"), name = figure.dataset.figure, svg = figure.querySelector("svg"), image = figure.querySelector("img");
  button.addEventListener("click", () => {
    if (button.dataset.save === "data") save(`${name}.csv`, figureData(name), "text/csv");
    else if (!svg) Object.assign(document.createElement("a"), { href: image.src, download: `${name}.png` }).click();
    else if (button.dataset.save === "svg") save(`${name}.svg`, svgText(svg), "image/svg+xml");
    else png(svg, `${name}.png`);
  });
}

// the cells of a table that are shown; what stands small below a value goes behind it
function cells(table) {
  const text = (cell) => Array.from(cell.childNodes, (node) => node.textContent.trim()).filter(Boolean).join(" ").replaceAll("\u00ad", "");
  const heads = Array.from(table.tHead.rows[0].cells, (cell) => cell.textContent.trim().replaceAll("\u00ad", ""));
  const rows = Array.from(table.tBodies[0].rows).filter((row) => !row.hidden && getComputedStyle(row).display !== "none");
  return [heads, ...rows.map((row) => Array.from(row.cells, text))];
}

function markdown([heads, ...rows]) {
  const line = (row) => `| ${row.map((cell) => cell.replace(/\s+/g, " ").replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)].join("\n") + "\n";
}

function latex([heads, ...rows]) {
  const escaped = (cell) => cell.replace(/[\\{}$&#%_^~²]/g, (sign) => ({ "\\": "\\textbackslash{}", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}", "²": "$^2$" })[sign] ?? `\\${sign}`);
  const line = (row) => `${row.map(escaped).join(" & ")} \\\\`;
  return [`\\begin{tabular}{${"l".repeat(heads.length)}}`, "\\hline", line(heads), "\\hline", ...rows.map(line), "\\hline", "\\end{tabular}"].join("\n") + "\n";
}

const WRITERS = { csv: [csv, "text/csv"], md: [markdown, "text/markdown"], tex: [latex, "application/x-tex"] };
for (const button of all(".bar [data-save]")) {
  const name = button.parentElement.dataset.table, [write, type] = WRITERS[button.dataset.save];
  button.addEventListener("click", () => save(`${name.replace("table-", "")}.${button.dataset.save}`, write(cells(document.getElementById(name))), type));
}
