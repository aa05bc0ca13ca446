// Circuits of as many gates, deep and wide: a gate waits for the layer below, and processors help a layer only.

import { choice, fill, make, slider, spent } from "../dom.js";

const TABLES = {
  AND: [0, 0, 0, 1], OR: [0, 1, 1, 1], NAND: [1, 1, 1, 0], NOR: [1, 0, 0, 0],
  GT: [0, 0, 1, 0], LT: [0, 1, 0, 0], GE: [1, 0, 1, 1], LE: [1, 1, 0, 1],
};

// "u0^=GT(v0,v2)" as its parts.
export function parsed(gate) {
  const [, target, operation, one, other] = /^(\w+)\^=(\w+)\((\w+),(\w+)\)$/.exec(gate);
  return { target, operation, one, other };
}

// The value of every gate, layer by layer.
export function evaluated(circuit) {
  const wires = Object.fromEntries(circuit.inputs.map((input) => {
    const [wire, bit] = input.split("=");
    return [wire, Number(bit)];
  }));
  return circuit.layers.map((layer) => {
    const before = { ...wires };
    return layer.map((gate) => {
      const { target, operation, one, other } = parsed(gate);
      wires[target] = before[target] ^ TABLES[operation][2 * before[one] + before[other]];
      return wires[target];
    });
  });
}

// The step at which each gate is done, by layers, with so many processors: a layer begins when the one below is done.
export function schedule(circuit, processors) {
  let begun = 0;
  return circuit.layers.map((layer) => {
    const done = layer.map((_, i) => begun + 1 + Math.floor(i / processors));
    begun = Math.max(...done);
    return done;
  });
}

export function start(stage, records, params, keep) {
  const { deep, wide } = records.circuits["24 gates"];
  const circuits = { deep, wide };
  const values = Object.fromEntries(Object.entries(circuits).map(([name, each]) => [name, evaluated(each)]));
  let step = 0, processors = 8;
  const places = { deep: make("div"), wide: make("div") };
  const told = { deep: spent(), wide: spent() };

  function draw() {
    for (const [name, circuit] of Object.entries(circuits)) {
      const done = schedule(circuit, processors);
      const end = Math.max(...done.flat());
      const settled = done.flat().filter((when) => when <= step).length;
      fill(places[name], make("ol", { class: "layers", "aria-label": `${name} circuit, layer by layer` },
        circuit.layers.map((layer, k) => make("li", {}, layer.map((gate, i) => {
          const known = done[k][i] <= step, fresh = done[k][i] === step;
          return make("span", { class: `gate${known ? " known" : ""}${fresh ? " fresh" : ""}`, title: gate },
            make("small", {}, `${parsed(gate).target} ${parsed(gate).operation} `), known ? String(values[name][k][i]) : "·");
        })))));
      told[name].set([
        ["Gates", `${settled} of ${done.flat().length} are known`],
        ["Answer", step >= end ? `known after ${end} steps: ${circuit.answer}` : "not known yet"],
        ["Work", `${done.flat().length} gates`],
        ["Span", `${circuit.layers.length} layers, one after the other`],
        ["Time", `${end} steps on ${processors} processor${processors === 1 ? "" : "s"}`],
      ]);
    }
  }
  const kept = () => keep({ step, processors });
  const byStep = slider({
    name: "Steps", min: 0, max: 24, value: 0, change: (next) => { step = next; draw(); kept(); },
  });
  const many = choice({
    name: "Processors", options: [["1", "1"], ["2", "2"], ["3", "3"], ["8", "8"]], value: String(processors),
    change: (next) => { processors = Number(next); draw(); kept(); },
  });
  fill(stage, make("div", { class: "controls" }, byStep.node, many.node),
    make("div", { class: "two" },
      make("div", {}, make("h5", {}, "Deep: 8 layers of 3 gates"), told.deep.node, places.deep),
      make("div", {}, make("h5", {}, "Wide: 3 layers of 8 gates"), told.wide.node, places.wide)),
    make("p", { class: "note" }, "A gate replaces a wire's bit by its sum, modulo 2, with an operation of two other wires as the layer below left them. Beyond 3 processors the deep circuit gains nothing; the wide one gains up to 8."));

  function from(given) {
    const asked = Number(given.get("step") ?? 0);
    step = Number.isInteger(asked) && asked >= 0 && asked <= 24 ? asked : 0;
    processors = ["1", "2", "3", "8"].includes(given.get("processors")) ? Number(given.get("processors")) : 8;
    byStep.set(step);
    many.set(processors);
    draw();
  }
  from(params);
  return { from };
}
