// The viewer of rollouts. Nothing of it runs, and no library is read, before somebody asks for it.

const part = (name) => document.getElementById(name);
const STOPS = [[0, [69, 117, 180]], [0.25, [116, 173, 209]], [0.5, [254, 224, 144]], [0.75, [244, 109, 67]], [1, [165, 0, 38]]];
const REDUCED = matchMedia("(prefers-reduced-motion: reduce)");

// colours of the 256 shades: blue, yellow, red (RdYlBu of ColorBrewer)
const SHADES = Array.from({ length: 256 }, (_, shade) => {
  const at = shade / 255, next = Math.max(1, STOPS.findIndex(([stop]) => stop >= at));
  const [[low, from], [high, to]] = [STOPS[next - 1], STOPS[next]];
  return from.reduce((sum, value, k) => sum * 256 + Math.round(value + ((to[k] - value) * (at - low)) / (high - low)), 0);
});

async function unpacked(name) {
  const bytes = Uint8Array.from(atob(part(name).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

async function load3Dmol() {
  const script = document.createElement("script");
  script.textContent = new TextDecoder().decode(await unpacked("trajectories-library"));
  document.head.append(script);
}

class Viewer {
  constructor(tasks, blob, Picture) {
    Object.assign(this, { tasks, blob, timer: null });
    this.pictures = ["view-predicted", "view-true"].map((name) => new Picture(part(name)));
    this.pictures.forEach((picture, i) => picture.link(this.pictures[1 - i]));
    this.fill("task", tasks.map((task) => task.name));
    for (const name of ["task", "method", "start"]) part(`viewer-${name}`).addEventListener("change", () => this.choose(name));
    part("viewer-step").addEventListener("input", () => { this.pause(); this.show(); });
    part("viewer-play").addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    part("viewer-reset").addEventListener("click", () => this.pictures.forEach((picture) => picture.home()));
    part("viewer-overlay").addEventListener("change", () => this.overlay());
    this.pictures.forEach((picture) => picture.box.addEventListener("keydown", (event) => this.key(event, picture)));
    new ResizeObserver(() => this.pictures.forEach((picture) => picture.resize())).observe(part("viewer"));
    new MutationObserver(() => { this.pictures.forEach((picture) => picture.repaint()); this.show(); }).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.choose("task");
  }

  fill(name, texts) { part(`viewer-${name}`).replaceChildren(...texts.map((text, i) => new Option(text, i))); }

  choose(changed) {
    this.pause();
    this.task = this.tasks[part("viewer-task").value];
    if (changed === "task") {
      this.fill("method", this.task.methods.map((method) => method.name));
      this.fill("start", this.task.starts.map((start) => `frame ${start.frame}`));
      part("viewer-step").max = this.task.frames.length - 1;
      part("viewer-step").value = 0;
    }
    this.method = this.task.methods[part("viewer-method").value];
    this.start = Number(part("viewer-start").value);
    const { top } = this.task.starts[this.start];
    part("viewer-high").textContent = `${this.number(top)} from the true place, or more`;
    const name = document.createElement("code");
    name.textContent = this.method.name;
    part("viewer-predicted").replaceChildren("predicted by ", name);
    if (changed !== "method") this.begin();
    this.show();
  }

  begin() {
    const { bonds } = this.task, points = this.positions(this.task.starts[this.start].truth, 0);
    const body = { bonds, radius: ballRadius(points, bonds), alpha: 1 };
    this.pictures[0].begin([body, { ...body, alpha: 0.6 }], points);
    this.pictures[1].begin([body], points);
  }

  // positions of a frame, in units of the extent
  positions(at, frame) {
    const length = 3 * this.task.points, begin = at + 2 * length * frame;
    return Float32Array.from(new Int16Array(this.blob.slice(begin, begin + 2 * length)), (value) => value * this.task.grain);
  }

  number(value) { return `${Number(value.toPrecision(3))} ${this.task.unit}`.trim(); }

  show() {
    const frame = Number(part("viewer-step").value), { task, method, start } = this;
    const grey = Array(task.points).fill(parseInt(variable("--soft", "#5b6470").slice(1), 16));
    const truth = { points: this.positions(task.starts[start].truth, frame), colours: grey };
    const ended = frame >= method.rmse[start].length, shades = method.shades[start] + task.points * frame;
    const predicted = ended ? null : {
      points: this.positions(method.positions[start], frame),
      colours: Array.from(new Uint8Array(this.blob.slice(shades, shades + task.points)), (shade) => SHADES[shade]),
    };
    this.pictures[0].show([predicted, part("viewer-overlay").checked ? truth : null]);
    this.pictures[1].show([truth]);
    this.say(frame, ended);
  }

  say(frame, ended) {
    const { task, method, start } = this, step = task.frames[frame], last = task.frames[task.frames.length - 1];
    const time = `step ${step} of ${last}` + (task.time_unit ? ` (${Number((step * task.interval).toPrecision(3))} ${task.time_unit})` : "");
    const mean = method.mean[frame] === null ? "" : `; mean over all starts ${this.number(method.mean[frame])}`;
    const error = ended ? "the rollout has left the range of numbers" : `RMSE ${this.number(method.rmse[start][frame])}${mean}`;
    part("viewer-says").textContent = `${time}: ${error}. Seed ${method.seed}, training samples: ${method.train_size}.`;
    part("viewer-step").setAttribute("aria-valuetext", time);
  }

  play() {
    const slider = part("viewer-step");
    if (slider.value === slider.max) slider.value = 0;
    this.timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      this.show();
      if (slider.value === slider.max) this.pause();
    }, REDUCED.matches ? 600 : 90);
    this.playing(true);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.playing(false);
  }

  // what changes ten times a second is not read aloud
  playing(now) {
    part("viewer-play").textContent = now ? "Pause" : "Play";
    part("viewer-play").setAttribute("aria-pressed", now);
    part("viewer-says").setAttribute("aria-live", now ? "off" : "polite");
  }

  overlay() {
    part("viewer").classList.toggle("overlay", part("viewer-overlay").checked);
    this.pictures[0].resize();
    this.show();
  }

  key(event, picture) {
    const turn = { ArrowLeft: [0, -10], ArrowRight: [0, 10], ArrowUp: [-10, 0], ArrowDown: [10, 0] }[event.key];
    const zoom = { "+": 1.2, "=": 1.2, "-": 1 / 1.2 }[event.key];
    if (!turn && !zoom) return;
    event.preventDefault();
    if (turn) picture.turn(...turn);
    else picture.zoom(zoom);
  }
}

part("open-trajectories").addEventListener("click", async () => {
  const button = part("open-trajectories"), solid = hasWebGL();
  button.disabled = true;
  try {
    if (!("DecompressionStream" in window)) throw new Error("it needs DecompressionStream, which browsers have since 2023");
    const blob = await unpacked("trajectories-positions");
    if (solid) await load3Dmol();
    else part("viewer-problem").textContent = "This browser has no WebGL: flat pictures instead, which turn too.";
    part("viewer").hidden = false; // before it is drawn into: what is hidden has no size
    new Viewer(JSON.parse(part("trajectories-data").textContent), blob, solid ? Solid : Flat);
    button.setAttribute("aria-expanded", "true");
    button.hidden = true;
    part("viewer-task").focus();
  } catch (error) {
    part("viewer-problem").textContent = `The view does not open here: ${error.message}.`;
    button.disabled = false;
  }
});
part("viewer").querySelector(".shades .ramp").style.background = `linear-gradient(to right, ${SHADES.filter((_, i) => i % 15 === 0).map(hex).join(",")})`;
