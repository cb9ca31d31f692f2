// Methods and tasks, for all figures and tables at once: point at one, hide, pin, recolour; the address keeps the choice.
"use strict";

const state = { hidden: new Set(), pinned: new Set(), colours: {}, tasks: new Set(), method: null };
const methods = Object.keys(data.methods), tasks = data.tasks;
const rules = document.head.appendChild(document.createElement("style"));
let pointed = null;

function apply() {
  const css = [], loud = new Set(state.pinned);
  if (pointed) loud.add(pointed);
  for (const m of state.hidden) css.push(`svg .m-${m}, tr[data-method="${m}"] { display: none; }`);
  for (const t of state.tasks) css.push(`tr[data-task="${t}"] { display: none; }`);
  for (const [m, colour] of Object.entries(state.colours)) css.push(`:root, :root[data-theme="dark"] { --m-${m}: ${colour}; }`);
  if (loud.size) {
    const others = [...loud].map((m) => `:not(.m-${m})`).join(""), rows = [...loud].map((m) => `:not([data-method="${m}"])`).join("");
    css.push(`svg .m${others} { opacity: .12; } tr[data-method]${rows} { opacity: .45; }`);
  }
  rules.textContent = css.join("\n");
  for (const figure of data.figures) {
    figure.panels.forEach((panel, i) => {
      const axes = document.getElementById(`${figure.name}-axes_${i + 1}`);
      if (axes) axes.style.display = state.tasks.has(panel.title) ? "none" : "";
    });
  }
}

// the choice, as the part of an address that is behind the place on the page
function choice() {
  const parts = [];
  if (state.hidden.size) parts.push(`hide=${[...state.hidden].join(",")}`);
  if (state.pinned.size) parts.push(`pin=${[...state.pinned].join(",")}`);
  if (state.tasks.size) parts.push(`without=${[...state.tasks].join(",")}`);
  const colours = Object.entries(state.colours);
  if (colours.length) parts.push(`colour=${colours.map(([m, c]) => `${m}:${c.slice(1)}`).join(",")}`);
  return parts;
}

const place = () => location.hash.slice(1).split("&").find((part) => part && !part.includes("="));
const inner = all("a[href^='#']").map((link) => [link, link.hash.slice(1)]);

function settle() {
  apply();
  for (const table of all("table.sortable")) count(table);
  const shown = state.method ? [`method=${state.method}`] : [];
  history.replaceState(null, "", `#${[place(), ...choice(), ...shown].filter(Boolean).join("&")}`);
  relink();
}

// links within the page carry the choice, so that what is copied or followed shows the same
function relink() {
  for (const [link, id] of inner) link.setAttribute("href", `#${[id, ...choice()].join("&")}`);
}

function restore() {
  const known = (names, list) => new Set((names ?? "").split(",").filter((name) => list.includes(name)));
  const parts = location.hash.slice(1).split("&"), pairs = new Map(parts.filter((p) => p.includes("=")).map((p) => p.split("=")));
  state.hidden = known(pairs.get("hide"), methods);
  state.pinned = known(pairs.get("pin"), methods);
  state.tasks = known(pairs.get("without"), tasks);
  state.colours = {};
  for (const pair of (pairs.get("colour") ?? "").split(",")) {
    const [method, colour] = pair.split(":");
    if (methods.includes(method) && /^[0-9a-f]{6}$/.test(colour)) state.colours[method] = `#${colour}`;
  }
  draw();
  apply();
  for (const table of all("table.sortable")) count(table);
  relink();
  unfold(place());
  const target = place() && document.getElementById(place());
  if (target) {
    target.scrollIntoView();
    if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
    target.focus({ preventScroll: true });
  }
  if (pairs.has("method")) openMethod(pairs.get("method"));
  else if (dialog.open) dialog.close();
}

