// Elements, made without markup: text from records can only ever become text.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

export function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity));
}

export function data(name) {
  const block = document.getElementById(name);
  return block === null ? null : JSON.parse(block.textContent);
}

// A labelled range with the value beside it; `name` is told to those who listen.
export function slider({ name, min, max, step = 1, value, told = String, change }) {
  const output = make("output", {}, told(value));
  const input = make("input", {
    type: "range", min, max, step, value, "aria-label": name,
    oninput: () => {
      output.textContent = told(Number(input.value));
      change(Number(input.value));
    },
  });
  input.setAttribute("aria-valuetext", told(value));
  input.addEventListener("input", () => input.setAttribute("aria-valuetext", told(Number(input.value))));
  const set = (next) => {
    input.value = next;
    output.textContent = told(Number(input.value));
    input.setAttribute("aria-valuetext", told(Number(input.value)));
  };
  return { node: make("label", { class: "slider" }, make("span", {}, name), input, output), input, set };
}

// One choice of several, as a group of radio buttons.
export function choice({ name, options, value, change }) {
  const group = `choice-${name.replace(/\W+/g, "-")}-${choice.made = (choice.made ?? 0) + 1}`;
  const inputs = options.map(([option, label]) => {
    const input = make("input", {
      type: "radio", name: group, value: option, checked: option === value, onchange: () => change(option),
    });
    return [input, make("label", { class: "option" }, input, make("span", {}, label))];
  });
  const node = make("fieldset", { class: "choice" }, make("legend", {}, name), inputs.map(([, label]) => label));
  const set = (next) => inputs.forEach(([input]) => { input.checked = input.value === String(next); });
  return { node, set };
}

export function button(label, press, attributes = {}) {
  return make("button", { type: "button", onclick: press, ...attributes }, label);
}

// What a demo has spent, as a list of terms; read out when it changes.
export function spent() {
  const list = make("dl", { class: "spent", "aria-live": "polite" });
  const set = (pairs) => fill(list, pairs.map(([term, said]) => [make("dt", {}, term), make("dd", {}, said)]));
  return { node: list, set };
}

export function number(value) {
  return value.toLocaleString("en-US");
}
