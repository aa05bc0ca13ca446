// The records behind a number, in a dialog: what they have in common, their ids, and the command that shows one.

import { button, data, fill, make, number } from "./dom.js";
import { keep, onChange } from "./state.js";

const MOST = 300;
let index = null;
let starts = [];
let total = 0;

function load() {
  if (index !== null) return;
  index = data("records-data");
  starts = index.groups.map((group) => {
    const start = total;
    total += group[3].reduce((sum, [, , count]) => sum + count, 0);
    return start;
  });
}

// "0-4,7" as places, those that there are.
export function places(link) {
  load();
  const found = new Set();
  for (const part of link.split(",")) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    for (let place = Number(first); place <= Math.min(Number(last), total - 1); place += 1) found.add(place);
  }
  return [...found];
}

export function at(place) {
  load();
  let group = starts.findLastIndex((start) => start <= place);
  if (group === -1) return null;
  const [study, name, ids, runs] = index.groups[group];
  const within = place - starts[group];
  let before = 0;
  for (const [kind, seed, count] of runs) {
    if (within < before + count) {
      const id = ids.slice(within * index.digits, (within + 1) * index.digits);
      return { study, name, id, detail: [`seed ${seed + within - before}`, kind].filter(Boolean).join(", ") };
    }
    before += count;
  }
  return null;
}

function shown(link) {
  const found = places(link);
  const rows = found.slice(0, MOST).map(at).filter((each) => each !== null);
  const groups = Map.groupBy
    ? Map.groupBy(rows, (each) => `${each.study} · ${each.name}`)
    : rows.reduce((map, each) => {
      const key = `${each.study} · ${each.name}`;
      return map.set(key, [...(map.get(key) ?? []), each]);
    }, new Map());
  const more = found.length > MOST ? `The first ${MOST} are listed. ` : "";
  if (rows.length === 0) return [make("p", {}, "This page has no such records.")];
  return [
    make("p", {}, `${number(found.length)} record${found.length === 1 ? "" : "s"}. ${more}One of them whole: `,
      make("code", {}, `${index.command} ${rows[0].id}`)),
    ...[...groups].map(([name, members]) => make("div", {},
      make("h3", {}, name),
      make("ul", { class: "ids" }, members.map((each) => make("li", {}, make("code", {}, each.id), ` ${each.detail}`))))),
  ];
}

export function link(places, text, attributes = {}) {
  return make("a", { href: `#?records=${places}`, "data-records": places, ...attributes }, text);
}

export function start() {
  const body = make("div", { class: "body" });
  const dialog = make("dialog", { "aria-labelledby": "records-title", onclose: () => dialog.open || keep({ records: null }) },
    make("header", {}, make("h2", { id: "records-title" }, "The records behind it"),
      button("Close", () => dialog.close())),
    body);
  document.body.append(dialog);
  function open(link) {
    fill(body, shown(link));
    if (!dialog.open) dialog.showModal();
    body.scrollTop = 0;
  }
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-records]");
    if (target === null) return;
    event.preventDefault();
    keep({ records: target.dataset.records });
    open(target.dataset.records);
  });
  document.addEventListener("records", (event) => {
    keep({ records: event.detail });
    open(event.detail);
  });
  onChange(({ params }) => {
    if (params.has("records")) open(params.get("records"));
    else if (dialog.open) dialog.close();
  });
}
