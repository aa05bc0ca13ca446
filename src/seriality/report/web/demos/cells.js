// Rule 110 and Rule 90: rows of cells, what a cell depends on, and the jump ahead that additive rules have.

import { button, choice, fill, make, number, slider, spent } from "../dom.js";

export function nextRow(row, rule) {
  const n = row.length;
  return row.map((cell, i) => (rule >> (4 * row[(i + n - 1) % n] + 2 * cell + row[(i + 1) % n])) & 1);
}

export function rows(row, rule, steps) {
  const found = [row];
  for (let t = 0; t < steps; t++) found.push(nextRow(found[t], rule));
  return found;
}

// Rule 90 after t steps is a sum, modulo 2, of the cells at distances t, t - 2, .., -t whose binomial is odd.
// On a ring a cell that is met twice cancels.
export function terms(width, steps) {
  const parity = new Array(width).fill(0);
  for (let k = 0; k <= steps; k++) {
    if ((k & (steps - k)) !== 0) continue; // C(steps, k) is even (Kummer)
    const at = (((2 * k - steps) % width) + width) % width;
    parity[at] ^= 1;
  }
  return parity.flatMap((odd, at) => (odd ? [at] : []));
}

export function jumped(row, steps) {
  const n = row.length;
  const offsets = terms(n, steps);
  return row.map((_, i) => offsets.reduce((sum, at) => sum ^ row[(i + at) % n], 0));
}

// The cells of the first row that decide a cell: those whose change changes it.
export function depends(row, rule, steps, target) {
  const truth = rows(row, rule, steps)[steps][target];
  return row.flatMap((_, i) => {
    const changed = row.map((cell, j) => (i === j ? 1 - cell : cell));
    return rows(changed, rule, steps)[steps][target] === truth ? [] : [i];
  });
}

