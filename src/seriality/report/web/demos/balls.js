// One ball, five balls: stepping from event to event, and the formula that jumps ahead, which one ball has.

import { button, choice, fill, make, number, slider, spent, svg } from "../dom.js";

const COLOURS = ["#e69f00", "#0072b2", "#009e73", "#d55e00", "#b4609a"];

const SAME = 5e-7; // times are recorded, and kept in the address, to six digits

// The last event at or before a time, as its place in the record: 0 is the start.
export function eventAt(motion, time) {
  let low = 0, high = motion.time.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (motion.time[middle] <= time + SAME) low = middle; else high = middle - 1;
  }
  return low;
}

// Where the discs are, by the last event and free flight since.
export function stepped(motion, time) {
  const k = eventAt(motion, time);
  const since = time - motion.time[k];
  return motion.place[k].map(([x, y], i) => {
    const [u, v] = motion.velocity[k][i];
    return [x + u * since, y + v * since];
  });
}

// Where one disc is, at once: reflected boxes side by side unfold its path into a straight line.
export function jumped(motion, time) {
  const room = motion.side - 2 * motion.radius;
  return motion.place[0][0].map((start, axis) => {
    const straight = start - motion.radius + motion.velocity[0][0][axis] * time;
    const inside = ((straight % (2 * room)) + 2 * room) % (2 * room);
    return motion.radius + room - Math.abs(room - inside);
  });
}

// The longest chain of causes among the first events: an event waits for the last one of each of its discs.
export function chain(motion, events) {
  const deep = motion.place[0].map(() => 0);
  for (const [one, other] of motion.who.slice(0, events)) {
    const next = 1 + Math.max(deep[one], other >= 0 ? deep[other] : 0);
    deep[one] = next;
    if (other >= 0) deep[other] = next;
  }
  return Math.max(0, ...deep);
}

// What each event asks: when any pair, and any disc and wall, would next meet.
export function candidates(balls) {
  return balls * (balls - 1) / 2 + 2 * balls;
}

export function start(stage, records, params, keep) {
  const motions = { 5: records.balls["five discs"], 1: records.balls["one disc"] };
  let balls = params.get("balls") === "1" ? 1 : 5;
  let time = 0, way = "step", playing = null;
  const motion = () => motions[balls];
  const last = () => Math.min(motion().time.at(-1), motions[5].time.at(-1));

  const picture = svg("svg", { viewBox: "-1 -1 34 34", class: "box", role: "img" });
  const told = spent();
  const note = make("p", { class: "note" });

  function draw() {
    const now = motion();
    const k = eventAt(now, time);
    const places = way === "jump" ? [jumped(now, time)] : stepped(now, time);
    const flip = (y) => now.side - y;
    const trail = (i) => {
      const from = Math.max(0, k - 6);
      const points = now.place.slice(from, k + 1).map((each) => each[i]).concat([places[i]]);
      return svg("polyline", {
        points: points.map(([x, y]) => `${x},${flip(y)}`).join(" "), fill: "none", stroke: COLOURS[i],
        "stroke-width": 0.16, opacity: 0.6,
      });
    };
    fill(picture,
      svg("rect", { x: 0, y: 0, width: now.side, height: now.side, class: "wall" }),
      ...(way === "jump" ? [] : places.map((_, i) => trail(i))),
      ...places.map(([x, y], i) => svg("circle", { cx: x, cy: flip(y), r: now.radius, fill: COLOURS[i] })),
      ...places.map(([x, y], i) => svg("text", { x, y: flip(y) + 0.6, class: "name" }, String(i + 1))));
    picture.setAttribute("aria-label",
      `${balls} disc${balls === 1 ? "" : "s"} in a box at ${time.toFixed(1)} seconds, after ${k} events; disc 1 at `
      + `${places[0].map((each) => each.toFixed(1)).join(", ")}`);
    const causes = chain(now, k);
    const each = candidates(balls);
    told.set(way === "jump"
      ? [["Way", "jump ahead: fold a straight line"], ["Work", "10 operations, whatever the time"],
        ["Span", "5 dependent steps, whatever the time"],
        ["Check", `stepping through ${k} walls ends ${distance(jumped(now, time), stepped(now, time)[0]).toFixed(4)} cells away`]]
      : [["Way", "step from event to event"],
        ["Work", `${number(k * each)} meetings looked at: ${k} events, ${each} candidates each`],
        ["Span", `${k} dependent steps, one for each event`],
        ["Longest chain of causes", `${causes} events, each of which needs the one before`]]);
    note.textContent = balls === 1
      ? "A ball alone meets walls only. Its place at any time is one fold of a straight line for each coordinate."
      : "No formula is known for five. Each collision turns both balls by what the last ones did, so the events are found one after the other.";
    jump.disabled = balls !== 1;
    jump.title = balls === 1 ? "" : "No closed form is known for several balls";
  }

  function distance(one, other) {
    return Math.hypot(one[0] - other[0], one[1] - other[1]);
  }

  function set(next, kept = true) {
    time = Math.max(0, Math.min(last(), next));
    when.set(time);
    draw();
    if (kept) keep({ balls, t: Number(time.toFixed(6)), way });
  }

  function stop() {
    cancelAnimationFrame(playing);
    playing = null;
    play.textContent = "Play";
  }

  const play = button("Play", () => {
    if (playing !== null) { stop(); return set(time); }
    if (time >= last()) time = 0;
    way = "step";
    play.textContent = "Pause";
    let before = null;
    const tick = (now) => {
      set(time + (before === null ? 0 : (now - before) / 1000), false);
      before = now;
      if (time >= last()) { stop(); set(time); } else playing = requestAnimationFrame(tick);
    };
    playing = requestAnimationFrame(tick);
  });
  const step = button("Next event", () => {
    stop();
    way = "step";
    set(motion().time[Math.min(eventAt(motion(), time) + 1, motion().time.length - 1)]);
  });
  const jump = button("Jump to the end", () => { stop(); way = "jump"; set(last()); });
  const when = slider({
    name: "Time", min: 0, max: last().toFixed(2), step: 0.05, value: 0, told: (t) => `${t.toFixed(2)} s`,
    change: (next) => { stop(); if (balls === 5) way = "step"; set(next); },
  });
  const many = choice({
    name: "Balls", options: [["1", "one ball"], ["5", "five balls"]], value: String(balls),
    change: (next) => { stop(); balls = Number(next); way = "step"; set(time); },
  });
  fill(stage, make("div", { class: "controls" }, many.node, when.node, play, step, jump),
    make("div", { class: "beside" }, picture, make("div", {}, told.node, note)));

  function from(given) {
    stop();
    balls = given.get("balls") === "1" ? 1 : 5;
    many.set(balls);
    way = given.get("way") === "jump" && balls === 1 ? "jump" : "step";
    const asked = Number(given.get("t") ?? 0);
    set(Number.isFinite(asked) ? asked : 0, false);
  }
  from(params);
  return { from, stop };
}
