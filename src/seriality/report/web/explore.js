// The demos. Each begins when it is first opened, from its record and the parameters of the hash, in which it
// keeps its state.

import { data } from "./dom.js";
import { keep, read } from "./state.js";
import { tabs } from "./tabs.js";
import { start as balls } from "./demos/balls.js";
import { start as cells } from "./demos/cells.js";
import { start as circuits } from "./demos/circuits.js";
import { start as sudoku } from "./demos/sudoku.js";
import { start as words } from "./demos/words.js";

const DEMOS = { balls, cells, sudoku, circuits, words };

export function start() {
  const list = document.getElementById("demo-tabs");
  if (list === null) return;
  const records = data("demos-data");
  const begun = new Map();
  tabs(list, 1, (name, place) => {
    if (place.path[0] !== "explore") return;
    if (begun.has(name)) return begun.get(name)?.(place.params);
    const stage = document.querySelector(`#demo-${name} .stage`);
    begun.set(name, DEMOS[name](stage, records, place.params, (changes) => {
      if (read().path[0] === "explore") keep(changes);
    }));
  });
}
