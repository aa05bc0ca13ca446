// Sudoku: the rounds that fill a grid, and two orders in which the same denoiser of four rounds fills it.

import { button, fill, make, number, slider, spent } from "../dom.js";

// The board after so many rounds of singles: the cells whose turn has come.
export function afterRounds(record, rounds) {
  return [...record.answer].map((digit, i) => (record.turn[i] <= rounds ? digit : "0")).join("");
}

// Places at which a board holds another digit than the solution.
export function wrong(board, answer) {
  return [...board].flatMap((digit, i) => (digit !== "0" && digit !== answer[i] ? [i] : []));
}

// Digits that stand twice in a row, a column or a box, counted in each.
export function repeated(board) {
  const unit = (i) => [Math.floor(i / 9), 9 + (i % 9), 18 + 3 * Math.floor(i / 27) + Math.floor((i % 9) / 3)];
  const seen = new Map();
  [...board].forEach((digit, i) => {
    if (digit !== "0") unit(i).forEach((u) => seen.set(`${u} ${digit}`, (seen.get(`${u} ${digit}`) ?? 0) + 1));
  });
  return [...seen.values()].reduce((sum, count) => sum + Math.max(0, count - 1), 0);
}

function drawn(board, { clues, fresh = new Set(), bad = new Set(), label }) {
  const row = (r) => make("tr", {}, Array.from({ length: 9 }, (_, c) => {
    const i = 9 * r + c;
    const kind = [clues[i] !== "0" && "clue", fresh.has(i) && "fresh", bad.has(i) && "bad"].filter(Boolean).join(" ");
    return make("td", kind ? { class: kind } : {}, board[i] === "0" ? " " : board[i]);
  }));
  return make("table", { class: "grid", role: "img", "aria-label": label }, make("tbody", {}, Array.from({ length: 9 }, (_, r) => row(r))));
}

const places = (before, after) => new Set([...after].flatMap((digit, i) => (digit !== before[i] ? [i] : [])));

export function start(stage, records, params, keep) {
  const record = records.Sudoku["14 rounds"];
  const most = Math.max(...record.turn);
  const steps = record.random.length;
  let round = 0, step = 0, playing = null;

  const rounds = make("div", { class: "board" });
  const boards = { random: make("div", { class: "board" }), confidence: make("div", { class: "board" }) };
  const told = { rounds: spent(), random: spent(), confidence: spent() };

  function drawRounds() {
    const board = afterRounds(record, round);
    const before = round === 0 ? record.clues : afterRounds(record, round - 1);
    const open = [...board].filter((digit) => digit === "0").length;
    fill(rounds, drawn(board, {
      clues: record.clues, fresh: round ? places(before, board) : new Set(),
      label: `The grid after ${round} rounds: ${open} cells are open`,
    }));
    told.rounds.set([
      ["Rounds", `${round} of ${most}; ${open} cells are open`],
      ["Work", `${number(729 * (17 * round + 2))} operations: all cells of a round side by side`],
      ["Span", `${number(11 * round + 3)} dependent steps: 11 for each round`],
    ]);
  }

  function drawOrders() {
    for (const order of ["random", "confidence"]) {
      const boardAt = (k) => (k === 0 ? "0".repeat(81) : record[order][k - 1]);
      const board = boardAt(step), bad = wrong(board, record.answer);
      const open = [...board].filter((digit) => digit === "0").length;
      fill(boards[order], drawn(board, {
        clues: record.clues, fresh: step ? places(boardAt(step - 1), board) : new Set(), bad: new Set(bad),
        label: `${order === "random" ? "Random order" : "Most confident first"}, after ${step} steps: ${open} cells open, ${bad.length} wrong`,
      }));
      told[order].set([
        ["Steps", `${step} of ${steps}; ${open} cells are open`],
        ["Wrong", bad.length === 0 ? (open === 0 ? "none: solved" : "none so far") : `${bad.length} cells, with ${repeated(board)} repeated digits`],
        ["Work", `${step} passes of ${record.rounds_a_pass} rounds`],
        ["Span", `${number(step * record.rounds_a_pass)} rounds, one after the other`],
      ]);
    }
  }

  const kept = () => keep({ round, step });
  const byRound = slider({
    name: "Rounds of singles", min: 0, max: most, value: 0, change: (next) => { round = next; drawRounds(); kept(); },
  });
  const byStep = slider({
    name: "Denoising steps", min: 0, max: steps, value: 0,
    change: (next) => { stop(); step = next; drawOrders(); kept(); },
  });
  function stop() {
    clearInterval(playing);
    playing = null;
    play.textContent = "Play";
  }
  const play = button("Play", () => {
    if (playing !== null) return stop();
    if (step === steps) step = 0;
    play.textContent = "Pause";
    playing = setInterval(() => {
      step = Math.min(steps, step + 1);
      byStep.set(step);
      drawOrders();
      if (step === steps) stop();
      kept();
    }, 150);
  });
  fill(stage,
    make("h4", {}, "Rounds of singles"),
    make("p", { class: "note" }, "In a round every cell that has one digit left, or is the only place left for a digit in its row, column or box, is filled, all at once. A round needs what the one before filled in."),
    make("div", { class: "controls" }, byRound.node),
    make("div", { class: "beside" }, rounds, told.rounds.node),
    make("h4", {}, "The same denoiser, in two orders"),
    make("p", { class: "note" }, `Each step asks a denoiser of ${record.rounds_a_pass} rounds for every open cell and keeps some of what it says: cells at random, as standard diffusion does, or those it is most confident of. Recorded runs on the same grid. Wrong digits are underlined.`),
    make("div", { class: "controls" }, byStep.node, play),
    make("div", { class: "two" },
      make("div", {}, make("h5", {}, "Random order"), boards.random, told.random.node),
      make("div", {}, make("h5", {}, "Most confident first"), boards.confidence, told.confidence.node)));

  function from(given) {
    stop();
    const asked = (name, high) => {
      const value = Number(given.get(name) ?? 0);
      return Number.isInteger(value) && value >= 0 && value <= high ? value : 0;
    };
    round = asked("round", most);
    step = asked("step", steps);
    byRound.set(round);
    byStep.set(step);
    drawRounds();
    drawOrders();
  }
  from(params);
  return { from, stop };
}
