// Points and bonds in a box of the page: by 3Dmol.js, or where the browser has no WebGL as a flat picture. Both take
// positions in units of the extent, and a colour (0xrrggbb) for each point.

const hex = (colour) => `#${colour.toString(16).padStart(6, "0")}`;
const variable = (name, otherwise) => getComputedStyle(document.documentElement).getPropertyValue(name).trim() || otherwise;
const hasWebGL = () => { const canvas = document.createElement("canvas"); return Boolean(canvas.getContext("webgl2") || canvas.getContext("webgl")); };

// radius of a ball: a part of a bond, or of what space each point has
function ballRadius(points, bonds) {
  const lengths = bonds.map(([i, j]) => Math.hypot(...[0, 1, 2].map((k) => points[3 * i + k] - points[3 * j + k]))).sort((a, b) => a - b);
  return lengths.length ? 0.26 * lengths[lengths.length >> 1] : 0.4 / Math.cbrt(points.length / 3);
}

class Solid {
  static scale = 10; // 3Dmol's limits are made for lengths of some Angstrom

  constructor(box) {
    this.box = box;
    this.viewer = $3Dmol.createViewer(box, { backgroundColor: variable("--paper", "#ffffff"), antialias: true, disableFog: true, orthographic: true });
    // the wheel scrolls the page, as it does everywhere else on it
    box.addEventListener("wheel", (event) => { if (!event.ctrlKey) event.stopImmediatePropagation(); }, true);
  }

  // as many bodies as there are sets of points to draw into this box: [{bonds, radius, alpha}]
  begin(bodies, points) {
    this.viewer.removeAllModels();
    this.bodies = bodies.map(({ bonds, radius, alpha }) => {
      const near = Array.from({ length: points.length / 3 }, () => []);
      for (const [i, j] of bonds) { near[i].push(j); near[j].push(i); }
      const model = this.viewer.addModel();
      model.addAtoms(near.map((others, i) => ({ elem: "C", index: i, serial: i, x: 0, y: 0, z: 0, bonds: others, bondOrder: others.map(() => 1) })));
      const size = radius * Solid.scale;
      return { model, atoms: model.selectedAtoms({}), style: { sphere: { radius: size, opacity: alpha }, stick: { radius: 0.4 * size, opacity: alpha } } };
    });
    this.place(this.bodies[0], points, null);
    this.reach = Math.max(...Array.from(points, Math.abs));
    this.home();
  }

  home() {
    this.viewer.setView([0, 0, 0, 0, 0, 0, 0, 1]);
    this.viewer.zoomTo();
    this.viewer.zoom(1.35 * this.reach); // from what is seen to all that will be
    this.viewer.setSlab(-1000, 1000);
    this.viewer.render();
  }

  place(body, points, colours) {
    body.atoms.forEach((atom, i) => {
      [atom.x, atom.y, atom.z] = [0, 1, 2].map((k) => points[3 * i + k] * Solid.scale);
      if (colours) atom.color = colours[i];
    });
    body.model.setStyle({}, body.style);
  }

  // sets: {points, colours} for each body, or null for one that is not to be seen
  show(sets) {
    sets.forEach((set, i) => (set ? this.place(this.bodies[i], set.points, set.colours) : this.bodies[i].model.setStyle({}, {})));
    this.viewer.render();
  }

  turn(x, y) { this.viewer.rotate(y, "y"); this.viewer.rotate(x, "x"); this.viewer.render(); }
  zoom(factor) { this.viewer.zoom(factor); this.viewer.render(); }
  resize() { this.viewer.resize(); this.viewer.render(); }
  repaint() { this.viewer.setBackgroundColor(variable("--paper", "#ffffff")); }
  link(other) { this.viewer.linkViewer(other.viewer); }
}

class Flat {
  constructor(box) {
    this.box = box;
    this.view = { turned: [1, 0, 0, 0, 1, 0, 0, 0, 1], size: 1 };
    this.links = [this];
    box.addEventListener("pointerdown", (event) => box.setPointerCapture(event.pointerId));
    box.addEventListener("pointermove", (event) => { if (event.buttons) this.turn(event.movementY, event.movementX); });
  }

  begin(bodies) { this.bodies = bodies; }

  home() { Object.assign(this.view, { turned: [1, 0, 0, 0, 1, 0, 0, 0, 1], size: 1 }); this.redraw(); }

  show(sets) { this.sets = sets; this.draw(); }

  draw() {
    const project = (points, i) => [0, 1, 2].map((row) => this.view.size * [0, 1, 2].reduce((sum, k) => sum + this.view.turned[3 * row + k] * points[3 * i + k], 0));
    const shapes = this.sets.flatMap((set, b) => {
      if (!set) return [];
      const { bonds, radius, alpha } = this.bodies[b], size = radius * this.view.size;
      const at = Array.from({ length: set.points.length / 3 }, (_, i) => project(set.points, i));
      const sticks = bonds.map(([i, j]) => [(at[i][2] + at[j][2]) / 2 - size, `<path d="M${at[i][0]} ${-at[i][1]}L${at[j][0]} ${-at[j][1]}" stroke="var(--soft,#5b6470)" stroke-width="${0.5 * size}" opacity="${alpha}"/>`]);
      return [...sticks, ...at.map(([x, y, z], i) => [z, `<circle cx="${x}" cy="${-y}" r="${size}" fill="${hex(set.colours[i])}" opacity="${alpha}"/>`])];
    });
    this.box.innerHTML = `<svg viewBox="-1.3 -1.3 2.6 2.6">${shapes.sort((a, b) => a[0] - b[0]).map(([, shape]) => shape).join("")}</svg>`;
  }

  turn(x, y) {
    const [a, b] = [x, y].map((degrees) => (degrees * Math.PI) / 180);
    const by = [Math.cos(b), 0, Math.sin(b), Math.sin(a) * Math.sin(b), Math.cos(a), -Math.sin(a) * Math.cos(b), -Math.cos(a) * Math.sin(b), Math.sin(a), Math.cos(a) * Math.cos(b)];
    const old = this.view.turned;
    this.view.turned = by.map((_, n) => [0, 1, 2].reduce((sum, k) => sum + by[3 * Math.floor(n / 3) + k] * old[3 * k + (n % 3)], 0));
    this.redraw();
  }

  zoom(factor) { this.view.size *= factor; this.redraw(); }
  redraw() { for (const one of this.links) if (one.sets) one.draw(); }
  resize() {}
  repaint() {}
  link(other) { this.view = other.view; this.links = other.links; if (!this.links.includes(this)) this.links.push(this); }
}
