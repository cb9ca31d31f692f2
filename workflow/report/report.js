// Tables: sorting by a head, the order as it was, search, counts of rows; what a head means; the section in view; the theme.
// Without any script the page reads the same.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

function sortKey(cell) {
  const value = cell.dataset.sort;
  return value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
}

function compare(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(head) {
  const table = head.closest("table"), body = table.tBodies[0];
  const ascending = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const keyed = Array.from(body.rows, (row) => [sortKey(row.cells[head.cellIndex]), row]);
  // a missing number is infinite, and stays last in both directions
  const missing = (key) => Number(key === Infinity);
  keyed.sort(([a], [b]) => missing(a) - missing(b) || (ascending ? compare(a, b) : compare(b, a)));
  body.append(...keyed.map(([, row]) => row));
  document.querySelector(`.unsort[data-table="${table.id}"]`).hidden = false;
}

for (const table of all("table.sortable")) {
  Array.from(table.tBodies[0].rows, (row, i) => { row.dataset.place = i; });
  for (const head of table.tHead.rows[0].cells) head.firstElementChild.addEventListener("click", () => sortBy(head));
}

for (const button of all(".unsort")) {
  button.addEventListener("click", () => {
    const table = document.getElementById(button.dataset.table), body = table.tBodies[0];
    body.append(...Array.from(body.rows).sort((a, b) => a.dataset.place - b.dataset.place));
    for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
    button.hidden = true;
  });
}

// a row is shown if neither the search of its table nor the choice of methods and tasks takes it away
function count(table) {
  const rows = Array.from(table.tBodies[0].rows), shown = rows.filter((row) => !row.hidden && getComputedStyle(row).display !== "none").length;
  const text = `${rows.length} row${rows.length === 1 ? "" : "s"}`;
  document.querySelector(`.count[data-table="${table.id}"]`).textContent = shown === rows.length ? text : `${shown} of ${text}`;
}

for (const input of all("input.search")) {
  const table = document.getElementById(input.dataset.table);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of table.tBodies[0].rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    count(table);
  });
}

const tip = document.getElementById("tip");
function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 4))}px`;
  tip.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 8 : y + 18}px`;
}
const hideTip = () => { tip.hidden = true; };

for (const head of all("[data-meaning]")) {
  const show = () => { const box = head.getBoundingClientRect(); showTip(head.dataset.meaning, box.left, box.bottom - 12); };
  head.addEventListener("mouseenter", show);
  head.addEventListener("focus", show);
  head.addEventListener("mouseleave", hideTip);
  head.addEventListener("blur", hideTip);
}

const links = new Map(all("nav li a").map((link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.classList.remove("here");
    links.get(entry.target.id).classList.add("here");
  }
}, { rootMargin: "0px 0px -75% 0px" });
for (const id of links.keys()) watcher.observe(document.getElementById(id));

const theme = document.getElementById("theme");
function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  theme.setAttribute("aria-pressed", dark);
  theme.textContent = dark ? "Light" : "Dark";
}
theme.addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
addEventListener("beforeprint", () => setTheme(false));

// what an address names is opened, whatever it is folded into
function unfold(id) {
  for (let part = id && document.getElementById(id); part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
}
