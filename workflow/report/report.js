// Sorting by a click on a head, search in a table, the section in view marked in the contents. Without it the page reads the same.
"use strict";

function sortKey(cell) {
  const value = cell.dataset.sort;
  return value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
}

function compare(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(head) {
  const body = head.closest("table").tBodies[0];
  const ascending = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const keyed = Array.from(body.rows, (row) => [sortKey(row.cells[head.cellIndex]), row]);
  // a missing number is infinite, and stays last in both directions
  const missing = (key) => Number(key === Infinity);
  keyed.sort(([a], [b]) => missing(a) - missing(b) || (ascending ? compare(a, b) : compare(b, a)));
  body.append(...keyed.map(([, row]) => row));
}

for (const head of document.querySelectorAll("table.sortable thead th")) {
  head.querySelector("button").addEventListener("click", () => sortBy(head));
}

for (const input of document.querySelectorAll("input.search")) {
  const rows = document.getElementById(input.dataset.table).tBodies[0].rows;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  });
}

const links = new Map(Array.from(document.querySelectorAll("nav a"), (link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.classList.remove("here");
    links.get(entry.target.id).classList.add("here");
  }
}, { rootMargin: "0px 0px -75% 0px" });
for (const id of links.keys()) watcher.observe(document.getElementById(id));

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
