// A method's own page, within this one.
"use strict";

const plain = (text) => String(text).replace(/[<&]/g, (sign) => (sign === "<" ? "&lt;" : "&amp;"));
const dialog = document.getElementById("method");

function plainTable(caption, heads, rows) {
  const cell = (value, tag) => element(tag, { textContent: value, className: typeof value === "number" ? "number" : "" });
  const row = (values, tag) => element("tr", {}, ...values.map((value) => cell(value, tag)));
  return element("div", { className: "wide" }, element("table", {},
    element("caption", { textContent: caption }),
    element("thead", {}, row(heads, "th")),
    element("tbody", {}, ...rows.map((values) => row(values, "td")))));
}

// validation error against epochs, both from the smallest to the largest, the error as a logarithm
function curve(curves, colour) {
  const points = curves.flatMap(([, , line]) => line), logs = points.map(([, v]) => Math.log10(v)).filter(Number.isFinite);
  if (!logs.length) return "";
  const [low, high, last] = [Math.min(...logs), Math.max(...logs), Math.max(...points.map(([e]) => e), 1)];
  const point = ([e, v]) => `${60 + (530 * e) / last},${10 + (150 * (high - Math.log10(v))) / (high - low || 1)}`;
  const lines = curves.map(([task, seed, line]) => `<polyline fill="none" stroke="${colour}" points="${line.filter(([, v]) => v > 0).map(point).join(" ")}"><title>${plain(task)}, seed ${seed}</title></polyline>`);
  const label = (x, y, text, anchor) => `<text x="${x}" y="${y}" text-anchor="${anchor}">${text}</text>`;
  const axes = '<path class="axes" d="M60 5V163H592"/>';
  const box = document.createElement("div");
  box.innerHTML = `<svg class="curve" viewBox="0 0 600 185" role="img" aria-label="validation error against epochs">${axes}${lines.join("")}${label(54, 14, (10 ** high).toExponential(1), "end")}${label(54, 163, (10 ** low).toExponential(1), "end")}${label(60, 180, 0, "middle")}${label(325, 180, "epoch", "middle")}${label(590, 180, last, "end")}</svg>`;
  return box;
}

function openMethod(name) {
  const method = data.methods[name];
  if (!method) return;
  const close = element("button", { type: "button", textContent: "close", onclick: () => dialog.close() });
  const parts = [
    element("div", { className: "head" }, element("h2", { textContent: name }), close),
    element("h3", { textContent: "Configuration" }),
    element("pre", { textContent: Object.keys(method.config).length ? JSON.stringify(method.config, null, 1) : "not in the configuration" }),
  ];
  if (method.curves.length) parts.push(element("h3", { textContent: "Validation error while it learned, each seed" }), curve(method.curves, colourOf(name)));
  if (method.seeds.length) parts.push(plainTable("Seeds", ["task", "training samples", "seed", "test MSE", "rotated", "seconds", "status"], method.seeds));
  if (method.worst.length) parts.push(plainTable("The test samples that it predicts worst, with all training samples", ["task", "test sample", "seeds that have it among their five worst", "MSE there"], method.worst));
  if (method.audit.length) parts.push(plainTable("Audit, the worst of all tasks and seeds", ["transformation", "precision", "relative change", "verdict", "claimed", "agree"], method.audit));
  dialog.replaceChildren(...parts);
  dialog.setAttribute("aria-label", `the method ${name}`);
  state.method = name;
  settle();
  if (!dialog.open) dialog.showModal();
}

dialog.addEventListener("close", () => { state.method = null; settle(); });
addEventListener("hashchange", restore);
restore();