function colourOf(method) {
  return state.colours[method] ?? getComputedStyle(document.documentElement).getPropertyValue(`--m-${method}`).trim();
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function line(method) {
  const shown = element("input", { type: "checkbox", checked: !state.hidden.has(method), onchange: () => toggle(state.hidden, method, !shown.checked) });
  const pin = element("button", { type: "button", textContent: "pin", onclick: () => { toggle(state.pinned, method, !state.pinned.has(method)); pin.setAttribute("aria-pressed", state.pinned.has(method)); } });
  pin.setAttribute("aria-pressed", state.pinned.has(method));
  pin.setAttribute("aria-label", `pin ${method}`);
  const colour = element("input", { type: "color", value: colourOf(method), oninput: () => { state.colours[method] = colour.value; settle(); } });
  colour.setAttribute("aria-label", `colour of ${method}`);
  const more = element("button", { type: "button", textContent: "…", onclick: () => openMethod(method) });
  more.setAttribute("aria-label", `all about ${method}`);
  const item = element("li", {}, colour, element("label", {}, shown, ` ${method}`), pin, more);
  item.dataset.method = method;
  return item;
}

function toggle(set, name, on) {
  if (on) set.add(name); else set.delete(name);
  settle();
}

function draw() {
  document.getElementById("method-list").replaceChildren(...methods.map(line));
  document.getElementById("task-list").replaceChildren(...tasks.map((task) => {
    const shown = element("input", { type: "checkbox", checked: !state.tasks.has(task), onchange: () => toggle(state.tasks, task, !shown.checked) });
    return element("li", {}, element("label", {}, shown, ` ${task}`));
  }));
  filterMethods();
}

function filterMethods() {
  const words = document.getElementById("find-method").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const item of all("#method-list li")) item.hidden = !words.every((word) => item.dataset.method.toLowerCase().includes(word));
}
const found = () => all("#method-list li:not([hidden])").map((item) => item.dataset.method);

const tools = document.getElementById("tools"), opener = document.getElementById("open-tools");
function openTools(open) {
  tools.hidden = !open;
  opener.setAttribute("aria-expanded", open);
  document.body.classList.toggle("with-tools", open);
  (open ? document.getElementById("find-method") : opener).focus();
}
opener.addEventListener("click", () => openTools(tools.hidden));
document.getElementById("close-tools").addEventListener("click", () => openTools(false));
addEventListener("keydown", (event) => { if (event.key === "Escape" && !tools.hidden) openTools(false); });
document.getElementById("show-all").addEventListener("click", () => { found().forEach((m) => state.hidden.delete(m)); draw(); settle(); });
document.getElementById("hide-all").addEventListener("click", () => { found().forEach((m) => state.hidden.add(m)); draw(); settle(); });
document.getElementById("reset").addEventListener("click", () => {
  for (const set of [state.hidden, state.pinned, state.tasks]) set.clear();
  state.colours = {};
  draw();
  settle();
});
document.getElementById("find-method").addEventListener("input", filterMethods);

// what is pointed at stands out everywhere
function methodAt(target) {
  const row = target.closest?.("tr[data-method], li[data-method]");
  if (row) return row.dataset.method;
  const mark = target.closest?.("svg .m");
  return mark ? Array.from(mark.classList).find((name) => name.startsWith("m-"))?.slice(2) : null;
}
function point(target) {
  const method = methodAt(target);
  if (method !== pointed) { pointed = method; apply(); }
  return method;
}
addEventListener("focusin", (event) => point(event.target));
addEventListener("mouseover", (event) => {
  const method = point(event.target), svg = event.target.closest?.("figure svg");
  if (!svg) { if (!event.target.closest?.("[data-meaning]")) hideTip(); return; }
  if (method) showTip(near(svg, method, event) ?? method, event.clientX, event.clientY); else hideTip();
});

// the value of a method that is drawn nearest to the pointer
function near(svg, method, event) {
  const figure = data.figures.find((one) => one.name === svg.closest("figure").dataset.figure);
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  let best = null, least = 40 * 40;
  for (const series of figure?.series ?? []) {
    if (series.method !== method) continue;
    for (const [px, py, x, y] of series.points) {
      const apart = (px - at.x) ** 2 + (py - at.y) ** 2;
      if (apart < least) { least = apart; best = [figure.panels[series.panel], x, y]; }
    }
  }
  const text = (value) => (typeof value === "number" ? value.toPrecision(4) : value);
  return best && `${method}\n${best[0].x || "x"}: ${text(best[1])}\n${best[0].y || "y"}: ${text(best[2])}`;
}

for (const row of all("tr[data-method]")) {
  const code = all("code", row).find((one) => one.textContent === row.dataset.method);
  if (!code || !data.methods[row.dataset.method]) continue;
  code.tabIndex = 0;
  code.setAttribute("role", "button");
  code.addEventListener("click", () => openMethod(row.dataset.method));
  code.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); openMethod(row.dataset.method); } });
}
