// The demos. Each begins when it is first opened, from its record and the parameters of the hash, in which it
// keeps its state.

import { data } from "./dom.js";
import { keep, onChange } from "./state.js";
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
  let shown = null;
  onChange(({ path }) => { // a demo that is left stops, and what it still says is not of this address
    if (path[0] === "explore") return;
    begun.get(shown)?.stop?.();
    shown = null;
  });
  tabs(list, 1, (name, place) => {
    if (place.path[0] !== "explore") return;
    if (name !== shown) begun.get(shown)?.stop?.();
    shown = name;
    if (begun.has(name)) return begun.get(name).from(place.params);
    const stage = document.querySelector(`#demo-${name} .stage`);
    begun.set(name, DEMOS[name](stage, records, place.params, (changes) => {
      if (name === shown) keep(changes);
    }));
  });
}
