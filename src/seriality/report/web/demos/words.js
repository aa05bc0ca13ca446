// A word over S5: its product tracked letter by letter, and by a tree of products of neighbours.

import { choice, fill, make, slider, spent } from "../dom.js";

const POINTS = 5;

// "(012)(34)" as where each point goes.
export function permutation(text) {
  const to = Array.from({ length: POINTS }, (_, i) => i);
  for (const [, cycle] of text.matchAll(/\((\d*)\)/g)) {
    const points = [...cycle].map(Number);
    points.forEach((point, i) => { to[point] = points[(i + 1) % points.length]; });
  }
  return to;
}

// First one, then the other.
export function product(one, other) {
  return one.map((point) => other[point]);
}

export function cycles(to) {
  const seen = new Set();
  let text = "";
  for (let start = 0; start < POINTS; start++) {
    if (seen.has(start)) continue;
    const cycle = [];
    for (let point = start; !seen.has(point); point = to[point]) { seen.add(point); cycle.push(point); }
    if (cycle.length > 1) text += `(${cycle.join("")})`;
  }
  return text || "()";
}

export function prefixes(letters) {
  return letters.map(permutation).reduce((found, each) => [...found, found.length ? product(found.at(-1), each) : each], []);
}

// The levels of the tree, from the letters to the one product.
export function levels(letters) {
  const found = [letters.map(permutation)];
  while (found.at(-1).length > 1) {
    const below = found.at(-1);
    found.push(Array.from({ length: Math.ceil(below.length / 2) },
      (_, i) => (2 * i + 1 < below.length ? product(below[2 * i], below[2 * i + 1]) : below[2 * i])));
  }
  return found;
}

function chip(to, fresh) {
  return make("span", { class: `chip${fresh ? " fresh" : ""}` },
    make("span", { class: "dots", "aria-hidden": "true" }, to.map((point) => make("i", { class: `dot d${point}` }))), cycles(to));
}

export function start(stage, records, params, keep) {
  const { letters } = records.words.S5;
  const chain = prefixes(letters), tree = levels(letters);
  let way = "chain", step = 0;
  const place = make("div");
  const told = spent();
  const steps = () => (way === "chain" ? letters.length - 1 : tree.length - 1);

  function draw() {
    const shown = way === "chain"
      ? [make("p", { class: "row" }, letters.map(permutation).map((each, i) => chip(each, i === step && step > 0))),
        make("p", { class: "row" }, chain.slice(0, step + 1).map((each, i) => chip(each, i === step)))]
      : tree.slice(0, step + 1).map((level, i) => make("p", { class: "row" }, level.map((each) => chip(each, i === step && i > 0))));
    fill(place, shown);
    const products = way === "chain" ? step : tree.slice(1, step + 1).reduce((sum, level, i) => sum + Math.floor(tree[i].length / 2), 0);
    told.set([
      ["Way", way === "chain" ? "a state, letter by letter" : "neighbours two by two"],
      ["Work", `${products} products of ${letters.length - 1}`],
      ["Span", `${step} dependent products of ${steps()}`],
      ["Product", step === steps() ? cycles(way === "chain" ? chain.at(-1) : tree.at(-1)[0]) : "not known yet"],
    ]);
  }
  const kept = () => keep({ way, step });
  const bySlider = slider({
    name: "Steps", min: 0, max: letters.length - 1, value: 0,
    change: (next) => { step = Math.min(next, steps()); draw(); kept(); },
  });
  function limit() {
    bySlider.input.max = steps();
    step = Math.min(step, steps());
    bySlider.set(step);
  }
  const which = choice({
    name: "Way", options: [["chain", "step by step"], ["tree", "a tree of products"]], value: way,
    change: (next) => { way = next; limit(); draw(); kept(); },
  });
  fill(stage, make("div", { class: "controls" }, which.node, bySlider.node),
    make("div", {}, told.node, place),
    make("p", { class: "note" }, `${letters.length} letters, each a permutation of five points. The first row has the letters, the other rows products. Both ways take the same ${letters.length - 1} products; the tree has logarithmic span, and no constant span is known or believed to do: the word problem of S5 is complete for NC1.`));

  function from(given) {
    way = given.get("way") === "tree" ? "tree" : "chain";
    which.set(way);
    const asked = Number(given.get("step") ?? 0);
    step = Number.isInteger(asked) && asked >= 0 ? asked : 0;
    limit();
    draw();
  }
  from(params);
  return { from };
}
