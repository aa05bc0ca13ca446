// A cell of Table 1 opens its curve: one row, on the task and on its control.

import { button, data, fill, make } from "./dom.js";
import { draw, numbers, rowsOf, titleOf } from "./charts.js";
import { keep, onChange } from "./state.js";

// A figure's panels with the data of one row alone.
function ofRow(panels, row) {
  return panels.map((spec) => {
    const rows = rowsOf(spec).filter((each) => each.row === row);
    const copy = JSON.parse(JSON.stringify({ ...spec, datasets: {} }));
    const others = Object.entries(spec.datasets).filter(([name]) => name !== spec.data.name);
    copy.datasets = { ...Object.fromEntries(others), [spec.data.name]: rows };
    return rows.length ? alone(copy, row) : null;
  }).filter(Boolean);
}

// The legend of one row: its colour and its shape stay.
function alone(spec, row) {
  return JSON.parse(JSON.stringify(spec, (key, value) => {
    const at = key === "scale" && Array.isArray(value.domain) && Array.isArray(value.range) ? value.domain.indexOf(row) : -1;
    return at === -1 ? value : { ...value, domain: [row], range: [value.range[at]] };
  }));
}

// The name of a figure, the places of panels, a row: from the address, where anything may stand.
function parsed(curve) {
  try {
    const [figure, places, row] = JSON.parse(curve);
    return [String(figure), [...places].map(Number), String(row)];
  } catch {
    return ["", [], ""];
  }
}

export function start() {
  const body = make("div", { class: "body" });
  const title = make("h2", { id: "curve-title" });
  const dialog = make("dialog", { class: "curve", "aria-labelledby": "curve-title", onclose: () => dialog.open || keep({ curve: null }) },
    make("header", {}, title, button("Close", () => dialog.close())), body);
  document.body.append(dialog);

  function open(curve) {
    const [figure, places, row] = parsed(curve);
    const all = data("figures-data")?.[figure] ?? [];
    const panels = ofRow(places.map((i) => all[i]).filter(Boolean), row);
    if (panels.length === 0) return dialog.close();
    title.textContent = `${row}: ${panels.map((spec) => titleOf(spec)).join(", ")}`;
    const drawn = make("div", { class: "panels" });
    fill(body, drawn,
      make("p", { class: "note" }, "Marks are means over seeds, small dots single seeds, bars their intervals. Press a mark for its records."),
      ...numbers(panels));
    if (!dialog.open) dialog.showModal();
    for (const spec of panels) {
      const place = make("div", { class: "panel", "data-label": `${row}, ${spec.title?.text ?? ""}` });
      drawn.append(place);
      draw(place, spec).catch((error) => fill(place, `This chart cannot be drawn: ${error.message}`));
    }
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-curve]");
    if (target === null) return;
    keep({ curve: target.dataset.curve });
    open(target.dataset.curve);
  });
  onChange(({ params }) => {
    if (params.has("curve")) open(params.get("curve"));
    else if (dialog.open) dialog.close();
  });
}
