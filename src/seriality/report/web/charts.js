// Charts: drawn when they come into view, in the colours of the theme; each downloads as SVG, PNG and CSV.

import { button, data, fill, make } from "./dom.js";
import { link } from "./records.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const IN_THE_DARK = { // colours of curves that would be too dark there
  "#56b4e9": "#a9dcff", "#0072b2": "#3f8fd2", "#009e73": "#2fbf95", "#d55e00": "#f08a45", "#b4609a": "#d78fc1", "#7a4a1d": "#c79a6b",
  "#1f2328": "#c9ced3",
};
let figures = null;

function every() {
  figures ??= data("figures-data") ?? {};
  return figures;
}

export function rowsOf(spec) {
  return spec.datasets?.[spec.data?.name] ?? [];
}

// The specification in the colours of the theme.
function themed(spec) {
  const style = getComputedStyle(document.documentElement);
  const [ink, quiet, line, paper] = ["--ink", "--quiet", "--line", "--card"]
    .map((name) => style.getPropertyValue(name).trim());
  let text = JSON.stringify(spec).replaceAll('"stroke":"white"', `"stroke":"${paper}"`);
  if (dark.matches) for (const [light, other] of Object.entries(IN_THE_DARK)) text = text.replaceAll(light, other);
  const copy = JSON.parse(text);
  const config = copy.config;
  copy.background = "transparent";
  copy.config = {
    ...config,
    view: { stroke: null },
    title: { ...config.title, color: ink, subtitleColor: quiet },
    axis: {
      ...config.axis, labelColor: ink, titleColor: ink, gridColor: line, domainColor: quiet, tickColor: quiet,
    },
    legend: { ...config.legend, labelColor: ink },
  };
  return copy;
}

function narrowed(spec, width) {
  if (width > 420) return spec;
  const text = JSON.stringify(spec).replaceAll('"columns":2', '"columns":1').replaceAll('"columns":4', '"columns":2');
  const copy = JSON.parse(text);
  copy.config.legend.labelLimit = Math.max(120, (width - 40) / (copy.config.legend.columns ?? 1));
  return copy;
}

export async function draw(place, spec) {
  const view = await window.vegaEmbed(place, narrowed(themed(spec), place.clientWidth), {
    actions: false, renderer: "svg", ast: true, tooltip: { theme: dark.matches ? "dark" : "light" },
  });
  view.view.addEventListener("click", (_, item) => {
    const records = item?.datum?.records;
    if (records) document.dispatchEvent(new CustomEvent("records", { detail: records }));
  });
  const picture = place.querySelector("svg");
  picture?.setAttribute("role", "img");
  picture?.setAttribute("aria-label", place.dataset.label);
  return view;
}

// All panels of a figure as one, for a paper: on white, at fixed widths.
function whole(panels) {
  const datasets = {};
  const parts = panels.map((spec, i) => {
    const copy = JSON.parse(JSON.stringify(spec));
    for (const [name, rows] of Object.entries(copy.datasets ?? {})) datasets[`${i}-${name}`] = rows;
    const renamed = JSON.parse(JSON.stringify(copy, (key, value) =>
      key === "data" && value?.name !== undefined ? { ...value, name: `${i}-${value.name}` } : value));
    delete renamed.datasets;
    delete renamed.config;
    return { ...renamed, width: 380 };
  });
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json", background: "white", padding: 12,
    config: { ...panels[0].config, view: { stroke: null } }, concat: parts, columns: Math.min(2, parts.length),
    spacing: 26, resolve: { scale: { color: "independent", shape: "independent" } }, datasets,
  };
}

export function titleOf(spec) {
  const title = spec.title;
  return typeof title === "string" ? title : [title?.text, title?.subtitle].flat().filter(Boolean).join(": ");
}

export function csv(panels) {
  const rows = panels.flatMap((spec) => rowsOf(spec).map((row) => ({ panel: titleOf(spec), ...row })));
  const names = [...new Set(rows.flatMap(Object.keys))].filter((name) => !["place", "records"].includes(name));
  const cell = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`; // no formula in a spreadsheet
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows.map((row) => names.map((name) => row[name]))]
    .map((values) => values.map(cell).join(",")).join("\r\n") + "\r\n";
}

function save(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const anchor = make("a", { href: address, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

async function download(name, panels, kind) {
  if (kind === "csv") return save(`${name}.csv`, csv(panels), "text/csv");
  const place = make("div", { class: "off-screen", "aria-hidden": "true" });
  document.body.append(place);
  try {
    const { view } = await window.vegaEmbed(place, whole(panels), { actions: false, renderer: "svg", ast: true });
    if (kind === "svg") return save(`${name}.svg`, await view.toSVG(), "image/svg+xml");
    const canvas = await view.toCanvas(2);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    return save(`${name}.png`, blob, "image/png");
  } finally {
    place.remove();
  }
}

// The numbers of a figure, a line each, with the records behind it.
export function numbers(panels) {
  return panels.map((spec) => {
    const rows = rowsOf(spec).filter((row) => row.kind !== "seed");
    const names = [...new Set(rows.flatMap(Object.keys))]
      .filter((name) => !["place", "records", "kind", "expected"].includes(name) && rows.some((row) => row[name] !== null));
    const told = (value) => (typeof value === "number" ? Number(value.toPrecision(5)).toString() : value ?? "");
    return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": titleOf(spec) },
      make("table", {}, make("caption", {}, titleOf(spec)),
        make("thead", {}, make("tr", {}, names.map((name) => make("th", { scope: "col" }, name)),
          make("th", { scope: "col" }, "records"))),
        make("tbody", {}, rows.map((row) => make("tr", {},
          names.map((name) => make("td", {}, told(row[name]))),
          make("td", {}, row.records ? link(row.records, "show") : row.expected ? "theory" : ""))))));
  });
}

export function start() {
  const drawn = new Map(); // by the place of a chart: what undoes it
  const watcher = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
    if (!isIntersecting || drawn.has(target)) return;
    const spec = every()[target.dataset.figure][Number(target.dataset.panel)];
    drawn.set(target, draw(target, spec).catch((error) => {
      fill(target, `This chart cannot be drawn: ${error.message}`);
      console.error(error);
    }));
  }), { rootMargin: "200px" });

  function again(targets) {
    for (const target of targets) {
      drawn.get(target).then((view) => view?.finalize());
      drawn.delete(target);
      watcher.unobserve(target);
      watcher.observe(target);
    }
  }

  for (const figure of document.querySelectorAll("figure[data-figure]")) {
    const name = figure.dataset.figure;
    const panels = every()[name];
    const place = figure.querySelector(".panels");
    fill(place, panels.map((spec, i) => make("div", {
      class: "panel", "data-figure": name, "data-panel": i, "data-label": titleOf(spec) || figure.dataset.label,
    })));
    place.childNodes.forEach((each) => watcher.observe(each));
    figure.querySelector(".downloads").append("Download ", ...["svg", "png", "csv"].map((kind) =>
      button(kind.toUpperCase(), () => download(name, panels, kind), { "aria-label": `${kind.toUpperCase()} of ${name}` })));
    const details = figure.querySelector("details.numbers");
    details.addEventListener("toggle", () => {
      if (details.open && details.childElementCount === 1) details.append(...numbers(panels));
    });
  }
  dark.addEventListener("change", () => again([...drawn.keys()]));
  let width = innerWidth;
  addEventListener("resize", () => { // a chart that is hidden has been told that it has no width
    const turned = (width > 560) !== (innerWidth > 560);
    again([...drawn.keys()].filter((target) => turned || target.clientWidth === 0));
    width = innerWidth;
  });
}