export function start(stage, records, params, keep) {
  const record = records.cells["Rule 110"];
  const width = record.row.length, steps = 32;
  const original = [...record.row].map(Number);
  let row = original, rule = 110, step = steps, target = width >> 1, cursor = 0, way = "step";

  const canvas = make("canvas", {
    class: "cells", tabindex: "0", role: "img", "aria-describedby": "cells-keys",
  });
  const keys = make("p", { class: "note", id: "cells-keys" },
    "Drag across the first row to paint its cells; press any other cell to see what it depends on. By keyboard, on the "
    + "picture: left and right move, space changes the cell of the first row, up and down choose the step of the cell "
    + "that is looked at.");
  const told = spent();

  function draw() {
    const found = rows(row, rule, steps);
    const from = depends(row, rule, step, target);
    const size = 12;
    canvas.width = width * size;
    canvas.height = (steps + 1) * size;
    const paint = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const [ink, paper, line] = ["--ink", "--card", "--line"].map((name) => style.getPropertyValue(name).trim());
    paint.fillStyle = paper;
    paint.fillRect(0, 0, canvas.width, canvas.height);
    found.forEach((cells, t) => cells.forEach((cell, i) => {
      const hidden = way === "jump" && t > 0 && t < step;
      paint.fillStyle = cell && !hidden ? ink : paper;
      if (hidden) { paint.fillStyle = paper; }
      paint.fillRect(i * size, t * size, size - 1, size - 1);
      if (!cell || hidden) { paint.strokeStyle = line; paint.strokeRect(i * size + 0.5, t * size + 0.5, size - 2, size - 2); }
    }));
    paint.lineWidth = 3;
    paint.strokeStyle = "#e69f00";
    from.forEach((i) => paint.strokeRect(i * size + 1, 1, size - 3, size - 3));
    paint.strokeStyle = "#d55e00";
    paint.strokeRect(target * size + 1, step * size + 1, size - 3, size - 3);
    if (document.activeElement === canvas) {
      paint.strokeStyle = "#0072b2";
      paint.strokeRect(cursor * size + 1, 1, size - 3, size - 3);
    }
    canvas.setAttribute("aria-label",
      `Rule ${rule}, ${steps} steps from a row of ${width} cells. Cell ${target + 1} after ${step} steps is `
      + `${found[step][target]} and depends on ${from.length} cells of the first row. Cell ${cursor + 1} of the first row is ${row[cursor]}.`);
    const sum = terms(width, step).length;
    const way90 = way === "jump" && rule === 90;
    told.set([
      ["The marked cell", `is ${found[step][target]} after ${step} steps and depends on ${from.length} of ${width} cells of the first row`
        + (rule === 90 ? ", the same ones whatever the row" : ", and which ones depends on the row")],
      ["Way", way90 ? `jump ahead: each cell is the sum of ${sum} cells of the first row` : "step by step"],
      ["Work", way90 ? `${number(width * Math.max(0, sum - 1))} additions modulo 2` : `${number(width * step)} lookups`],
      ["Span", way90 ? `${Math.ceil(Math.log2(Math.max(1, sum)))} dependent steps, a tree of additions` : `${step} dependent steps`],
      ...(way90 ? [["Check", jumped(row, step).join("") === found[step].join("") ? "the row is that of stepping" : "the rows differ"]] : []),
    ]);
    jump.disabled = rule !== 90;
    jump.title = rule === 90 ? "" : `No formula for Rule ${rule} is known: its rows are found one after the other`;
  }

  function set(changes = {}) {
    ({ row = row, rule = rule, step = step, target = target, way = way } = changes);
    if (rule !== 90) way = "step";
    when.set(step);
    draw();
    keep({ rule, step, cell: target, way, row: row === original ? null : row.join("") });
  }

  let painting = null;
  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const i = Math.floor(((event.clientX - box.left) / box.width) * width);
    const t = Math.floor(((event.clientY - box.top) / box.height) * (steps + 1));
    return [Math.max(0, Math.min(width - 1, i)), Math.max(0, Math.min(steps, t))];
  };
  canvas.addEventListener("pointerdown", (event) => {
    const [i, t] = cellAt(event);
    if (t > 0) return set({ step: t, target: i });
    painting = 1 - row[i];
    canvas.setPointerCapture(event.pointerId);
    set({ row: row.map((cell, j) => (j === i ? painting : cell)) });
  });
  canvas.addEventListener("pointermove", (event) => {
    if (painting === null) return;
    const [i] = cellAt(event);
    if (row[i] !== painting) set({ row: row.map((cell, j) => (j === i ? painting : cell)) });
  });
  canvas.addEventListener("pointerup", () => { painting = null; });
  canvas.addEventListener("pointercancel", () => { painting = null; });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in moves) {
      cursor = (cursor + moves[event.key] + width) % width;
      set({ target: cursor });
    } else if (event.key === " ") set({ row: row.map((cell, j) => (j === cursor ? 1 - cell : cell)) });
    else if (event.key === "ArrowDown") set({ step: Math.min(steps, step + 1) });
    else if (event.key === "ArrowUp") set({ step: Math.max(1, step - 1) });
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  const which = choice({
    name: "Rule", options: [["110", "110"], ["30", "30"], ["90", "90"]], value: String(rule),
    change: (next) => set({ rule: Number(next) }),
  });
  const when = slider({
    name: "Steps", min: 1, max: steps, value: step, told: String, change: (next) => set({ step: next }),
  });
  const stepwise = button("Step by step", () => set({ way: "step" }));
  const jump = button("Jump ahead", () => set({ way: "jump" }));
  const random = button("Random row", () => set({ row: row.map(() => Number(Math.random() < 0.5)) }));
  const single = button("A single cell", () => set({ row: row.map((_, i) => Number(i === width >> 1)) }));
  const recorded = button("The recorded row", () => set({ row: original }));
  fill(stage, make("div", { class: "controls" }, which.node, when.node, stepwise, jump, random, single, recorded),
    make("div", { class: "beside wide-left" }, canvas, make("div", {}, told.node, keys)));

  function from(given) {
    const asked = (name, low, high, otherwise) => {
      const value = Number(given.get(name) ?? NaN);
      return Number.isInteger(value) && value >= low && value <= high ? value : otherwise;
    };
    const text = given.get("row") ?? "";
    row = /^[01]+$/.test(text) && text.length === width ? [...text].map(Number) : original;
    rule = [110, 30, 90].includes(asked("rule", 0, 255, 110)) ? asked("rule", 0, 255, 110) : 110;
    step = asked("step", 1, steps, steps);
    target = asked("cell", 0, width - 1, width >> 1);
    way = given.get("way") === "jump" && rule === 90 ? "jump" : "step";
    which.set(rule);
    when.set(step);
    draw();
  }
  from(params);
  return { from };
}
